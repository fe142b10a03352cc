"""The guide to comparing is true: its Python runs and says what the page says it does."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from test_comparison import DIGITS, TARGETS, hurried

import selfsup
from picture_files import save_picture

PAGE = (Path(__file__).parents[1] / "docs" / "comparing.md").read_text(encoding="utf-8")
