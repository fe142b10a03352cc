"""The card: what an exported folder holds, how it came to be, how well it did, and code that uses it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from selfsup.evaluation import Results
from selfsup.exporting.exported import Written
from selfsup.exporting.formats import FORMATS
from selfsup.exporting.subjects import Documents, Pictures
from selfsup.finetuning import Model
from selfsup.run import Run

LIBRARIES = {"timm": "timm", "torchvision": "pytorch", "torch": "pytorch", "onnx": "onnx"}
"""What the hub calls the library of a format, where that is another name."""


@dataclass(frozen=True)
class Told:
    """What a card says of where a network comes from: a title, facts by name, and its scores."""

    title: str
    facts: dict[str, str]
    scores: str


def card(subject: Pictures | Documents, format: str, written: Written, out: Path, told: Told) -> str:
    """The README.md of an export, with the front matter that the Hugging Face hub reads."""
    purpose, texts = FORMATS[format].purpose, isinstance(subject, Documents)
    learned = "Learned without labels by selfsup." if subject.top is None else "Learned without labels, then with some, by selfsup."
    parts = [
        front_matter(subject, format),
        f"# {told.title}, for {format}",
        f"{purpose[0].upper()}{purpose[1:]}. {learned}",
        "## Use",
        f"Needs {', '.join(written.packages)}.",
        f"```python\n{written.code.replace('@FOLDER@', place_of(out))}\n```",
        f"Tried on made-up inputs: what comes out is what the original gives, but for {written.difference:.1g} of the largest number. "
        "`preprocessing.json` has in words what comes before the network.",
        *(f"- {note}" for note in [*read_as(subject), *written.notes]),
        "## How it came to be",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {cell(value)} |" for name, value in told.facts.items())]),
        "## Scores",
        told.scores,
        "## Licence",
        "Unknown: it depends on the data, and on the weights the run started from, if any. Settle it before you pass this on."
        + (" Networks for texts can give away what they have read." if texts else ""),
    ]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def read_as(subject: Pictures | Documents) -> list[str]:
    """What somebody has to know of files before the code reads them."""
    if isinstance(subject, Documents):
        return [f"A text here is {subject.joined}."] if subject.joined else []
    return ["DICOM files are not read by this code; selfsup reads them with pydicom, by their window."]


def front_matter(subject: Pictures | Documents, format: str) -> str:
    """What the hub files a model by."""
    use = "image-feature-extraction" if isinstance(subject, Pictures) else "feature-extraction"
    if format == "sentence-transformers":
        use = "sentence-similarity"
    if subject.top is not None:
        use = "image-classification" if isinstance(subject, Pictures) else "text-classification"
    lines = [f"library_name: {LIBRARIES.get(format, format)}", f"pipeline_tag: {use}", "license: unknown", "tags: [self-supervised]"]
    return "\n".join(["---", *lines, "---"])


def told_of_run(run: Run, layer: str) -> Told:
    """Task, data, budget, network and scores of a run."""
    seen = f"{run.pictures:,} {'pictures' if run.kind == 'image' else 'rows of tokens'}"
    facts = {
        "task": run.row + "".join(f", {name}={value}" for name, value in run.options.items()),
        "data": f"{name_of(run.data)}: {seen}, {run.held_out:,} held out; fingerprint {run.fingerprint or 'none'}",
        "budget": f"{run.steps:,} steps of {run.batch_size}" + (f", planned for {run.budget}" if run.budget else ""),
        "started from": name_of(run.weights) if run.weights else "nothing",
        "network": f"{run.backbone}, {run.size} {'px' if run.kind == 'image' else 'tokens of context'}",
        "layer": f"{layer} (`NAME/POOL`), {chosen_by(run, layer)}",
        "seed": str(run.seed),
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "created": run.created or "unknown",
    }
    return Told(f"{run.row} on {name_of(run.data)}", facts, scores(run))


def told_of_model(model: Model) -> Told:
    """Classes, labels and run of a model, and how well it told labels that were held back."""
    run = model.run
    facts = {
        "classes": ", ".join(f"{name} ({count:,} labels)" for name, count in model.labels.items()),
        "method": f"{model.method}, {100 * model.share:.0f} % of the way from the linear probe",
        "data": name_of(model.data),
        "layer": model.layer,
        "pretrained by": f"{run.get('task')} on {name_of(str(run.get('data', '')))}, {run.get('steps')} steps, {run.get('backbone')}",
        "seed": str(model.seed),
        "versions": ", ".join(f"{name} {version}" for name, version in model.versions.items()),
        "created": model.created or "unknown",
    }
    return Told(f"{len(model.classes)} classes of {name_of(model.data)}", facts, "\n".join(f"- {words}" for words in model.words()))


def chosen_by(run: Run, layer: str) -> str:
    """Who chose the layer."""
    told = json.loads(run.results_file.read_text(encoding="utf-8")).get("chosen_layer", {}) if run.results_file.is_file() else {}
    return "chosen by `selfsup evaluate` with the labels" if told.get(run.name) == layer else "not chosen by labels"


def scores(run: Run) -> str:
    """The run's primary score beside its baselines', or how to get it."""
    if not run.results_file.is_file():
        return "None: the run was not evaluated. `selfsup evaluate RUN DATA --labels LABELS` would."
    results = Results.load(run.results_file)
    probe, count = results.primary["probe"], results.primary["labels_per_class"]
    rows = [row for row in results.rows if (row.probe, row.labels_per_class) == (probe, count)]
    lines = [f"| {row.row} | {100 * row.value:.1f} | {100 * row.low:.1f} to {100 * row.high:.1f} |" for row in rows]
    told = f"{results.metric}, %, of a {probe} probe on {count} labels a class, {results.test:,} {results.noun} tested"
    return "\n".join([f"| {told} | | 95 % interval |", "|---|---|---|", *lines])


def cell(value: str) -> str:
    """A value in a table of Markdown."""
    return value.replace("|", "\\|")


def place_of(out: Path) -> str:
    """How code names the folder: as it was given, but nobody's home is told."""
    return out.name if out.is_absolute() else out.as_posix()


def name_of(path: str) -> str:
    """The last part of a path: where it lay is nobody's business."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path
