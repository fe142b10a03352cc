"""What `doctor` says is measured or looked up, not made up."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import tokenizers
import torch

from selfsup.doctor import examine, matrix_speed, missing_extras


def test_examine_is_quick_and_plausible(cache: Path) -> None:
    start = time.process_time()
    machine = examine()
    assert time.process_time() - start < 2 * machine.threads
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert 0.1 < machine.memory < 1e5
    assert machine.cache == cache
    assert machine.cache_free > 0
    assert machine.extras["test"] == []
    assert set(machine.for_text) == {"transformers", "tokenizers", "pyarrow", "charset-normalizer"}
    assert machine.for_text["tokenizers"] == tokenizers.__version__


def test_speed_is_two_operations_for_each_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """64³ multiplications and as many additions in a pretended millisecond."""
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock) / 1000)
    assert matrix_speed(torch.float32, side=64, seconds=0.0) == pytest.approx(2 * 64**3 / 1e-3 / 1e9)


def test_missing_extras_reads_requirements() -> None:
    lines = ["torch>=2.9", 'pydicom>=3.0; extra == "dicom"', "a-b; python_version > '3' and extra == 'x'", "c; extra == 'x'"]
    assert missing_extras(lines, lambda name: name == "c") == {"dicom": ["pydicom"], "x": ["a-b"]}
