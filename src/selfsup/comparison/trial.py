"""What a machine of a cluster does: say what it sees, and train a run that was begun elsewhere."""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfsup.comparison.cores import own_cores
from selfsup.comparison.wanted import Wanted, threads_set
from selfsup.pretraining import pretrain
from selfsup.train import TrainingFailed

SAME = ("selfsup", "torch")
"""Packages of which all machines need the same version, or the same run would become another."""


def versions() -> dict[str, str]:
    """The versions that have to be the same."""
    return {name: version(name) for name in SAME}


def missing_here(mark: Path, content: str, paths: Sequence[str], expected: Mapping[str, str]) -> str | None:
    """What keeps this machine from training, None if nothing does.

    `mark` is a file that was just written elsewhere with this `content`, so that a folder of the same name on another disk is found out.
    """
    differing = [f"{name} {found}, not {expected[name]}" for name, found in versions().items() if found != expected[name]]
    if differing:
        return f"has {' and '.join(differing)}: install the same versions on all machines"
    seen = mark.is_file() and mark.read_text(encoding="utf-8") == content
    unseen = [] if seen else [str(mark.parent)]
    unseen += [path for path in paths if not Path(path).exists()]
    if not unseen:
        return None
    return (
        f"does not see {unseen[0]}: the comparison's folder, the data and the folder of the command have to lie where all machines "
        "of the cluster see them, under the same path. Give --out on a shared file system"
    )


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
