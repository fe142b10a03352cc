"""What a reader needs to do it again: every setting of every run, versions, and the files that were skipped."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selfsup.reporting.markup import Html, section, table, tag
from selfsup.reporting.wording import count, plural
from selfsup.run import Run

_MOST_SKIPPED = 200
_OF_TEXTS = {"size": "context", "pictures": "rows of tokens", "held_out": "documents held out"}
_NOT_OF_TEXTS = ("channels", "store_side", "store_limit")


def skipped(runs: Sequence[Run], *, without_samples: bool = False) -> Html | None:
    """The section on files that could not be read, and why; None where all could be. Names, and reasons that hold names, are samples."""
    files = {name: reason for run in runs for name, reason in run.skipped.items()}
    if not files:
        return None
    lead = f"{plural(len(files), 'file')} could not be read and took no part in anything."
    if without_samples:
        return section("skipped", "Skipped files", lead=lead + " Their names are left out of this report.")
    return section("skipped", "Skipped files", *_by_name(files, "why", "Names and reasons"), lead=lead)


def _by_name(files: Mapping[str, str], head: str, summary: str) -> Iterator[Html]:
    """What is said of files: what is said of most of them, then a table to unfold."""
    rows = [[tag("code", name), reason] for name, reason in sorted(files.items())[:_MOST_SKIPPED]]
    rest = (
        tag("p", f"… and {count(len(files) - _MOST_SKIPPED)} more, named in run.json.", class_="note") if len(files) > _MOST_SKIPPED else ""
    )
    listed = table(["file", head], rows, class_="plain")
    reasons = Counter(files.values())
    usual = ", ".join(f"{reason} ({count(n)})" for reason, n in reasons.most_common(3)) if len(reasons) < len(files) else ""
    yield tag("p", f"Mostly: {usual}.") if usual else Html("")
    yield tag("details", tag("summary", summary), listed, rest, open="open" if len(files) <= 12 else None)


def notes(runs: Sequence[Run], *, without_samples: bool = False) -> Html | None:
    """The section on files that were read, but not without a decision: guessed encodings, columns that were found, lines left out."""
    files = {name: words for run in runs for name, words in run.notes.items()}
    if not files or without_samples:  # notes quote columns and lines
        return None
    lead = "What was decided while these were read. If a decision is wrong, say what is right (--text, --id, --language, --encoding)."
    return section("notes", "How files were read", *_by_name(files, "what was found", "Names and notes"), lead=lead)


def settings(runs: Sequence[Run], chosen_layers: dict[str, str]) -> Html:
    """The section with every setting, a column a run; a setting that is the same in all runs is written once."""
    columns = [dict(_flat(run)) for run in runs]
    for run, column in zip(runs, columns, strict=True):
        if run.name in chosen_layers:
            column["layer chosen by evaluate"] = chosen_layers[run.name]
    names = list(dict.fromkeys(name for column in columns for name in column))
    names.sort(key=lambda name: name.startswith("versions"))
    differ = [name for name in names if len({column.get(name) for column in columns}) > 1]
    same = [name for name in names if name not in differ]
    parts = []
    if differ:
        rows = [[name, *(column.get(name, "–") for column in columns)] for name in differ]
        parts.append(table(["what differs", *(run.name for run in runs)], rows, class_="plain"))
    parts.append(
        table(["the same in every run" if len(runs) > 1 else "setting", ""], [[name, columns[0][name]] for name in same], class_="plain")
    )
    return section("settings", "Settings", tag("details", tag("summary", "Every setting, choice and version"), *parts))


def _flat(run: Run) -> Iterator[tuple[str, str]]:
    """Fields of a run as names and text: "options.temperature" -> "0.2"."""
    for item in dataclasses.fields(run):
        if item.name in ("folder", "skipped", "notes") or (run.kind == "text" and item.name in _NOT_OF_TEXTS):
            continue
        yield from _flattened(_OF_TEXTS.get(item.name, item.name) if run.kind == "text" else item.name, getattr(run, item.name))
    yield "files skipped", count(len(run.skipped))


def _flattened(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(f"{name.removesuffix('s') if name == 'versions' else name} · {key}", inner)
    else:
        yield name.replace("_", " "), "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
