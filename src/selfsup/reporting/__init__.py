"""One self-contained HTML page about one or more runs: what the network saw, what it learned, and whether that is worth anything."""

from __future__ import annotations

from selfsup.reporting.report import report

__all__ = ["report"]
