"""Runs of a comparison on a cluster of Ray: several at once, with the answer that one machine would give."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfsup.comparison.cluster import cluster
from selfsup.comparison.measuring import DEFAULTS
from selfsup.comparison.place import Place
from selfsup.comparison.state import State
from selfsup.comparison.trial import missing_here, versions
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
        nodes = [node for node in _nodes() if _fits(node, resources)]
        if not nodes:
            taken = " and ".join(f"{count:g} {name}" for name, count in resources.items())
            raise ValueError(
                f"no machine of the cluster has {taken}, which a run takes: begin anew with fewer --threads, or a larger cluster."
            )
        check_machines(state.folder, data, [node["NodeID"] for node in nodes])
        yield Tuned(
            sum(_fits(node, resources) for node in nodes), state.threads, {name.lower(): count for name, count in resources.items()},
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


def check_machines(folder: Path, data: Any, nodes: list[str]) -> None:
    """Ask every machine whether it sees the comparison's folder and the data, and has our versions. Raises ValueError that names one."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    paths = [str(Path.cwd())]
    if isinstance(data, str | Path) and Path(data).expanduser().exists():
        paths.append(str(Path(data).expanduser().absolute()))
    mark, content = folder.absolute() / ".seen", secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(content, encoding="utf-8")
    ask = ray.remote(num_cpus=0)(missing_here)
    asked = {
        node: ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(mark, content, paths, versions())
        for node in nodes
    }
    names = {node["NodeID"]: node["NodeManagerHostname"] for node in _nodes()}
    try:
        for node, answer in asked.items():
            missing = _answered(answer)
            if missing is not None:
                raise ValueError(f"the machine {names[node]} of the cluster {missing}.")
    finally:
        mark.unlink(missing_ok=True)


def _answered(answer: Any) -> str | None:
    import ray

    try:
        found: str | None = ray.get(answer)
    except ray.exceptions.RayError as error:
        return f"cannot run selfsup ({str(error).strip().splitlines()[-1]}): install it there, in the same versions"
    return found


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _fits(node: dict[str, Any], resources: dict[str, float]) -> int:
    """How many runs a machine trains at once."""
    return min(int(node["Resources"].get(name, 0.0) // count) for name, count in resources.items())
