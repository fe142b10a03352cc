"""What `selfsup evaluate` prints of scores by labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfsup.terminal.tables import print_notes, show, table_of

if TYPE_CHECKING:
    from selfsup.evaluation import Comparison, Results


def print_results(results: Results) -> None:
    """Scores with their intervals, rows by probes and numbers of labels; in words, each run against the strongest baseline."""
    columns = list(dict.fromkeys((row.probe, row.labels_per_class) for row in results.rows))
    table = table_of("row", *(_scope(probe, count) for probe, count in columns))
    scores = {(row.row, row.probe, row.labels_per_class): row for row in results.rows}
    for name in dict.fromkeys(row.row for row in results.rows):
        found = [scores.get((name, probe, count)) for probe, count in columns]
        table.add_row(name, *(f"{100 * s.value:.1f} ({100 * s.low:.1f}–{100 * s.high:.1f})" if s else "–" for s in found))
    if results.chance:
        table.add_row("chance", *(f"{100 * results.chance[probe]:.1f}" if probe in results.chance else "–" for probe, _ in columns))
    show(table)
    print(f"{results.metric} in % with 95 % intervals; labels drawn from {results.train} {results.noun}, scored on {results.test} held out")
    strongest = [item for item in results.comparisons if item.best_baseline]
    primary = [item for item in strongest if results.primary == {"probe": item.probe, "labels_per_class": item.labels_per_class}]
    for comparison in primary or strongest:
        print(verdict(comparison))
    print_notes(results.notes)


def verdict(comparison: Comparison) -> str:
    """One comparison in a sentence, difference and interval in points."""
    low, high, difference = (100 * value for value in (comparison.low, comparison.high, comparison.difference))
    words = {"better": "better than", "worse": "worse than", "not told apart": "not told apart from"}[comparison.verdict]
    scope = _scope(comparison.probe, comparison.labels_per_class)
    return f"{comparison.row} is {words} {comparison.against} ({scope}): {difference:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}"


def _scope(probe: str, count: int | str) -> str:
    """What was asked and how much it learned from: a recall@k learns from no label."""
    return f"{probe}, all labels" if count == "all" else f"{probe}, {count} labels a class" if count else probe
