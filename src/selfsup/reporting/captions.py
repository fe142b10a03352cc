"""Captions that runs wrote of pictures, beside the true ones, and whether they come from the pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from selfsup.reporting.chart import chip
from selfsup.reporting.collect import Collected
from selfsup.reporting.excerpts import EXCERPT, excerpt
from selfsup.reporting.language_scores import Facts, score_files
from selfsup.reporting.markup import Html, join, picture, section, table, tag
from selfsup.reporting.pair_scores import share_cell
from selfsup.reporting.pictures import Pixels
from selfsup.reporting.wording import count, task_title
from selfsup.run import Run

_WIDE = 96


def captions_written(runs: list[Run]) -> Html | None:
    """The section of pictures with what was written of them and what is true; None where no run wrote any."""
    sheets = [(run, *found) for run in runs if (found := read_captions(run)) is not None]
    lead = "Pictures, held out if any were, with the likeliest caption that the network wrote, and beneath it what is true."
    return section("captions", "What it wrote of pictures", *(_sheet(*sheet) for sheet in sheets), lead=lead) if sheets else None


def read_captions(run: Run) -> tuple[Pixels, list[dict[str, Any]]] | None:
    """Pictures and captions of a run's samples, None where they are missing or damaged."""
    try:
        with (run.samples / "captions.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            pictures = content["pictures"]
        made = json.loads((run.samples / "captions.json").read_text(encoding="utf-8"))
        fits = all(0 <= line["picture"] < len(pictures) and {"language", "written", "true"} <= set(line) for line in made)
    except (OSError, ValueError, BadZipFile, KeyError, TypeError):
        return None
    sound = pictures.dtype == np.uint8 and pictures.ndim == 4 and pictures.shape[1] in (1, 3)
    return (pictures, made) if fits and sound and made else None


def _sheet(run: Run, pictures: Pixels, made: list[dict[str, Any]]) -> Html:
    """A row for each picture, a column for each language."""
    languages = list(dict.fromkeys(line["language"] for line in made))
    said = {(line["picture"], line["language"]): line for line in made}
    body = [
        [tag("th", _image(pixels), scope="row"), *(_cell(said[place, language]) for language in languages if (place, language) in said)]
        for place, pixels in enumerate(pictures)
    ]
    return tag("div", tag("h3", task_title(run.row)), table(["", *(language or "caption" for language in languages)], body))


def _image(pixels: Pixels) -> Html:
    return picture(pixels.transpose(1, 2, 0), width=_WIDE, description="picture")


def _cell(line: Mapping[str, Any]) -> Html:
    true = join([tag("bdi", excerpt(str(text), EXCERPT)) for text in line["true"]], "; ")
    return tag("td", tag("bdi", excerpt(str(line["written"]), EXCERPT)), tag("small", true))


def caption_scores(collected: Collected, shades: Mapping[str, str]) -> list[Html]:
    """A section for each caption_scores.json that scores one of the runs, wherever copies of it lie."""
    found = score_files(collected, "caption_scores.json")
    return [_scores(facts, shades, f"captioning-{number + 1}" if number else "captioning") for number, facts in enumerate(found)]


def _scores(facts: Facts, shades: Mapping[str, str], anchor: str) -> Html:
    lead = (
        f"True captions of {count(facts['pictures'])} pictures of {Path(facts['data']).name}, judged with their own picture, with others, "
        "and as they would be without any: bits a byte, less is better. How often the own picture makes a caption likelier than another "
        "does is 50 % by chance. 95 % interval beneath."
    )
    body = [
        [one["group"], chip(task_title(row["row"]), shades.get(row["row"], "var(--line)")), *_cells(one)]
        for row in facts["rows"]
        for one in row["judged"]
    ]
    told = (tag("p", note, class_="note") for note in facts["notes"])
    head = ["language", "", "own picture", "another's", "none", "gain by looking", "own likelier"]
    return section(anchor, "Whether captions come from the pictures", table(head, body), *told, lead=lead)


def _cells(one: Mapping[str, Any]) -> list[Html]:
    bits = [tag("td", f"{one[name]['value']:.2f}") for name in ("own", "others", "blind")]
    gain, preferred = one["gain"], one["preferred"]
    around = tag("small", f"{gain['low']:.2f} to {gain['high']:.2f}")
    return [*bits, tag("td", tag("span", f"{gain['value']:.2f}", class_="figure"), around), share_cell(preferred)]
