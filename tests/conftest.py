"""What every test gets: types and shapes checked at run time, one thread, a cache of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before anything imports torch or numpy: a second thread in each of two test processes slows both down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "agg"

import pytest
import torch
from jaxtyping import install_import_hook

# Checks every annotated argument and result of ours, shapes included; must come before the first import of selfsup.
install_import_hook("selfsup", "checked.check")

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for this run of the tests, also for the processes that tests start."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELFSUP_CACHE", str(folder))
        patch.delenv("SELFSUP_DEBUG", raising=False)
        yield folder


@pytest.fixture
def frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the embeddings every sixth step, so that a short run has some."""
    monkeypatch.setattr("selfsup.train.loop.LOOKS_APART", 6)
