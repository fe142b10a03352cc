"""A run folder as pretraining on text leaves it, made up without training: documents on disk, log, prompts, embeddings by topic."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from selfsup.run import Run

TOPICS = {
    "sport": ("en", "The team won the match in the last minute, and the crowd sang about goal number {}."),
    "money": ("en", "Shares fell after the bank said that profit number {} was lower than in the year before."),
    "garten": ("de", "Im Frühling blüht der Garten, und die Bienen besuchen Blume Nummer {}."),
    "کتاب": ("fa", "او کتاب شماره {} را از کتابخانه گرفت و تمام شب آن را خواند."),
}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202egnirts\u202c"
LONG = "x" * 5000


def texts(number: int = 48) -> dict[str, tuple[str, str, str]]:
    """Documents by id: (text, topic, language); the first is hostile, the second one long word."""
    names = list(TOPICS)
    made = {}
    for i in range(number):
        topic = names[i % len(names)]
        language, words = TOPICS[topic]
        text = " ".join(words.format(i + n) for n in range(8))
        made[f"{language}/{topic}-{i:03d}.txt"] = (HOSTILE + text if i == 0 else LONG if i == 1 else text, topic, language)
    return made


def write_folder(folder: Path, number: int = 48) -> Path:
    """The documents as files, a folder a language."""
    for name, (text, _, _) in texts(number).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def write_table(file: Path, number: int = 48) -> Path:
    """The documents as rows of a table, with a column of ids; `.csv` or `.jsonl`."""
    rows = [{"ticket": name, "body": text, "language": language} for name, (text, _, language) in texts(number).items()]
    with file.open("w", encoding="utf-8", newline="") as stream:
        if file.suffix == ".jsonl":
            stream.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return file


def write_run(folder: Path, task: str, data: Path, *, ids: list[str] | None = None, **changes: Any) -> Run:
    """A whole run folder. `ids` are those of the documents, if they are not their files' names."""
    values: dict[str, Any] = {
        "data": str(data), "root": str(data if data.is_dir() else data.parent), "kind": "text", "task": task, "options": {"rate": 0.15},
        "backbone": "bert-mini", "size": 64, "batch_size": 128, "steps": 400, "budget": "30s", "learning_rate": 0.001, "weight_decay": 0.1,
        "pictures": 300, "held_out": 12, "created": "2026-11-22T10:00:00", "fingerprint": "3f9a",
        "choices": {"precision": "fp32", "threads": 2, "tokens": "gone", "bytes_per_token": 4.0, "language_loss": "held-out rows"},
        "versions": {"torch": "2.14.1", "selfsup": "0.1.0"}, "skipped": {"en/broken.txt": "random bytes"},
        "notes": {"en/old.txt": "read as cp1252, which was guessed: <b>price</b>"},
    }  # fmt: skip
    run = Run(folder=folder, **{**values, **changes})
    run.save()
    (folder / "model.safetensors").write_bytes(b"")
    write_metrics(run)
    write_samples(run)
    write_languages(run)
    write_embeddings(run, ids or list(texts()))
    return run


