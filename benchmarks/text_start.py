"""From the command to the first step, and the speed of a whole run, by `selfsup pretrain` as a user types it.

    python benchmarks/text_start.py                        # the cases of text_speed.py, about 3 minutes on 2 cores
    python benchmarks/text_start.py --cases causal --repeats 1 --seconds 20

Prints the seconds until the first step is logged: on a corpus that is new (tokeniser given), and on one that was prepared (median over
repeats), beside what it takes to import torch and transformers alone; and tokens of text a second, as the run itself logged them (median)
and by the clock from its first step to the end of the process, with all that a run writes and looks at on the way.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from real_texts import bbc
from selfsup.reporting.metrics import read_metrics
from selfsup.run import Run
from text_speed import CASES, HELD_OUT, Case, prepare, text_a_step


def written(case: Case, folder: Path) -> None:
    """The tokeniser, the network's configuration and the documents that are trained on."""
    from transformers import BertConfig, GPT2Config

    prepare(case, folder)
    rows = ({"id": one.id, "text": one.text} for number, one in enumerate(bbc()[0]) if number % HELD_OUT)
    (folder / "news.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if case.task == "masked_lm":
        shape = {"num_hidden_layers": case.layers, "hidden_size": case.width, "num_attention_heads": case.width // 64}
        BertConfig(intermediate_size=4 * case.width, max_position_embeddings=case.length, **shape).save_pretrained(folder / "network")
    else:
        GPT2Config(n_layer=case.layers, n_embd=case.width, n_head=case.width // 64, n_positions=case.length).save_pretrained(
            folder / "network"
        )


def started(case: Case, folder: Path, name: str, length: list[str]) -> tuple[Run, float, float]:
    """A run in a process of its own, and the seconds until its first step and from there to its end."""
    out = folder / name
    command = [sys.executable, "-m", "selfsup", "pretrain", str(folder / "news.jsonl"), "--task", case.task, "--out", str(out), *length]
    command += ["--text", "text", "--id", "id", "--tokenizer", str(folder), "--backbone", str(folder / "network" / "config.json")]
    command += ["--context", str(case.length), "--batch-size", str(case.batch)]
    environment = os.environ | {"SELFSUP_CACHE": str(folder / "cache")}
    log, began, first = out / "metrics.jsonl", time.perf_counter(), 0.0
    with (folder / f"{name}.txt").open("w", encoding="utf-8") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        while process.poll() is None:
            if not first and log.is_file() and log.stat().st_size:
                first = time.perf_counter() - began
            time.sleep(0.01)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / f'{name}.txt').read_text(encoding='utf-8')[-3000:]}")
    return Run.open(out), first, time.perf_counter() - began - first


def importing() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, transformers.models.auto.modeling_auto"], check=True)
    return time.perf_counter() - began


def measured(name: str, folder: Path, *, repeats: int, seconds: float) -> str:
    case = CASES[name]
    written(case, folder)
    _, cold, _ = started(case, folder, "cold", ["--steps", "2"])
    warm, bare = list[float](), list[float]()
    for number in range(repeats):  # in turn
        warm.append(started(case, folder, f"warm-{number}", ["--steps", "2"])[1])
        bare.append(importing())
    run, _, rest = started(case, folder, "whole", ["--budget", f"{seconds:g}s"])
    text = text_a_step(case, "ours", folder)
    logged = median(entry["examples_per_second"] for entry in read_metrics(run).records) / run.batch_size * text
    facts = (f"{cold:.1f}", f"{median(warm):.1f}", f"{median(bare):.1f}", f"{logged:,.0f}", f"{(run.steps - 1) * text / rest:,.0f}")
    return f"| {name} | {' | '.join(facts)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=[name for name in CASES if not CASES[name].lines], choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the whole run")
    asked = parser.parse_args()
    print("| case | first step, new corpus, s | prepared, s | importing alone, s | tokens/s, logged | by the clock |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in asked.cases:
        with tempfile.TemporaryDirectory() as folder:
            print(measured(name, Path(folder), repeats=asked.repeats, seconds=asked.seconds), flush=True)


if __name__ == "__main__":
    main()
