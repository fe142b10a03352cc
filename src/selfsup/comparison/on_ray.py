"""Runs of a comparison on a cluster of Ray: several at once, with the answer that one machine would give."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

from selfsup.cluster import Place, alive, check_machines, cluster, fits
from selfsup.comparison.measuring import DEFAULTS
from selfsup.comparison.state import State
from selfsup.comparison.wanted import Told, Wanted
from selfsup.pretraining.beginning import begin
from selfsup.pretraining.kinds import MATERIALS
from selfsup.pretraining.wishes import wished
from selfsup.tasks import find_task
from selfsup.train.distributed import World, device

if TYPE_CHECKING:
    from selfsup.comparison.tuned import Tuned


@contextmanager
def on_ray(place: Place, state: State, data: Any, told: Told) -> Iterator[Tuned]:
    """What trains on the cluster at `place`, for as long as the block lasts.

    Raises ValueError where there is no cluster, no machine in it that a run fits on, or one that does not see the folder.
    """
    told("joining the cluster" if place.address else "beginning a cluster on this machine")
    with cluster(place.address):
        from selfsup.comparison.tuned import Tuned

        resources = {"CPU": float(state.threads), **({"GPU": 1.0} if device().type == "cuda" else {})}
        nodes = [node for node in alive() if fits(node, resources)]
        if not nodes:
            taken = " and ".join(f"{count:g} {name}" for name, count in resources.items())
            raise ValueError(
                f"no machine of the cluster has {taken}, which a run takes: begin anew with fewer --threads, or a larger cluster."
            )
        check_machines(state.folder, data, [node["NodeID"] for node in nodes])
        yield Tuned(
            sum(fits(node, resources) for node in nodes), state.threads, {name.lower(): count for name, count in resources.items()},
            state.folder / ".ray", told, state.add, begun_here,
        )  # fmt: skip


def begun_here(data: Any, one: Wanted) -> None:
    """Begin a run without training it: its folder then holds all that was chosen. Raises ValueError that names the unit."""
    wishes = wished({**DEFAULTS, **one.settings, "out": one.out})
    try:
        wishes.check()
        with redirect_stderr(io.StringIO()):
            begin(wishes, MATERIALS[find_task(wishes.task).modality].prepared(data, wishes, World(), before=None), World())
    except ValueError as error:
        raise ValueError(f"{one.name} (seed {one.settings['seed']}) cannot be trained: {error}") from error
