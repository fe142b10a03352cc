"""Is it worth asking for labels in an order? Each strategy against chance, by the probe that learns from what it chose.

    python benchmarks/suggesting.py --run RUN --data mnist.npz --labels label --out DIR --rounds 10 20 30 50 100 200
    python benchmarks/suggesting.py --run RUN --data elpv.npz --labels label --out DIR --rounds 10 20 40 80 160

Each repeat takes nine tenths of what the run did not hold out, by chance, as the pool; every policy begins from no label, is told the
labels of what it chose, and chooses on. Tested is on what the run held out, by the linear probe with its strength chosen inside the labels
(accuracy, balanced where classes are skewed). "A, then B" is A while there are no labels of two classes, B from then on. Paired by repeat
with chance; intervals are 95 % over repeats. Embeddings and scores are kept in DIR.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from embedded import Embedded, embedded
from selfsup.curating.collection import around
from selfsup.curating.strategies import STRATEGIES, Pool
from selfsup.probing.choice import choose
from selfsup.probing.metrics import accuracy, balanced_accuracy, is_skewed
from selfsup.probing.probes import Standardiser, linear

POLICIES = (
    ("random", "random"), ("typical", "typical"), ("coverage", "coverage"), ("random", "uncertain"), ("random", "mixed"),
    ("typical", "uncertain"), ("typical", "mixed"),
)  # fmt: skip
SHARE = 0.9


def named(policy: tuple[str, str]) -> str:
    return policy[0] if policy[0] == policy[1] else f"{policy[0]}, then {policy[1]}"


def score(data: Embedded, pool: np.ndarray, known: np.ndarray) -> float:
    """How well the tested items are told from these labelled ones."""
    standard = Standardiser.of(data.features[pool])
    train, targets, truth = standard(data.features[known]), data.targets[known], data.targets[data.tested]
    names, numbers = np.unique(targets, return_inverse=True)
    skewed = is_skewed(np.bincount(data.targets))
    metric = balanced_accuracy if skewed else accuracy
    if len(names) < 2:
        return metric(truth, np.full(len(truth), names[0]))
    choice = choose({"": train}, numbers, probe="linear", labels_per_class="all", default="", balanced=skewed)
    shares = linear(train, numbers, standard(data.features[data.tested]), classes=len(names), strength=choice.strength, balanced=skewed)
    return metric(truth, names[shares.argmax(1)])


def repeat(data: Embedded, policy: tuple[str, str], rounds: Sequence[int], seed: int) -> list[float]:
    """The score after each round."""
    rows = np.flatnonzero(~data.tested)
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[: round(SHARE * len(rows))])
    features, truth = data.features[rows], data.targets[rows]
    vectors = around(features, features.mean(0, dtype=np.float64)).numpy()
    known, found = np.zeros(len(rows), dtype=bool), list[float]()
    for number, size in enumerate(rounds):
        pool = Pool(vectors, features, np.where(known, truth, -1), ~known)
        cold = len(np.unique(truth[known])) < 2
        chosen = STRATEGIES[policy[0] if cold else policy[1]](pool, size - int(known.sum()), 1000 * seed + number)
        known[chosen] = True
        found.append(float(score(data, rows, rows[known])))
    return found


def interval(values: np.ndarray) -> str:
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{100 * (values.mean() - half):+.1f} to {100 * (values.mean() + half):+.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, nargs="+", default=[10, 20, 30, 50, 100, 200])
    parser.add_argument("--repeats", type=int, default=8)
    asked = parser.parse_args()
    data = embedded(asked.run, asked.data, labels=asked.labels, out=asked.out)
    file = asked.out / f"{asked.run.parent.name}-{asked.run.name}-rounds.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    for seed in range(asked.repeats):
        for policy in POLICIES:
            key = f"{named(policy)} {seed} {asked.rounds}"
            if key not in kept:
                kept[key] = repeat(data, policy, asked.rounds, seed)
                file.write_text(json.dumps(kept))
    found = {policy: np.array([kept[f"{named(policy)} {seed} {asked.rounds}"] for seed in range(asked.repeats)]) for policy in POLICIES}
    print(f"{asked.repeats} repeats, layer {data.layer}, in %, and in points against random\n")
    print(f"| policy | {' | '.join(f'{size} labels' for size in asked.rounds)} |\n|---|{'--:|' * len(asked.rounds)}")
    for policy, table in found.items():
        less = table - found[POLICIES[0]]
        cells = [
            f"{100 * column.mean():.1f}" + ("" if policy == POLICIES[0] else f" ({interval(difference)})")
            for column, difference in zip(table.T, less.T, strict=True)
        ]  # fmt: skip
        print(f"| {named(policy)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
