"""What `selfsup doctor` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfsup.terminal.tables import show, table_of

if TYPE_CHECKING:
    from selfsup.doctor import Machine


def print_machine(machine: Machine) -> None:
    """What `selfsup doctor` found, and what would make this machine faster or more able."""
    table = table_of("", "", header=False)
    ratio = machine.bf16_speed / machine.fp32_speed
    rows = {
        "processor": f"{machine.processor}, {machine.cores} cores, {machine.threads} threads in use",
        "instruction sets": " ".join(machine.instructions) or "none that matter here",
        "memory": f"{machine.memory:.1f} GiB",
        "accelerators": ", ".join(machine.accelerators) or "none: everything runs on the CPU",
        "Python, PyTorch": f"{machine.python}, {machine.torch}",
        "matrix products": f"fp32 {machine.fp32_speed:.0f} GFLOP/s, bf16 {machine.bf16_speed:.0f} GFLOP/s ({ratio:.1f} times)",
        "cache": f"{machine.cache}, {machine.cache_free:.1f} GiB free (SELFSUP_CACHE moves it)",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    lacking = [name for name, version in machine.for_text.items() if version is None]
    found = ", ".join(f"{name} {version}" for name, version in machine.for_text.items() if version is not None)
    table.add_row("for text", f"{', '.join(lacking)} missing: pip install {' '.join(lacking)}" if lacking else found)
    for extra, packages in machine.extras.items():
        words = f"{', '.join(packages)} missing: pip install 'selfsup[{extra}]'" if packages else "installed"
        table.add_row(f"extra {extra}", words)
    show(table)
    if machine.threads > machine.cores:
        print(f"More threads than cores: set OMP_NUM_THREADS={machine.cores}.")
