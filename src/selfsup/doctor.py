"""What this machine can do: the facts behind most questions about speed, memory and missing packages."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from selfsup.data.sizes import cache_folder

GIB = 2**30
FOR_TEXT = ("transformers", "tokenizers", "pyarrow", "charset-normalizer")  # networks, words, tables, encodings
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")  # names as /proc/cpuinfo writes them


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Facts about this machine. Memory and disk in GiB; speeds in GFLOP/s of a 1024 × 1024 matrix product, all threads.

    `extras` names each extra and the packages it still lacks: an empty list means that it is installed. `for_text` has the versions of
    what reads and learns from text, None for what is missing.
    """

    cores: int
    threads: int
    memory: float
    processor: str
    instructions: list[str]
    python: str
    torch: str
    accelerators: list[str]
    fp32_speed: float
    bf16_speed: float
    cache: Path
    cache_free: float
    extras: dict[str, list[str]]
    for_text: dict[str, str | None]


def examine() -> Machine:
    """Measure and look up; takes under two seconds."""
    cache = cache_folder()
    processor, instructions = _processor()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory=_memory() / GIB,
        processor=processor,
        instructions=instructions,
        python=platform.python_version(),
        torch=torch.__version__,
        accelerators=_accelerators(),
        fp32_speed=matrix_speed(torch.float32),
        bf16_speed=matrix_speed(torch.bfloat16),
        cache=cache,
        cache_free=_free(cache) / GIB,
        extras=missing_extras(metadata.requires("selfsup") or [], _is_installed),
        for_text={package: _version(package) for package in FOR_TEXT},
    )


def matrix_speed(dtype: torch.dtype, *, side: int = 1024, seconds: float = 0.4) -> float:
    """GFLOP/s of a `side` × `side` matrix product on the CPU: the best of as many as fit in `seconds`, at least two."""
    a = torch.ones(side, side, dtype=dtype)
    best, runs, start = float("inf"), 0, time.perf_counter()
    while runs < 2 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - before)
        runs += 1
    return 2 * side**3 / best / 1e9


def missing_extras(requirements: list[str], is_installed: Callable[[str], bool]) -> dict[str, list[str]]:
    """What each extra lacks, from the package's own metadata, so that no second list has to be kept.

    `requirements` are lines such as `pydicom>=3.0; extra == "dicom"`; those without an extra are left out.
    """
    lacking: dict[str, list[str]] = {}
    for line in requirements:
        found = re.match(r"""([\w.-]+).*\bextra *== *["']([\w.-]+)["']""", line)
        if found:
            package, extra = found.groups()
            lacking.setdefault(extra, []).extend([] if is_installed(package) else [package])
    return lacking


def _is_installed(package: str) -> bool:
    return _version(package) is not None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> tuple[str, list[str]]:
    """Name and instruction sets, from Linux's own list; elsewhere the name and what PyTorch says it uses."""
    listing = Path("/proc/cpuinfo")
    if not listing.is_file():
        return platform.processor() or platform.machine(), [torch.backends.cpu.get_cpu_capability().lower()]
    text = listing.read_text(encoding="utf-8", errors="replace")
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    known = flags.group(1).split() if flags else []
    return (name.group(1).strip() if name else platform.machine()), [item for item in INSTRUCTIONS if item in known]


def _memory() -> float:
    """Bytes this process may use: the machine's, or its container's limit where that is smaller."""
    total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) if hasattr(os, "sysconf") else float("nan")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="ascii").strip() if limit.is_file() else "max"
    return min(total, float(text)) if text.isdigit() else total


def _accelerators() -> list[str]:
    """As `cuda × 2`; empty where there is only the CPU."""
    if not torch.accelerator.is_available():
        return []
    device = torch.accelerator.current_accelerator()
    return [f"{device} × {torch.accelerator.device_count()}"]


def _free(folder: Path) -> int:
    """Free bytes on the disk that `folder` is on, or will be on once it is made."""
    existing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    return shutil.disk_usage(existing).free
