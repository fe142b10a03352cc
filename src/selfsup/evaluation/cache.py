"""Baseline rows are kept in the cache folder: they depend on data, labels, split and backbone only, and every run asks for them again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfsup.data.sizes import cache_folder
from selfsup.evaluation.predictions import Predictions

PROTOCOL = {"pixels": 2, "tfidf": 1, "lsa": 1, "untrained": 3, "scratch": 2}
"""A number for each row, raised whenever its probes, choices, draws or training change, so that scores of different rules never meet."""


def cached(name: str, key: dict[str, Any], *, make: Callable[[], Predictions]) -> Predictions:
    """The predictions kept for `key`, or those that `make` returns, which are then kept.

    A file that cannot be read or written is no reason to fail: the row is then made (again).
    """
    file = cache_file(name, key)
    try:
        return Predictions.load(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        made = make()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        made.save(file)
    except OSError:
        pass
    return made


def cache_file(name: str, key: dict[str, Any]) -> Path:
    """Where the row for `key` is kept. The cache folder is `SELFSUP_CACHE` or `~/.cache/selfsup`."""
    return cache_folder(None) / "baselines" / f"{name}-{digest({**key, 'protocol': PROTOCOL[name]})}.npz"


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits that stand for `value`, the same in every process."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
