"""Comparison: every task at the same budget on the user's own data, which differ, and which to use."""

from __future__ import annotations

from selfsup.comparison.answer import Answer
from selfsup.comparison.assembly import Compared, compare

__all__ = ["Answer", "Compared", "compare"]
