"""Can the statistics of `compare` be trusted? Made-up scores with known answers and stated variances; prints Markdown tables.

python benchmarks/comparison_statistics.py                        # 1,000 simulations a row, about ten minutes
python benchmarks/comparison_statistics.py --simulations 100 --only equal power
python benchmarks/comparison_statistics.py --only seeds --scores DIR …    # spread over seeds in folders that `selfsup evaluate` wrote
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from made_up_scores import Made
from other_procedures import PROCEDURES
from selfsup.comparison.differences import differences, p_values
from selfsup.comparison.dropping import droppable
from selfsup.comparison.efficiency import label_efficiency
from selfsup.comparison.estimates import ASSUMED_SEED_SPREAD, Estimates, estimate
from selfsup.comparison.outlook import outlook
from selfsup.comparison.power import needs
from selfsup.probing.intervals import LEVEL

Cells = list[str]


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def show(title: str, columns: Sequence[str], rows: Iterable[Cells]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def simulate(made: Made, below: Sequence[float], times: int, *, seeds: Sequence[int] = (), spread: float | None = None) -> list[Estimates]:
    rng = np.random.default_rng(0)
    return [estimate(made.tables(below, rng, seeds=seeds), made.sample(), seed_spread=spread) for _ in range(times)]


def told_worse(found: Estimates) -> np.ndarray:
    return np.asarray(p_values(found.values, found.errors()) <= 1 - LEVEL)


def false_alarms(simulated: list[Estimates], best: int) -> float:
    """How often any of the `best` first units, which are equal and the best, is called worse."""
    return float(np.mean([told_worse(found)[:best].any() for found in simulated]))


def equal(times: int) -> None:
    def row(units: int) -> Cells:
        shares = [false_alarms(simulate(Made(seeds=seeds), [0.0] * units, times), units) for seeds in (1, 2, 3)]
        wrong = false_alarms(simulate(Made(seeds=1, seed_spread=0.03), [0.0] * units, times), units)
        chance = false_alarms(simulate(Made(score=0.1), [0.0] * units, times), units)
        return [str(units), *map(percent, shares), percent(wrong), percent(chance)]

    columns = ["tasks", f"1 seed (assumed {100 * ASSUMED_SEED_SPREAD:.0f} points)", "2 seeds", "3 seeds"]
    columns += ["1 seed, true spread 3 points", "3 seeds, permuted labels (all at 10 %)"]
    show("Equal tasks called different, per cent of simulations", columns, map(row, (5, 10, 20)))


def hard(times: int) -> None:
    plain, high = Made(), Made(seed_spread=0.005, draw_spread=0.008, own_draw_spread=0.004)
    cases: list[tuple[str, Made, list[float], int, list[int]]] = [
        ("5 draws", replace(plain, draws=5), [0.0] * 10, 10, []),
        ("5 draws that differ by 3 points between tasks", replace(plain, draws=5, own_draw_spread=0.03), [0.0] * 10, 10, []),
        ("200 items", replace(plain, items=200), [0.0] * 10, 10, []),
        ("2,000 items", replace(plain, items=2000), [0.0] * 10, 10, []),
        ("500 items in groups of 25", replace(plain, group=25), [0.0] * 10, 10, []),
        ("scores of 97 %, seeds 0.5 points", replace(high, score=0.97), [0.0] * 10, 10, []),
        ("3 tasks with 3 seeds, 7 with one", plain, [0.0] * 10, 10, [3] * 3 + [1] * 7),
        ("seeds and draws twice as unlike in half of the tasks", replace(plain, uneven=2**0.5), [0.0] * 10, 10, []),
        ("four times as unlike", replace(plain, uneven=2.0), [0.0] * 10, 10, []),
    ]  # fmt: skip
    for best, distance in ((1, 0.01), (1, 0.02), (2, 0.02), (2, 0.10), (3, 0.05), (5, 0.10)):
        name = (
            f"{best} best and equal, the others {100 * distance:.0f} points below" if best > 1 else f"1 best by {100 * distance:.0f} points"
        )
        cases.append((name, plain, [0.0] * best + [distance] * (10 - best), best, []))
    rows = ([name, percent(false_alarms(simulate(made, below, times, seeds=seeds), best))] for name, made, below, best, seeds in cases)
    show("The best, or one equal to it, called worse: 10 tasks, 3 seeds, per cent", ["", "called worse"], rows)


def configurations(times: int) -> None:
    """Independent scores with errors of a known deviation: some equal and the best, some near, the others far."""
    rng, samples = np.random.default_rng(0), 10 * times

    def wrong(units: int, best: int, near: int, distance: float) -> float:
        truth = np.repeat([0.0, -distance, -12.0], [best, near, units - best - near])
        scores = truth + rng.standard_normal((samples, units))
        ordered, ranks = np.sort(scores, axis=1), scores.argsort(1).argsort(1)
        going, out = np.ones(samples, dtype=bool), np.zeros(samples, dtype=int)
        for left in range(units, 1, -1):  # with equal errors the lowest of those still in goes out, or none does
            going &= (ordered[:, -1] - ordered[:, units - left]) / 2**0.5 > stats.norm.isf((1 - LEVEL) / (left * (left - 1)))
            out += going
        return float((ranks[:, :best] < out[:, None]).any(1).mean())

    def rows() -> Iterable[Cells]:
        for units in (3, 5, 10, 20):
            tried = [
                (wrong(units, best, near, distance), f"{best} best, {near} lower by {distance}")
                for best in (1, 2, 3, 5) for near in (0, 1, 2, 4, units - best) for distance in (0.25, 0.5, 1, 1.5, 2, 3, 4)
                if best < units and best + near <= units
            ]  # fmt: skip
            yield [
                str(units),
                str(len(tried)),
                percent(float(np.median([share for share, _ in tried]))),
                percent(max(tried)[0]),
                max(tried)[1],
            ]

    columns = ["tasks", "configurations", "median", "largest", "where (in errors of a score; the others 12 lower)"]
    show(f"One of the best called worse in a simplified model, per cent of {samples:,}", columns, rows())


def power(times: int) -> None:
    calm = Made(draws=20, items=1000, seed_spread=0.007, own_draw_spread=0.008)
    cases = [
        ("10 draws, 500 items", Made(), times),
        ("20 draws, 2,000 items", Made(draws=20, items=2000), times // 5),
        ("20 draws, 1,000 items; seeds 0.7, own draws 0.8 points", calm, times // 5),
    ]

    def rows() -> Iterable[Cells]:
        for name, made, count in cases:
            for units in (5, 10, 20):
                cells = [name, str(units)]
                for distance in (0.02, 0.05, 0.10):
                    worse = np.array([told_worse(found)[1:] for found in simulate(made, [0.0] + [distance] * (units - 1), count)])
                    cells.append(f"{100 * worse.mean():.0f} / {100 * worse.all(1).mean():.0f}")
                few = [needs(found, 0.01).visible for found in simulate(made, [0.0] * units, 50)]
                yield [*cells, f"{100 * np.median(few):.1f}"]

    columns = [f"{times} simulations in the first three rows, {times // 5} in the others", "tasks", "2 points", "5 points", "10 points"]
    columns.append("said to be visible, points")
    show("One task is better than all others: share of the others told worse / the best told, per cent; 3 seeds", columns, rows())


def promise(times: int) -> None:
    def rows() -> Iterable[Cells]:
        for units in (5, 10, 20):
            made = Made()
            distance = float(np.median([needs(found, 0.01).visible for found in simulate(made, [0.0] * units, 50)]))
            simulated = simulate(made, [0.0] * (units - 1) + [distance], times)
            worse, pair = [told_worse(found)[-1] for found in simulated], np.mean([told_apart(found) for found in simulated])
            yield [str(units), f"{100 * distance:.1f}", percent(float(pair)), percent(float(np.mean(worse)))]

    columns = ["tasks", "said to be visible, points", "told from one given better task", "told worse than the best, all others equal"]
    show("How often a difference of the size that is said to be visible is seen, per cent (80 promised for a pair)", columns, rows())


def told_apart(found: Estimates) -> bool:
    """Whether the last unit is told to be below the first at the first step."""
    errors, units = found.errors(), len(found.units)
    threshold = stats.t.isf((1 - LEVEL) / (units * (units - 1)), errors.freedom[0, -1])
    return bool(found.values[0] - found.values[-1] > threshold * errors.variance[0, -1] ** 0.5)


def coverage(times: int) -> None:
    def rows() -> Iterable[Cells]:
        for units, seeds in ((2, 2), (5, 3), (10, 2), (10, 3), (20, 3)):
            made, rng = Made(seeds=seeds), np.random.default_rng(0)
            below = np.linspace(0, 0.1, units)
            held: list[list[float]] = []
            for _ in range(times):
                found = differences(made.tables(below.tolist(), rng), made.sample())
                truth = {f"unit {unit}": made.score - distance for unit, distance in enumerate(below)}
                pairs = [(pair.plain, pair.together, truth[pair.first] - truth[pair.second]) for pair in found.pairs]
                own = [one.value.low <= truth[one.unit] <= one.value.high for one in found.standings]
                held.append([
                    float(np.mean(own)),
                    float(np.mean([plain.low <= true <= plain.high for plain, _, true in pairs])),
                    float(all(together.low <= true <= together.high for _, together, true in pairs)),
                ])  # fmt: skip
            yield [str(units), str(seeds), *map(percent, np.mean(held, axis=0))]

    columns = ["tasks", "seeds", "score of a task", "difference of two tasks", "all differences at once"]
    show("How often 95 % intervals hold the truth, per cent; tasks from 85 down to 75", columns, rows())


def chances(times: int) -> None:
    """Is a task that is said to be the best with a chance of 70 % the best 70 times of 100?"""
    rng, made, said, right, regret, cost = np.random.default_rng(0), Made(), [], [], [], []
    for _ in range(times):
        scores = rng.normal(0, 0.03, 10)
        found = differences(made.tables((scores.max() - scores).tolist(), rng), made.sample())
        best = found.standings[0]
        unit = int(best.unit.split()[1])
        said.append(best.chance)
        right.append(scores[unit] == scores.max())
        regret.append(found.regret)
        cost.append(scores.max() - scores[unit])
    bins = np.digitize(said, [0.4, 0.6, 0.8, 0.95])
    names = ["below 40", "40 to 60", "60 to 80", "80 to 95", "above 95"]
    rows = [
        [name, str((bins == i).sum()), percent(np.mean(np.array(said)[bins == i])), percent(np.mean(np.array(right)[bins == i])),
         f"{100 * np.mean(np.array(regret)[bins == i]):.2f}", f"{100 * np.mean(np.array(cost)[bins == i]):.2f}"]
        for i, name in enumerate(names) if (bins == i).any()
    ]  # fmt: skip
    columns = ["chance of the first, per cent", "times", "said", "was the best", "regret said, points", "regret"]
    show("How sure the recommendation is: 10 tasks whose true scores differ by 3 points (standard deviation), 3 seeds", columns, rows)


def halving(times: int) -> None:
    def rows() -> Iterable[Cells]:
        spaced = [0.0, *np.linspace(0.01, 0.14, 7).tolist()]
        cases = [
            ("all equal", [0.0] * 8, 0.015), ("best by 2 points", [0.0] + [0.02] * 7, 0.015),
            ("1, 3, 5, … points below", spaced, 0.015), ("the same, seeds differ by 3 points", spaced, 0.03),
        ]  # fmt: skip
        for name, below, spread in cases:
            made, rng = Made(seeds=1, seed_spread=spread), np.random.default_rng(0)
            rungs = [droppable(made.tables(below, rng), made.sample(), keep=2) for _ in range(times)]
            numbers = [[int(unit.split()[-1]) for unit in rung.losses] for rung in rungs]  # best first
            gone = [{int(unit.split()[-1]) for unit in rung.dropped} for rung in rungs]
            left = [len(below) - len(some) for some in gone]
            lost = [min(below[unit] for unit in set(order) - some) for order, some in zip(numbers, gone, strict=True)]
            ranked = [min(below[unit] for unit in order[:4]) for order in numbers]
            yield [
                name, percent(np.mean([0 in some for some in gone])), f"{100 * np.mean(lost):.2f}", f"{np.mean(left):.1f}",
                percent(np.mean([0 not in order[:4] for order in numbers])), f"{100 * np.mean(ranked):.2f}",
            ]  # fmt: skip

    columns = ["8 tasks", "the best dropped", "points lost by it", "left", "the best dropped, keeping four", "points lost by it"]
    show("A rung of halving: how often the truly best task is dropped, per cent", columns, rows())


def procedures(times: int) -> None:
    def rows() -> Iterable[Cells]:
        made = Made()
        equals, two = simulate(made, [0.0] * 10, times), simulate(made, [0.0] * 2 + [0.1] * 8, times)
        one = simulate(made, [0.0] + [0.05] * 9, times)
        for name, procedure in PROCEDURES.items():
            wrong = [np.mean([procedure(found)[:best].any() for found in simulated]) for simulated, best in ((equals, 10), (two, 2))]
            worse = np.array([procedure(found)[1:] for found in one])
            yield [name, *map(percent, wrong), percent(worse.mean()), percent(worse.all(1).mean())]

    columns = ["10 tasks, 3 seeds", "equal called worse", "one of two best called worse", "5 points seen", "the best told"]
    show("Other procedures, per cent", columns, rows())


def efficiency(times: int) -> None:
    """Supervised scores rise by 6 points a doubling; the pretrained unit has at 10 labels what these have at 10 times 2^gain."""
    counts = [1, 5, 10, 50, 200]

    def rows() -> Iterable[Cells]:
        for gain in (0.5, 1.5, 3.0, 5.0):
            rng, held, opened, said = np.random.default_rng(0), [], [], []
            for _ in range(times):
                made = Made(seeds=1, seed_spread=0.0, own_draw_spread=0.03)
                level = [0.45 + 0.06 * np.log2(count) for count in [*counts, 10 * 2**gain]]
                made = replace(made, score=max(level))
                tables = list(made.tables([max(level) - score for score in level], rng, seeds=[1] * len(counts) + [3]).values())
                sample = made.sample()
                found = label_efficiency({10: tables[-1]}, dict(zip(counts, tables, strict=False)), dict.fromkeys(counts, sample))[0]
                most = found.most if np.isinf(found.low) else found.low  # "more than 20 times" is right where it is 32 times
                held.append(most <= 2**gain <= found.high)
                opened.append(np.isinf(found.high))
                said.append(found.times)
            yield [f"{2**gain:.1f}", f"{np.median(said):.1f}", percent(np.mean(held)), percent(np.mean(opened))]

    columns = ["true times", "median said", "interval holds it", "open above"]
    show("Label efficiency: as good as supervised with how many times the labels, per cent", columns, rows())


def budgets(times: int) -> None:
    def rows() -> Iterable[Cells]:
        for name, curve in CURVES.items():
            for error in (0.005, 0.015):
                rng, points = np.random.default_rng(0), np.array([1.0, 2.0, 4.0, 8.0])
                truth = curve(16.0) - curve(8.0)
                found = [outlook(points.tolist(), curve(points) + rng.normal(0, error, 4), np.full(4, error**2)) for _ in range(times)]
                held = np.mean([one.gain is not None and one.gain.low <= truth <= one.gain.high for one in found])
                yield [
                    name,
                    f"{100 * error:.1f}",
                    f"{100 * float(truth):+.1f}",
                    percent(float(held)),
                    percent(float(np.mean([one.told for one in found]))),
                ]

    columns = ["true curve", "error of a score, points", "true gain of doubling, points", "interval holds it", "told"]
    show("Outlook from four rungs, per cent", columns, rows())


CURVES: dict[str, Callable[[np.ndarray | float], np.ndarray]] = {
    "flat": lambda t: np.asarray(0.8 + 0 * np.asarray(t)),
    "+2 points a doubling": lambda t: np.asarray(0.7 + 0.02 * np.log2(t)),
    "0.9 - 0.2 t^-0.5": lambda t: np.asarray(0.9 - 0.2 * np.asarray(t) ** -0.5),
    "0.9 - 0.2 t^-1": lambda t: np.asarray(0.9 - 0.2 / np.asarray(t)),
}


def seeds(folders: Sequence[Path]) -> None:
    """Spread over seeds, pooled over the rows of evaluations that had two or more; linear probe."""

    def rows() -> Iterable[Cells]:
        for folder in folders:
            table = pq.read_table(folder / "predictions.parquet", filters=[("probe", "=", "linear")]).to_pandas()
            table["right"] = (table.truth.astype(str) == table.predicted.astype(str)).astype(float)
            for count, part in table.groupby("labels_per_class", observed=True):
                means = part.groupby(["row", "run"], observed=True).right.mean().reset_index().groupby("row", observed=True).right
                freedom = (means.count() - 1)[means.count() > 1]
                if len(freedom):
                    pooled = (means.var()[freedom.index] * freedom).sum() / freedom.sum()
                    own = 100 * means.std()[freedom.index]
                    yield [folder.name, str(count), f"{100 * pooled**0.5:.1f}", str(freedom.sum()), f"{own.min():.1f} to {own.max():.1f}"]

    columns = ["evaluation", "labels a class", "spread over seeds, points", "degrees of freedom", "of single rows"]
    show("How far seeds are apart in real evaluations (linear, accuracy)", columns, rows())


PARTS: dict[str, Callable[[int], None]] = {
    "equal": equal, "hard": hard, "power": power, "promise": promise, "coverage": coverage, "chances": chances, "halving": halving,
    "procedures": procedures, "configurations": configurations, "efficiency": efficiency, "budgets": budgets,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "seeds"], default=list(PARTS))
    parser.add_argument("--scores", nargs="+", type=Path, default=[], metavar="DIR", help="folders that `selfsup evaluate` wrote")
    arguments = parser.parse_args()
    made = Made()
    print(
        f"Score {100 * made.score:.0f} %; in points, seeds differ by {100 * made.seed_spread:.1f}, draws of labels by "
        f"{100 * made.draw_spread:.1f} in common and {100 * made.own_draw_spread:.1f} of each task's own; {made.draws} draws, "
        f"{made.items} items; {arguments.simulations} simulations where nothing else is said."
    )
    for name in arguments.only:
        if name == "seeds":
            seeds(arguments.scores)
        else:
            PARTS[name](arguments.simulations)


if __name__ == "__main__":
    main()
