"""What `selfsup evaluate` prints of uses beyond classes: boxes, masks, numbers, several labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfsup.terminal.tables import print_notes, show, table_of

if TYPE_CHECKING:
    from selfsup.downstream import UseComparison, UseRow, UseScores

LEARNED = {
    "detection": "pictures with boxes",
    "segmentation": "pictures with masks",
    "regression": "numbers",
    "multi-label": "labelled items",
}
AS_THEY_ARE = ("MAE", "R2", "Spearman")
"""Metrics that are no shares, and are not given in %."""


def print_use(scores: UseScores) -> None:
    """Each metric's table, rows by probes and numbers of labelled items; in words, each run against the strongest baseline."""
    rows = {(row.row, row.probe, row.labelled, row.metric): row for row in scores.rows}
    columns = list(dict.fromkeys((row.probe, row.labelled) for row in scores.rows))
    for metric in scores.metrics:
        table = table_of(metric, *(f"{probe}, {count}" for probe, count in columns))
        for name in dict.fromkeys(row.row for row in scores.rows):
            table.add_row(name, *(_cell(rows.get((name, probe, count, metric))) for probe, count in columns))
        show(table)
        print()
    learned = LEARNED[scores.use]
    print(
        f"{scores.use}: {', '.join(scores.metrics)} with 95 % intervals (shares in %), learned from so many {learned} of {scores.train}, "
        f"tested on {scores.test} {scores.noun}"
    )
    for one in scores.comparisons:
        deciding = scores.primary == {"probe": one.probe, "labelled": one.labelled} and one.metric == scores.metrics[0]
        if one.best_baseline and deciding:
            print(use_verdict(one))
    print_notes(scores.notes)


def use_verdict(one: UseComparison) -> str:
    """One comparison in a sentence."""
    words = {"better": "better than", "worse": "worse than", "not told apart": "not told apart from"}[one.verdict]
    if one.metric in AS_THEY_ARE:
        numbers = f"{one.difference:+.3g} in {one.metric}, 95 % interval {one.low:+.3g} to {one.high:+.3g}"
    else:
        numbers = f"{100 * one.difference:+.1f} points of {one.metric}, 95 % interval {100 * one.low:+.1f} to {100 * one.high:+.1f}"
    return f"{one.row} is {words} {one.against} ({one.probe}, {one.labelled} labelled): {numbers}"


def _cell(row: UseRow | None) -> str:
    if row is None:
        return "–"
    if row.metric in AS_THEY_ARE:
        return f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g})"
    return f"{100 * row.value:.1f} ({100 * row.low:.1f}–{100 * row.high:.1f})"
