"""Exporting: what a run learned, as a folder that other libraries load without this one."""

from __future__ import annotations

from selfsup.exporting.exported import Exported
from selfsup.exporting.formats import FORMATS
from selfsup.exporting.writing import export

__all__ = ["FORMATS", "Exported", "export"]
