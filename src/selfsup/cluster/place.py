"""Where runs are trained, as `--on` says it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

NEEDED = ("ray", "pandas", "requests", "fsspec")
"""Ray, and what Ray Tune does not load without."""


@dataclass(frozen=True)
class Place:
    """A cluster of Ray: at `address` as `ray.init` takes it, or, without one, begun on this machine and ended again."""

    address: str | None


def place_of(on: str | None) -> Place | None:
    """`"ray"`, `"ray:auto"` or `"ray:HOST:PORT"` as a place; None is this process. Raises ValueError for any other, or without Ray."""
    if on is None:
        return None
    kind, colon, address = on.partition(":")
    if kind != "ray" or (colon and not address):
        raise ValueError(f"--on got {on!r}; expected ray, for all cores of this machine, or ray:auto or ray:HOST:PORT, for a cluster.")
    if address.startswith("//"):
        raise ValueError(
            f"--on got {on!r}, an address for programs outside of a cluster, which see other folders. Run the command on a machine of the "
            "cluster, with --on ray:auto."
        )
    missing = [package for package in NEEDED if importlib.util.find_spec(package) is None]
    if missing:
        raise ModuleNotFoundError(f"--on ray needs the package {missing[0]}: pip install 'selfsup[ray]'")
    return Place(address or None)
