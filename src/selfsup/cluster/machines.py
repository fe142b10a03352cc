"""The machines of a cluster: which there are, what fits on them, and whether they see what this one sees."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
        f"does not see {unseen[0]}: the folder that is written to, the data and the folder of the command have to lie where all machines "
        "of the cluster see them, under the same path. Give --out on a shared file system"
    )


def check_machines(folder: Path, data: Any, nodes: list[str]) -> None:
    """Ask every machine whether it sees a folder and the data, and has our versions. Raises ValueError that names one."""
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
    names = {node["NodeID"]: node["NodeManagerHostname"] for node in alive()}
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


def alive() -> list[dict[str, Any]]:
    """Those that are alive, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def fits(node: dict[str, Any], resources: dict[str, float]) -> int:
    """How often a machine has so much at once."""
    return min(int(node["Resources"].get(name, 0.0) // count) for name, count in resources.items())


def shared_environment() -> dict[str, str]:
    """Where this process keeps decoded data: workers of a cluster that runs already have their own environment."""
    return {name: os.environ[name] for name in ("SELFSUP_CACHE",) if name in os.environ}
