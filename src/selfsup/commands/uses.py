"""What `selfsup evaluate` scores beyond one class an item: boxes, masks, numbers, several labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfsup.commands.arguments import names_in, parse_counts


def score_uses(folders: Sequence[str], data: str | None, given: Mapping[str, Any]) -> bool:
    """Score and print the uses that were asked for; whether the labels are spoken for. Raises ValueError for what does not go together."""
    _check(given)
    from selfsup.data.tags import says_several

    labels, pictures = given["labels"], {name: given[name] for name in ("boxes", "masks") if given[name] is not None}
    numbers = given["regression"]
    several = labels is not None and not numbers and not given["across_languages"] and (given["multi_label"] or says_several(labels))
    if not pictures and not numbers and not several:
        return False
    if given["weights"] is not None:
        raise ValueError("--weights is a row beside scores of classes: leave it out beside boxes, masks, numbers and several labels.")
    from selfsup import downstream
    from selfsup.terminal.uses import print_use

    asked: dict[str, Any] = {name: given[name] for name in ("groups", "seed", "out")}
    asked["labelled"] = parse_counts(given["labelled"], "--labelled")
    if given["draws"] is not None:
        asked["draws"] = given["draws"]
    if given["baselines"] != "all":
        asked["baselines"] = False if given["baselines"] == "none" else names_in(given["baselines"])
    told = {name: given[name] for name in ("text", "id", "language", "encoding")}
    if "boxes" in pictures:
        print_use(downstream.evaluate_detection(folders, data, boxes=given["boxes"], fine_tune=given["fine_tune"], **asked))
    if "masks" in pictures:
        print_use(downstream.evaluate_segmentation(folders, data, masks=given["masks"], **asked))
    if numbers:
        print_use(downstream.evaluate_regression(folders, data, labels=labels, **asked, **told))
    elif several:
        print_use(downstream.evaluate_multi_label(folders, data, labels=labels, **asked, **told))
    return bool(numbers or several)


def _check(given: Mapping[str, Any]) -> None:
    """Raise ValueError for options that miss another."""
    for name in ("regression", "multi_label"):
        if given[name] and given["labels"] is None:
            raise ValueError(f"--{name.replace('_', '-')} says what labels are: expected --labels too.")
    if given["regression"] and given["multi_label"]:
        raise ValueError("--regression and --multi-label were both given: labels are numbers, or names of several.")
    if given["across_languages"] and (given["regression"] or given["multi_label"]):
        raise ValueError("--across-languages tests classes: leave out --regression and --multi-label.")
    if given["fine_tune"] and given["boxes"] is None:
        raise ValueError("--fine-tune trains the backbone on boxes: expected --boxes too.")
