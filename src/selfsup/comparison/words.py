"""The answer in words, most important first."""

from __future__ import annotations

from selfsup.comparison.answer import Answer, Use
from selfsup.probing.intervals import Interval

PAYS = {
    "better": "Pretraining pays: {unit} is better than {against}, the strongest row without it, by {points}.",
    "worse": "Pretraining does not pay here: {unit} is worse than {against}, the strongest row without it, by {points}.",
    "not told apart": "Whether pretraining pays cannot be told: {unit} and {against}, the strongest row without it, differ by {points}.",
}


def sentences(answer: Answer) -> list[str]:
    """What to use and how sure that is; whether pretraining pays; other uses; what it is worth in labels; what more time would bring."""
    first, *others = answer.uses
    said = [recommendation(first)]
    if answer.pays is not None:
        found = answer.pays
        points = in_points(Interval(found.difference, found.low, found.high))
        said.append(PAYS[found.verdict].format(unit=answer.recommended, against=found.against, points=points))
    for use in others:
        said.append(f"For {at(use)}: {use.best}{_how_sure(use)}.")
    said += [f"{answer.recommended}, {words}." for words in answer.efficiency]
    said.append(f"{answer.recommended}: {answer.outlook}.")
    return said


def at(use: Use) -> str:
    """The setting in words."""
    if use.labels_per_class == "all":
        return f"{use.probe} with all labels"
    return f"{use.probe} with {use.labels_per_class} label{'' if use.labels_per_class == 1 else 's'} a class"


def recommendation(use: Use) -> str:
    """Which unit to take for a use, with its score, and what it is not told apart from; or that this cannot be told."""
    best = use.standing.standings[0]
    chance = f"a chance of {100 * best.chance:.0f} % of being the best"
    score = f"{100 * best.value.value:.1f} ({100 * best.value.low:.1f}–{100 * best.value.high:.1f})"
    if not use.told:
        said = f"Cannot tell which task is best for {at(use)}: {best.unit} scored highest, {score}, with {chance}."
    elif use.alike:
        said = f"Take {best.unit} for {at(use)}: {score}, {chance}. Not told apart from it: {', '.join(use.alike)}."
    else:
        said = f"Take {best.unit} for {at(use)}: {score}. All others are worse."
    return f"{said} {use.needed}" if use.needed else said


def in_points(found: Interval) -> str:
    """ "+3.1 points (+1.2 to +5.0)"."""
    return f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _how_sure(use: Use) -> str:
    if not use.told:
        return " scored highest, but nothing is told apart"
    return f", not told apart from {', '.join(use.alike)}" if use.alike else ", all others are worse"
