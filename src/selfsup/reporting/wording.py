"""Numbers and verdicts in words, the same everywhere on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from selfsup.run import Run
from selfsup.tasks import TASKS


def count(number: int | float) -> str:
    """5000 -> "5,000"."""
    return f"{number:,.0f}"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """(1, "picture") -> "1 picture"; (2000, "picture") -> "2,000 pictures"."""
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def percent(share: int | float) -> str:
    """0.899 -> "89.9"; the unit stands in the heading. What is not a number is a dash."""
    return f"{100 * share:.1f}" if math.isfinite(share) else "–"


def signed(share: int | float) -> str:
    """A difference in points with its sign, with a true minus: -0.042 -> "−4.2"."""
    rounded = round(100 * share, 1) + 0.0
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def interval(low: int | float, high: int | float) -> str:
    """(0.88, 0.912) -> "88.0–91.2"; negative ends are written with "to"."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    return f"{percent(low)}–{percent(high)}" if low >= 0 else f"{signed(low)} to {signed(high)}"


def short(number: int | float) -> str:
    """A number for an axis or a caption: three significant figures, thousands with commas."""
    if not math.isfinite(number):
        return "–"
    if abs(number) >= 1000:
        return count(number)
    return f"{number:.3g}".replace("-", "−")


def duration(seconds: int | float) -> str:
    """95 -> "1 min 35 s"; hours without seconds."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def listing(words: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def item_of(runs: Sequence[Run]) -> str:
    """What runs learned from, one of them: "picture" or "document"."""
    kinds = {run.kind for run in runs}
    return "document" if kinds == {"text"} else "picture" if "text" not in kinds else "item"


TITLES = {"ibot": "iBOT", "data2vec": "data2vec", "ijepa": "I-JEPA"}
"""Tasks whose papers write what no class is called."""


def task_title(name: str) -> str:
    """A task as its paper writes it, from the class in the task table: "simclr" -> "SimCLR"; a user's "mytask.py:MyTask" -> "MyTask".

    A short name that its class spells out, such as "mae" for MaskedAutoencoder, is an acronym. Where the class spells out one of several
    words, they are those of the name: "masked_lm" -> "Masked LM".
    """
    if name in TITLES:
        return TITLES[name]
    spelled = TASKS.get(name, name).rpartition(":")[2]
    if name not in TASKS or spelled.casefold() == name.replace("-", "").replace("_", "").casefold():
        return spelled
    if "_" in name:
        words = [word.upper() if len(word) < 3 else word for word in name.split("_")]
        return " ".join([words[0].capitalize() if words[0].islower() else words[0], *words[1:]])
    return name.upper() if len(name) <= 4 else name


def labels_title(labels_per_class: int | str) -> str:
    """10 -> "10 labels a class"; "all" -> "all labels"; 0 -> "no label", where nothing is learned from them."""
    if labels_per_class == 0:
        return "no label"
    return "all labels" if labels_per_class == "all" else plural(int(labels_per_class), "label") + " a class"
