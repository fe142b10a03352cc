"""What `selfsup finetune` and `selfsup predict` print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from selfsup.terminal.tables import show, table_of

if TYPE_CHECKING:
    from selfsup.finetuning import Model, Predictions


def print_model(model: Model) -> None:
    """The labels it learned from, class by class, and what a user should know of it."""
    table = table_of("class", "labels")
    for name, count in model.labels.items():
        table.add_row(name, f"{count:,}")
    show(table)
    for sentence in model.words():
        print(sentence)


def print_predictions(found: Predictions, model: Model) -> None:
    """How many items are of each class, where the table is, how far to trust it, and what was skipped."""
    table = table_of("class", model.noun)
    for name, count in found.counts.items():
        table.add_row(name, f"{count:,}")
    show(table)
    print(f"{len(found.ids):,} {model.noun}: {found.file}")
    print(model.calibration.words(model.noun))
    if found.skipped:
        print(f"Skipped {len(found.skipped):,} that could not be read:", file=sys.stderr)
    for name, reason in found.skipped.items():
        print(f"  {name}: {reason}", file=sys.stderr)
