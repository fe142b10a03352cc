"""What a machine of a cluster does: train a run that was begun elsewhere."""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections.abc import Mapping
from typing import Any

from selfsup.cluster import own_cores
from selfsup.comparison.wanted import Wanted, threads_set
from selfsup.pretraining import pretrain
from selfsup.train import TrainingFailed


def train_here(one: Wanted, data: Any, *, threads: int, folder: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Train a run to its end from its last checkpoint, on cores of its own.

    Returns the seconds that took, with what was said where it `diverged`; or else why it `failed`, and its `trace`.
    """
    os.chdir(folder)
    os.environ.update(environment)
    with own_cores(threads) as cores, threads_set(threads):
        found: dict[str, Any] = {"machine": platform.node(), "cores": list(cores)}
        began = time.perf_counter()
        try:
            pretrain(data, **one.settings, out=one.out, resume=True)
        except TrainingFailed as error:
            return {**found, "diverged": str(error), "seconds": time.perf_counter() - began}
        except Exception as error:  # told where the comparison runs, which ends with it; what is not raised here is worth another try
            words = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            return {**found, "failed": words, "trace": traceback.format_exc()}
        return {**found, "seconds": time.perf_counter() - began}
