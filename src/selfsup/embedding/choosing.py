"""The layer that embeddings are taken from when nobody says which."""

from __future__ import annotations

import json

from selfsup.run import Run


def chosen_layer(run: Run, layers: tuple[str, ...]) -> str:
    """The layer `evaluate` recorded for this run, else the mean over the last but one."""
    if run.results_file.is_file():
        chosen = json.loads(run.results_file.read_text(encoding="utf-8")).get("chosen_layer", {}).get(run.name)
        if isinstance(chosen, str):
            return chosen
    return f"{layers[max(0, len(layers) - 2)]}/mean"
