"""Clusters of Ray: where work goes that `--on` spreads, and what has to be so for it to be the same work there."""

from __future__ import annotations

from selfsup.cluster.cores import own_cores
from selfsup.cluster.joining import cluster, core_count
from selfsup.cluster.machines import alive, check_machines, fits, missing_here, shared_environment, versions
from selfsup.cluster.place import Place, place_of

__all__ = [
    "Place",
    "alive",
    "check_machines",
    "cluster",
    "core_count",
    "fits",
    "missing_here",
    "own_cores",
    "place_of",
    "shared_environment",
    "versions",
]
