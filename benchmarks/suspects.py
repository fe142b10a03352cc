"""Are wrong labels found? Some are planted, and ranked among the others by what a probe says that learned from the rest.

    python benchmarks/suspects.py --run RUN --data mnist.npz --labels label --out DIR
    python benchmarks/suspects.py --run RUN --data news.csv --labels category --out DIR

Each repeat gives a twentieth of the items another label, any of the others by chance. Precision at the number planted (which is recall
there too) and average precision, of the margin, of the probability of the label alone, and of the share of 10 neighbours; precision and
recall of what confident learning holds to be wrong. Labels that were wrong before count as false alarms. Texts get the same table from
TF-IDF in place of embeddings. Embeddings are kept in DIR.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score

from embedded import Embedded, embedded
from selfsup.curating.confidence import contradicted, margin_of, out_of_fold
from selfsup.probing.draws import stratified_folds
from selfsup.probing.probes import knn


def planted(targets: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels with some of them wrong, and which."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(targets), dtype=bool)
    wrong[rng.permutation(len(targets))[: round(share * len(targets))]] = True
    classes = int(targets.max()) + 1
    shift = rng.integers(1, classes, len(targets))
    return np.where(wrong, (targets + shift) % classes, targets), wrong


def by_neighbours(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Votes of the 10 nearest of the other folds."""
    folds = stratified_folds(targets, folds=5, seed=0)
    shares = np.full((len(targets), int(targets.max()) + 1), np.nan)
    for fold in range(5):
        held = folds == fold
        shares[held] = knn(features[~held], targets[~held], features[held], classes=shares.shape[1], neighbours=10)
    return shares


def scored(data: Embedded, features: np.ndarray, unit: np.ndarray, share: float, seed: int) -> dict[str, float]:
    """Every number of one repeat, from some features of the items."""
    labels, wrong = planted(data.targets, share, seed)
    shares = out_of_fold(features, labels, data.groups, seed=seed)
    ranks = {
        "margin": -margin_of(shares, labels),
        "probability of the label": -shares[np.arange(len(labels)), labels],
        "10 neighbours": -margin_of(by_neighbours(unit, labels), labels),
    }
    found: dict[str, float] = {}
    for name, doubt in ranks.items():
        doubt = np.nan_to_num(doubt, nan=-2.0)
        first = np.argsort(-doubt, kind="stable")[: wrong.sum()]
        found[f"{name}: precision at the number planted"] = wrong[first].mean()
        found[f"{name}: average precision"] = average_precision_score(wrong, doubt)
    suspected = contradicted(shares, labels)
    found["suspected: precision"] = wrong[suspected].mean()
    found["suspected: recall"] = suspected[wrong].mean()
    found["suspected, of all labels"] = suspected.mean()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--groups", help="what shares a fold, as for `pretrain`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--wrong", type=float, default=0.05, help="share of the labels")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    data = embedded(asked.run, asked.data, labels=asked.labels, groups=asked.groups, out=asked.out)
    report(data, data.features, data.unit, f"layer {data.layer}", asked)
    if data.words is not None:
        report(data, data.words, data.words, "TF-IDF", asked)


def report(data: Embedded, features: np.ndarray, unit: np.ndarray, name: str, asked: argparse.Namespace) -> None:
    """Print the table of one kind of features."""
    numbers = defaultdict(list)
    for seed in range(asked.repeats):
        for number, value in scored(data, features, unit, asked.wrong, seed).items():
            numbers[number].append(value)
    untouched = contradicted(out_of_fold(features, data.targets, data.groups), data.targets)
    print(f"{len(data.targets):,} labels of {data.targets.max() + 1} classes, {name}, {asked.wrong:.0%} planted\n")
    print("| | mean of repeats, % | 95 % interval |\n|---|--:|--:|")
    for number, values in numbers.items():
        half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
        print(f"| {number} | {100 * np.mean(values):.1f} | {100 * (np.mean(values) - half):.1f}–{100 * (np.mean(values) + half):.1f} |")
    print(f"\nSuspected where nothing is planted: {untouched.sum()} of {len(untouched):,}", flush=True)


if __name__ == "__main__":
    main()
