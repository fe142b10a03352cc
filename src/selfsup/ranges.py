"""Options of a task inside their range, or one message that says which is not."""

from __future__ import annotations


def above(limit: float, **options: float) -> None:
    """Raise ValueError for the first option that is not more than `limit`."""
    for name, value in options.items():
        if not value > limit:
            raise ValueError(f"{name} is {value}; expected more than {limit:g}.")


def at_least(limit: float, **options: float) -> None:
    """Raise ValueError for the first option that is less than `limit`."""
    for name, value in options.items():
        if not value >= limit:
            raise ValueError(f"{name} is {value}; expected {limit:g} or more.")


def share(**options: float | None) -> None:
    """Raise ValueError for the first option that is not between 0 and 1, both included; None is left to its default."""
    for name, value in options.items():
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; expected a share, from 0 to 1.")
