"""Auditing: whether the labels a user has can still be told after flips, turns, crops and changes of colour, and which options follow."""

from __future__ import annotations

from selfsup.auditing.assembly import audit
from selfsup.auditing.findings import Finding, Pair, Upright
from selfsup.auditing.results import Audit

__all__ = ["Audit", "Finding", "Pair", "Upright", "audit"]
