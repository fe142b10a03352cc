"""What `selfsup compare` prints: the answer first, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfsup.comparison.words import sentences
from selfsup.terminal.scores import print_results
from selfsup.terminal.tables import show, table_of
from selfsup.train.log import clock

if TYPE_CHECKING:
    from selfsup.comparison import Compared


def print_comparison(compared: Compared) -> None:
    """The scores, what each task cost, what was dropped, and in words which to use; the last lines are what a user came for."""
    answer = compared.answer
    print_results(compared.results)
    print()
    table = table_of("task", "backbone", "trained", "steps", "passes", "examples/s", "GFLOP an example", "GB", "dropped")
    dropped = {name: rung.seconds for rung in answer.rungs for name in rung.dropped}
    for cost in answer.costs:
        when = f"after {clock(dropped[cost.unit])}" if cost.unit in dropped else ""
        table.add_row(
            cost.unit, cost.backbone, clock(cost.seconds), f"{cost.steps:,}", f"{cost.passes:.1f}", f"{cost.examples_per_second:,.0f}",
            f"{cost.operations / 1e9:.2g}", f"{cost.memory / 1e9:.1f}" if cost.memory else "", when,
        )  # fmt: skip
    show(table)
    for name, reason in answer.refused.items():
        print(f"Left out: {name}: {reason}")
    spent = ", ".join(f"{what} {clock(seconds)}" for what, seconds in answer.spent.items())
    print(f"Time: {spent}\n")
    for words in sentences(answer):
        print(words)
    print(f"\nReport: {compared.report}\nNext: selfsup embed {compared.folder / 'runs' / answer.run}")
