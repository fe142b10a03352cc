"""Choices that were measured on this machine not long ago: a run that begins like one of yesterday need not try everything again."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

from selfsup.data.sizes import cache_folder
from selfsup.run import write_whole

DAYS = 7
"""For so long a choice holds: machines and what else runs on them change."""


def remembered(name: str, key: dict[str, Any], *, measure: Callable[[], Any]) -> Any:
    """What `measure` returns, something JSON can hold, or what it returned here in the last days for the same `key`, machine and torch.

    The cache folder is `SELFSUP_CACHE` or `~/.cache/selfsup`. A file that cannot be read or written is no reason to fail.
    """
    machine = [platform.node(), platform.processor(), torch.__version__, version("transformers"), torch.get_num_threads()]
    told = json.dumps([machine, key], sort_keys=True, default=str)
    file = cache_folder(None) / "measured" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if 0 <= time.time() - kept["at"] < DAYS * 86400:
            return kept["value"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    value = measure()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps({"at": time.time(), "value": value}))
    except OSError:
        pass
    return value
