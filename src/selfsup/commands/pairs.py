"""What `selfsup evaluate` scores of runs of pairs: retrieval both ways, and classes by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfsup.commands.arguments import names_in

PROBES = ("retrieval", "zero_shot")
READ = ("out", "image", "text", "language", "encoding")


def score_pairs(folders: Sequence[str], data: str | None, given: Mapping[str, Any]) -> bool:
    """Score and print runs of pairs; whether these are such. Raises ValueError for what does not fit."""
    from selfsup.run import Run

    if not Path(folders[0], "run.json").is_file() or Run.open(folders[0]).kind != "pair":
        if given["templates"] is not None or given["image"] is not None:
            raise ValueError("--templates and --image are for runs of pairs; leave them out.")
        return False
    if "shared_width" not in Run.open(folders[0]).choices:
        _score_captions(folders, data, given)
        return True
    _check(given, folders[0])
    from selfsup.evaluation import evaluate_pairs
    from selfsup.terminal.pairs import print_pair_scores

    told = {name: given[name] for name in ("templates", *READ)}
    labels = given["labels"]
    print_pair_scores(evaluate_pairs(folders, data, labels=labels, baselines=given["baselines"] != "none", **told))
    if labels is not None:
        print(f"\nNext, from few labels: selfsup evaluate {folders[0]}/image {data or ''} --labels {labels}")
    return True


def _score_captions(folders: Sequence[str], data: str | None, given: Mapping[str, Any]) -> None:
    """Score and print runs that write captions. Raises ValueError for options of other scores."""
    from selfsup.evaluation import evaluate_captions
    from selfsup.terminal.pairs import print_caption_scores

    for name in ("labels", "templates", "boxes", "masks", "parallel"):
        if given[name] is not None:
            raise ValueError(f"--{name} does not go with captions; their sides are scored by labels: selfsup evaluate {folders[0]}/image.")
    print_caption_scores(evaluate_captions(folders, data, task=given["task"], **{name: given[name] for name in READ}))
    print(f"\nNext: selfsup generate {folders[0]} PICTURE, or selfsup report {' '.join(folders)}")


def _check(given: Mapping[str, Any], folder: str) -> None:
    """Raise ValueError for options of other scores, and for a zero-shot score without labels."""
    probes = names_in(given["probes"])
    if probes not in (["linear", "knn"], list(PROBES), *([name] for name in PROBES)):
        raise ValueError(
            f"--probes {given['probes']} was given for a run of pairs; expected retrieval and zero_shot. For probes that learn from "
            f"labels, name a side: selfsup evaluate {folder}/image."
        )
    if "zero_shot" in probes and given["labels"] is None:
        raise ValueError("--probes zero_shot tells whether pictures are called right: expected --labels too.")
    for name in ("boxes", "masks", "parallel"):
        if given[name] is not None:
            raise ValueError(f"--{name} is for one side of a run of pairs: selfsup evaluate {folder}/image or {folder}/text.")
