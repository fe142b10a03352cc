"""The opening of the page for runs of pairs, which have scores of their own: what is found, or written, and how often by chance."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from selfsup.reporting.collect import Collected
from selfsup.reporting.language_scores import score_files
from selfsup.reporting.markup import Html, tag
from selfsup.reporting.wording import count, percent, task_title

_WAY = "picture to text"


def pair_headline(collected: Collected) -> str | None:
    """The best run's score in one sentence; None where no run of pairs was scored."""
    if found := _retrieval(collected):
        best, _, _ = found
        return f"{task_title(best['row'])} finds the caption of {percent(_mean(best, '1'))} % of pictures at once"
    if judged := _judged(collected):
        best, _ = judged
        return f"{task_title(best['row'])}: {percent(_preferred(best))} % of captions tell their picture from another"
    return None


def pair_explanation(collected: Collected) -> Html | None:
    """What the headline's number stands beside, and what it was measured on."""
    if found := _retrieval(collected):
        best, pictures, others = found
        one = next(one for one in best["retrieval"] if one["way"] == _WAY)
        beside = [f"by chance {percent(one['chance']['1'])} and {percent(one['chance']['10'])} %"]
        beside += [f"{row['row']} {percent(_mean(row, '1'))} and {percent(_mean(row, '10'))} %" for row in others]
        words = (
            f"Of {count(pictures)} pictures{_languages(best['retrieval'])}: the right caption is the nearest for "
            f"{percent(_mean(best, '1'))} %, and among the nearest ten for {percent(_mean(best, '10'))} %; {'; '.join(beside)}."
        )
        return tag("p", words, class_="under")
    if judged := _judged(collected):
        best, pictures = judged
        gain = fmean(one["gain"]["value"] for one in best["judged"])
        words = (
            f"{count(pictures)} pictures{_languages(best['judged'])}: so often a true caption is likelier with its own picture than with "
            f"another; by chance 50 %. Looking saves {gain:.2f} bits a byte."
        )
        return tag("p", words, class_="under")
    return None


def _retrieval(collected: Collected) -> tuple[Mapping[str, Any], int, list[Mapping[str, Any]]] | None:
    """The best run's row, how many pictures were tested, and the rows that are no runs."""
    for facts in score_files(collected, "pair_scores.json"):
        runs = [row for row in facts["rows"] if row["kind"] == "run" and row["retrieval"]]
        if runs:
            others = [row for row in facts["rows"] if row["kind"] != "run" and row["retrieval"]]
            return max(runs, key=lambda row: _mean(row, "1")), facts["pictures"], others
    return None


def _judged(collected: Collected) -> tuple[Mapping[str, Any], int] | None:
    for facts in score_files(collected, "caption_scores.json"):
        if rows := [row for row in facts["rows"] if row["judged"]]:
            return max(rows, key=_preferred), facts["pictures"]
    return None


def _mean(row: Mapping[str, Any], nearest: str) -> float:
    """How often the right caption is so near, over languages alike."""
    return fmean(one["recall"][nearest]["value"] for one in row["retrieval"] if one["way"] == _WAY)


def _preferred(row: Mapping[str, Any]) -> float:
    return fmean(one["preferred"]["value"] for one in row["judged"])


def _languages(scored: list[Mapping[str, Any]]) -> str:
    number = len({one["group"] for one in scored})
    return f", mean of {number} languages or columns" if number > 1 else ""
