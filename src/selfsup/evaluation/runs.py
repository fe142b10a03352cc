"""The runs that are scored together: opened, put into rows by seed, and the folder their scores go to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from selfsup.run import Run

Runs = Run | str | Path | Sequence[Run | str | Path]
"""One run or several, opened or as their folders."""


def opened_runs(runs: Runs) -> list[Run]:
    """Every run, opened. Raises ValueError for none, for two of one name, and for runs that learned from different kinds of data."""
    several = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not several:
        raise ValueError("no run was given: expected one folder of a run, or several")
    opened = [run if isinstance(run, Run) else Run.open(run) for run in several]
    names = [run.name for run in opened]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two runs have the same name ({', '.join(sorted(names))}): give each once, and rename folders that are called alike"
        )
    kinds = sorted({run.kind for run in opened})
    if len(kinds) > 1:
        raise ValueError(f"the runs learned from different kinds of data ({', '.join(kinds)}): evaluate each kind by itself.")
    return opened


ALIKE = (
    "task", "options", "backbone", "size", "views", "weights", "batch_size", "accumulate", "optimizer", "learning_rate", "weight_decay",
    "clip", "schedule", "pictures", "fingerprint", "reading",
)  # fmt: skip
"""What runs of one row have in common: every setting but the seed, besides their length."""


def rows_by_seed(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs that differ in their seed only, under a name of their own.

    As long as one another are runs of the same budget, of the same number of steps, and of as many steps as another took in its budget.
    """
    described = [(_settings(run), run) for run in runs]
    taken = {(settings, run.steps): run.budget for settings, run in described if run.budget}
    alike: dict[tuple[str, int | str], list[Run]] = {}
    for settings, run in described:
        length = run.budget or taken.get((settings, run.steps)) or run.steps
        alike.setdefault((settings, length), []).append(run)
    groups = list(alike.values())
    return {_row_name(group, [other for other in groups if other[0].row == group[0].row]): group for group in groups}


def _settings(run: Run) -> str:
    return json.dumps({name: getattr(run, name) for name in ALIKE}, sort_keys=True, default=str)


def _row_name(group: Sequence[Run], namesakes: Sequence[Sequence[Run]]) -> str:
    """The name of their task; where others have it too, with the backbone or the views if that tells them apart, else with the runs."""
    run = group[0]
    if len(namesakes) == 1:
        return run.row
    for name in ("backbone", "views"):
        if len({getattr(other[0], name) for other in namesakes}) == len(namesakes):
            return f"{run.row} ({getattr(run, name) or 'its own views'})"
    return f"{run.row} ({', '.join(one.name for one in group)})"


def results_folder(runs: Sequence[Run], out: str | Path | None) -> Path:
    """Where results go: `out`, the only run's folder, or the one that all runs lie in. Raises ValueError before anything is scored."""
    if out is not None or len(runs) == 1:
        return runs[0].folder if out is None else Path(out)
    parents = {run.folder.resolve().parent for run in runs}
    if len({parent.anchor for parent in parents}) > 1 or not os.access(common := Path(os.path.commonpath(parents)), os.W_OK):
        raise ValueError(f"the runs lie in unrelated folders ({', '.join(sorted(map(str, parents)))}); say with --out where scores go.")
    return common


def copy_into_runs(names: Sequence[str], runs: Sequence[Run], folder: Path) -> None:
    """Put files that lie in `folder` into every run too."""
    for run in runs:
        if run.folder.resolve() != folder.resolve():
            for name in names:
                shutil.copyfile(folder / name, run.folder / name)
