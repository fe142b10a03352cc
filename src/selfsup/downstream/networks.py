"""The networks that stand side by side in a downstream use: runs, the same backbone untrained or trained from scratch, and raw data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from selfsup.backbones import build_from, read_settings
from selfsup.embedding import Reading
from selfsup.embedding.text_networks import fresh_network
from selfsup.evaluation.kinds import ground_of
from selfsup.evaluation.runs import rows_by_seed
from selfsup.options import check_choice
from selfsup.run import Run

INITIALISATIONS = 3
"""Of the untrained backbone: each costs what a run costs."""

RAW = {"image": ("pixels", "raw pixels"), "text": ("lsa", "LSA")}
"""The baseline without a network for each kind of data: as a user asks for it, and the name of its row."""


@dataclass(frozen=True)
class Candidate:
    """A network to be scored, as `run` describes it. `network` is None for raw data; `trained` says that all of it is trained, at the
    share `rate` of the head's rate.
    """

    reading: Reading[Any]
    run: Run
    network: Any = None
    trained: bool = False
    rate: float = 1.0


@dataclass(frozen=True)
class Contender:
    """A row: its name, its kind, the run folders, and how each of its seeds is made when its turn comes."""

    name: str
    kind: str
    makers: Sequence[Callable[[], Candidate]]
    runs: tuple[str, ...] = ()

    def candidates(self) -> Iterator[Candidate]:
        """One after the other, so that one network at a time is in memory."""
        for make in self.makers:
            yield make()


Readings = dict[str, Reading[Any]]
"""The data as each run reads it, by the run's name."""


def readings_of(runs: Sequence[Run], opened: Any) -> Readings:
    """The data as each run reads it; runs that read alike share one reading. Raises ValueError where they read different items."""
    kind = ground_of(runs[0])
    made: dict[Any, Reading[Any]] = {}
    for run in runs:
        if kind.key(run) not in made:
            made[kind.key(run)] = kind.reads.of(run, opened)
    found = {run.name: made[kind.key(run)] for run in runs}
    first = found[runs[0].name]
    for name, other in found.items():
        if other.ids != first.ids:
            raise ValueError(f"{name} reads {len(other.ids):,} {first.noun}, another run {len(first.ids):,}: evaluate them one by one.")
    return found


def check_pictures(runs: Sequence[Run]) -> None:
    """Raise ValueError for runs that learned from something else, before anything is read."""
    for run in runs:
        if run.kind != "image":
            raise ValueError(f"{run.folder} learned from {run.kind!r}: boxes and masks are found in pictures.")


def wanted_baselines(baselines: bool | Sequence[str], run: Run, *, scratch: bool = False) -> tuple[str, ...]:
    """Names of baselines; True means all but `scratch`, which takes longest and which not every use has. Raises ValueError."""
    cheap = (RAW[run.kind][0], "untrained")
    if isinstance(baselines, bool):
        return cheap if baselines else ()
    names = (baselines,) if isinstance(baselines, str) else tuple(baselines)
    for name in names:
        check_choice("baselines", name, [*cheap, *(["scratch"] if scratch else [])])
    return names


def contenders(
    runs: Sequence[Run], readings: Readings, baselines: Sequence[str], *, fine_tune: bool = False, rate: float = 0.1
) -> list[Contender]:
    """The rows: runs by task, and the baselines of every backbone among them. With `fine_tune` the runs' networks are trained too."""
    kind = ground_of(runs[0])

    def loaded(run: Run) -> Candidate:
        return Candidate(readings[run.name], run, kind.reads.network(run), fine_tune, rate)

    found = [
        Contender(name, "run", [partial(loaded, run) for run in seeds], tuple(run.name for run in seeds))
        for name, seeds in rows_by_seed(runs).items()
    ]
    raw, title = RAW[runs[0].kind]
    if raw in baselines:
        found.append(Contender(title, "baseline", [partial(Candidate, readings[runs[0].name], runs[0])]))
    alike: dict[Any, Run] = {}
    for run in runs:
        alike.setdefault(kind.backbone(run), run)
    for run in alike.values():
        suffix = "" if len(alike) == 1 else f" ({kind.described(run)})"
        if "untrained" in baselines:
            makers = [partial(_fresh, run, readings[run.name], seed) for seed in range(INITIALISATIONS)]
            found.append(Contender(f"untrained{suffix}", "baseline", makers))
        if "scratch" in baselines:
            found.append(Contender(f"from scratch{suffix}", "baseline", [partial(_fresh, run, readings[run.name], 1000, trained=True)]))
    return found


def _fresh(run: Run, reading: Reading[Any], seed: int, *, trained: bool = False) -> Candidate:
    """A network like the run's with fresh weights; the caller's random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = fresh_network(run.folder)[0]() if run.kind == "text" else build_from(read_settings(run.folder))
    return Candidate(reading, run, network, trained)
