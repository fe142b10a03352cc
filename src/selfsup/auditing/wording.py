"""What an audit says in words: the same in the terminal and on the page."""

from __future__ import annotations

from selfsup.auditing.findings import BREAKS, OPEN, Finding, Pair
from selfsup.auditing.options import picture_tasks
from selfsup.auditing.results import Audit
from selfsup.reporting.wording import listing, percent

DEEDS = {
    "flip": "mirroring",
    "vertical flip": "mirroring top to bottom",
    "turn 20": "small turns",
    "turn 90": "turns",
    "turn 180": "turns",
    "half turn": "turns",
    "quarter turns": "turns",
    "crop 0.5": "crops",
    "crop 0.25": "small crops",
    "crop 0.08": "tiny crops",
    "blur": "blur",
    "brightness": "changes of brightness",
    "hue": "changes of hue",
    "grey": "the loss of colour",
}
"""Transforms in a sentence."""

COVERED = {"tiny crops": ("small crops", "crops"), "small crops": ("crops",)}
"""What goes without saying where one of the others is said."""


def headline(audit: Audit) -> str:
    """The outcome in one sentence."""
    if not audit.tells:
        return "These labels cannot be told from the pictures, so nothing can be said of what breaks them"
    every = list(dict.fromkeys(DEEDS.get(name, name) for name in audit.breaking))
    deeds = [deed for deed in every if not set(COVERED.get(deed, ())) & set(every)]
    if deeds:
        said = listing(deeds)
        plural = len(deeds) > 1 or deeds[0].split()[0].endswith("s") or deeds[0].endswith("s")
        return f"{said[0].upper()}{said[1:]} {'break' if plural else 'breaks'} these labels"
    if sum(finding.verdict == OPEN for finding in audit.findings) > len(audit.findings) / 2:
        return "Too few labelled pictures to tell what breaks these labels"
    return "Nothing that was tried is seen to break these labels"


def way_up(audit: Audit) -> str:
    """Whether pictures have a way up, in a sentence."""
    found = audit.upright
    quarter, half = percent(found.quarter.value), percent(found.half.value)
    numbers = f"of four quarter turns {quarter} % were told (25 by chance), upright from upside down {half} % (50)"
    said = {
        "yes": "The pictures have a way up, which is what rotation asks for",
        "no": "No way is up in these pictures: rotation has nothing to learn",
        "not top from bottom": "The pictures look the same upside down: half of what rotation asks has no answer",
    }
    return f"{said.get(found.verdict, 'Whether the pictures have a way up cannot be told')}: {numbers}."


def pair_words(pair: Pair) -> str:
    """ "6 and 9 (0.4 to 9.1 %)"."""
    return f"{pair.first} and {pair.second} ({percent(pair.before)} to {percent(pair.after)} %)"


def settings_for(audit: Audit) -> list[tuple[str, list[str]]]:
    """What to add to a command, and to which tasks: tasks that need the same stand together; those that need nothing come last, with ""."""
    grouped: dict[str, list[str]] = {}
    for task in picture_tasks():
        words = " ".join(f"--set {name}={value:g}" for name, value in audit.options_for(task).items())
        grouped.setdefault(words, []).append(task)
    return sorted(grouped.items(), key=lambda item: (not item[0], -len(item[0])))


def advised(audit: Audit) -> list[tuple[str, str]]:
    """Tasks that something speaks against, and what."""
    return [(task, said) for task in picture_tasks() if (said := audit.advice(task)) is not None]


def meaning(finding: Finding) -> str:
    """The verdict, with what a breaking transform breaks."""
    if finding.verdict == BREAKS and finding.pairs:
        return f"breaks {listing([f'{pair.first}/{pair.second}' for pair in finding.pairs[:3]])}"
    return finding.verdict