def write_metrics(run: Run, *, terms: tuple[str, ...] = ("words",)) -> None:
    """A loss of `terms` that falls from 8 to 4 ln 2 nats, and 100 rows a second."""
    lines = []
    for step in range(10, run.steps + 1, 10):
        loss = max(4 * np.log(2), 8.0 - step / 60)
        record = {
            "step": step, "seconds": step / 10, "loss": loss, "terms": {name: loss / len(terms) for name in terms},
            "data_wait": 0.01, "examples_per_second": 100.0, "rank": 20.0, "spread": 0.8,
        }  # fmt: skip
        lines.append(json.dumps(record))
    run.metrics_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_samples(run: Run) -> None:
    """What the views did to six texts, and what was made of one prompt at six steps."""
    run.samples.mkdir(exist_ok=True)
    before = [text for text, _, _ in list(texts().values())[:6]]
    before[2] += "[EOS]"
    content = {"text": before}
    if run.task != "causal_lm":
        content["seen"] = [text.replace(" the", "[MASK]").replace("Bienen", "B[MASK]n").replace("crowd", "tariff") for text in before]
    (run.samples / "seen.json").write_text(json.dumps(content), encoding="utf-8")
    lines: list[dict[str, Any]] = []
    for number, step in enumerate((1, 80, 160, 240, 320, 400)):
        if run.task == "causal_lm":
            lines.append({"step": step, "prompt": f"The bank {HOSTILE}", "text": f"said {'the ' * number}{LONG}"})
        else:
            guesses = [["bank", 0.004 if not number else 0.15 * number], ["<b>team</b>", 0.2], ["", 0.1], [" ", 0.05], ["\n", 0.04]]
            blank = {"truth": "bank", "guesses": sorted(guesses, key=lambda pair: -float(str(pair[1])))}
            lines.append({"step": step, "prompt": "Shares fell after the[MASK] said so.", "blanks": [blank]})
    (run.samples / "over_time.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_languages(run: Run, names: tuple[str, ...] = ("en", "de", "fa", "sa")) -> None:
    """A table of languages, of which the last is too short for a row."""
    rows = []
    for i, name in enumerate(names):
        short = i == len(names) - 1 and i > 0
        rows.append({
            "language": name, "documents": 24 // (i + 1), "bytes": 80_000 // (i + 1), "tokens": 20_000 // (i + 1),
            "rows": 0 if short else 150 // (i + 1), "share": 0.0 if short else 0.6 / (i + 1), "sampled": 0.0 if short else 0.4,
            "repeats": 0.0 if short else 0.4 * (i + 1) / 0.6, "bytes_per_token": 4.2 - i, "unknown": 0.0,
            "loss": None if short else 3.0 + i, "bits_per_byte": None if short else 1.25 + i,
        })  # fmt: skip
    (run.folder / "languages.json").write_text(json.dumps(rows), encoding="utf-8")


def write_embeddings(run: Run, ids: list[str]) -> None:
    """Each topic a direction of its own, so that neighbours share it."""
    rng = np.random.default_rng(0)
    chosen = [texts(len(ids))[name] for name in texts(len(ids))]
    names = list(TOPICS)
    vectors = np.stack([np.eye(8)[names.index(topic)] for _, topic, _ in chosen]) + rng.normal(0, 0.05, (len(ids), 8))
    columns = {
        "id": ids, "path": ids, "part": ["test" if i % 4 == 0 or i < 2 else "train" for i in range(len(ids))],
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), 8),
        "language": [language for _, _, language in chosen],
    }  # fmt: skip
    parquet.write_table(pa.table(columns), run.embeddings_file)


def write_scores(folder: Path, runs: dict[str, list[str]], ids: list[str]) -> None:
    """Scores of topics, and the label of each document but some."""
    rows = [
        {"row": row, "kind": kind, "runs": runs.get(row, []), "probe": "linear", "labels_per_class": 10, "metric": "accuracy",
         "value": value, "low": value - 0.02, "high": value + 0.02, "seeds": 1, "layers": {}}
        for row, kind, value in [*((task, "run", 0.9) for task in runs), ("TF-IDF", "baseline", 0.8)]
    ]  # fmt: skip
    content = {
        "format": 1, "data": "texts", "labels": "folder", "classes": list(TOPICS), "class_counts": dict.fromkeys(TOPICS, 12), "train": 36,
        "test": 12, "unlabelled": 3, "primary": {"probe": "linear", "labels_per_class": 10}, "metric": "accuracy", "skewed": False,
        "transductive": True, "draws": 5, "rows": rows, "comparisons": [], "noun": "documents", "unmatched_labels": ["en/nowhere.txt"],
        "confusion": [{"row": task, "probe": "linear", "labels_per_class": 10, "matrix": np.eye(4).tolist()} for task in runs],
        "per_class": [{"row": task, "class": name, "recall": 0.9} for task in runs for name in TOPICS],
        "notes": ["en/sport-000.txt is odd"],
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    topics = [topic if i % 9 else None for i, (_, topic, _) in enumerate(texts(len(ids)).values())]
    parts = ["test" if i % 4 == 0 else "train" for i in range(len(ids))]
    parquet.write_table(pa.table({"id": ids, "label": topics, "part": parts}), folder / "labels.parquet")
