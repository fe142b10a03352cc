"""Put the page together: find the runs, write each section that has something to show, save one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from selfsup.reporting.collect import Collected, collect
from selfsup.reporting.curves import curves
from selfsup.reporting.language_scores import language_scores
from selfsup.reporting.map import maps
from selfsup.reporting.markup import Html, section, tag
from selfsup.reporting.neighbours import neighbours
from selfsup.reporting.page import page
from selfsup.reporting.pictures import rebuilt, seen
from selfsup.reporting.scores import efficiency, row_shades, scores
from selfsup.reporting.settings import settings, skipped
from selfsup.reporting.summary import headline, summary
from selfsup.reporting.vectors import read_vectors
from selfsup.run import Run, write_whole


def report(folders: str | Path | Sequence[str | Path], *, out: str | Path | None = None, without_samples: bool = False) -> Path:
    """Write one self-contained HTML file about runs and their scores, and return its path.

    `folders` are run folders, or folders that hold some; results.json files in or under them are shown too. `out` is by default
    report.html in the folder given, or in the common parent of several. `without_samples` leaves out everything that is or names a
    single picture. What is missing or damaged is said in the report. Raises ValueError when a folder does not exist or nothing is found.
    """
    given = [Path(folder).expanduser() for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    if not given:
        raise ValueError("No folder was given: expected one or more run folders, as `selfsup pretrain` printed them.")
    for folder in given:
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder: expected a run folder, as `selfsup pretrain` printed it, or a folder of those.")
    collected = collect(given)
    file = Path(out).expanduser() if out is not None else _common(given) / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = page(headline(collected), _sections(collected, without_samples), without_samples=without_samples)
    write_whole(file, content.encode("utf-8", "replace").decode("utf-8"))
    return file


def _common(folders: Sequence[Path]) -> Path:
    if len(folders) == 1:
        return folders[0]
    return Path(os.path.commonpath([folder.resolve() for folder in folders]))


def _sections(collected: Collected, without_samples: bool) -> list[Html]:
    """Sections in reading order, each only where there is something to show."""
    runs, firsts = collected.runs, collected.first_of_each_task()
    shades = row_shades([run.row for run in firsts], collected.results)
    sections: list[Html | None] = [summary(collected, shades)]
    if firsts and not without_samples:
        sections += [seen(firsts), rebuilt(firsts)]
    if runs:
        sections.append(curves(runs, shades))
    hidden = _names(collected) if without_samples else None
    for i, results in enumerate(collected.results):
        number = f"-{i + 1}" if i else ""
        sections.append(scores(results, shades, anchor=f"scores{number}", hidden=hidden))
        sections.append(efficiency(results, shades, anchor=f"labels{number}"))
    sections += language_scores(collected, shades)
    sections += _embeddings(collected, firsts, shades, without_samples)
    if runs:
        layers = {name: layer for results in collected.results for name, layer in (results.facts.get("chosen_layer") or {}).items()}
        sections += [skipped(runs, without_samples=without_samples), settings(runs, layers)]
    return [part for part in sections if part]


def _names(collected: Collected) -> set[str]:
    """Every name of a file that is known here, with and without its folder, so that no note lets one slip."""
    whole = {name for results in collected.results for name in results.labels()} | {name for run in collected.runs for name in run.skipped}
    return whole | {name.rpartition("/")[2] for name in whole if "/" in name}


def _embeddings(collected: Collected, runs: Sequence[Run], shades: dict[str, str], without_samples: bool) -> list[Html]:
    labels = {name: label for results in collected.results for name, label in results.labels().items()}
    read = [(run, read_vectors(run, labels)) for run in runs]
    found = [(run, vectors) for run, vectors in read if vectors is not None and len(vectors.ids) > 1]
    if not found:
        missing = tag("p", "No embeddings were saved. To see neighbours and a map: ", tag("code", "selfsup embed RUN DATA"), class_="empty")
        return [section("neighbours", "Nearest neighbours and map", missing)] if runs else []
    return [*([] if without_samples else [neighbours(found, shades)]), maps(found, shades)]
