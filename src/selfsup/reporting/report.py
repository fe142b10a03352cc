"""Put the page together: find the runs, write each section that has something to show, save one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from selfsup.reporting.answer import answer
from selfsup.reporting.captions import caption_scores, captions_written
from selfsup.reporting.collect import Collected, collect
from selfsup.reporting.curves import curves
from selfsup.reporting.documents import read_again
from selfsup.reporting.language_scores import language_scores
from selfsup.reporting.languages import languages
from selfsup.reporting.map import mapped, maps
from selfsup.reporting.markup import Html, section, tag
from selfsup.reporting.neighbours import neighbours
from selfsup.reporting.over_time import over_time
from selfsup.reporting.page import page
from selfsup.reporting.pair_scores import pair_scores
from selfsup.reporting.pictures import rebuilt, seen
from selfsup.reporting.scores import efficiency, row_shades, scores
from selfsup.reporting.seen_texts import seen_texts
from selfsup.reporting.settings import notes, settings, skipped
from selfsup.reporting.summary import headline, summary
from selfsup.reporting.text_neighbours import asked, shown, text_neighbours
from selfsup.reporting.uses import uses
from selfsup.reporting.vectors import Vectors, read_vectors
from selfsup.run import Run, write_whole


def report(folders: str | Path | Sequence[str | Path], *, out: str | Path | None = None, without_samples: bool = False) -> Path:
    """Write one self-contained HTML file about runs and their scores, and return its path.

    `folders` are run folders, or folders that hold some; results.json files in or under them are shown too. `out` is by default
    report.html in the folder given, or in the common parent of several. `without_samples` leaves out everything that is or names a
    single picture or text. What is missing or damaged is said in the report. Raises ValueError when a folder does not exist or nothing is
    found.
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
    sections, samples = _sections(collected, without_samples), _samples(collected.runs)
    content = page(headline(collected), sections, samples=samples, without_samples=without_samples)
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
    sections: list[Html | None] = [summary(collected, shades), *(answer(results, shades) for results in collected.results)]
    pictures, texts = [run for run in firsts if run.kind != "text"], [run for run in firsts if run.kind == "text"]
    if pictures and not without_samples:
        sections += [seen(pictures), rebuilt(pictures), captions_written(pictures)]
    if texts and not without_samples:
        sections += [seen_texts(texts), over_time(texts)]
    if runs:
        sections.append(curves(runs, shades))
    if texts:
        sections.append(languages(texts))
    hidden = _names(collected) if without_samples else None
    for i, results in enumerate(collected.results):
        number = f"-{i + 1}" if i else ""
        sections.append(scores(results, shades, anchor=f"scores{number}", hidden=hidden))
        sections.append(efficiency(results, shades, anchor=f"labels{number}"))
    sections += language_scores(collected, shades)
    sections += pair_scores(collected, shades)
    sections += caption_scores(collected, shades)
    sections += uses(collected, shades, without_samples=without_samples)
    sections += _embeddings(collected, firsts, shades, without_samples)
    if runs:
        layers = {name: layer for results in collected.results for name, layer in (results.facts.get("chosen_layer") or {}).items()}
        sections += [part(runs, without_samples=without_samples) for part in (skipped, notes)]
        sections.append(settings(runs, layers))
    return [part for part in sections if part]


def _samples(runs: Sequence[Run]) -> str:
    """What a report on these shows of the data."""
    kinds = {run.kind == "text" for run in runs}
    return {frozenset({True}): "texts", frozenset({True, False}): "pictures, texts"}.get(frozenset(kinds), "pictures")


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
    if without_samples:
        return [maps(found, shades)]
    pictures, texts = ([pair for pair in found if (pair[0].kind == "text") is wanted] for wanted in (False, True))
    said = _said(texts)
    alike = [neighbours(pictures, shades)] if pictures else []
    alike += [text_neighbours([(run, vectors, said[run.folder]) for run, vectors in texts], shades)] if texts else []
    return [*alike, maps(found, shades, said=said)]


def _said(runs: Sequence[tuple[Run, Vectors]]) -> dict[Path, dict[str, str]]:
    """Excerpts by id for each run, of the documents that neighbours and map show; runs on the same data share one pass over it."""
    names = asked(runs[0][1]) if runs else []
    needed: dict[str, set[str]] = {}
    for run, vectors in runs:
        needed.setdefault(_place(run), set()).update(shown(vectors, names), (vectors.ids[row] for row in mapped(vectors)))
    read: dict[str, dict[str, str]] = {}
    for run, _ in runs:
        if _place(run) not in read:
            try:
                read[_place(run)] = read_again(run, needed[_place(run)])
            except Exception:  # any reader may fail in its own way, and the section says that texts are gone
                read[_place(run)] = {}
    return {run.folder: read[_place(run)] for run, _ in runs}


def _place(run: Run) -> str:
    """Equal for runs that read the same documents in the same way."""
    return repr((run.data, run.root, sorted(run.reading.items())))
