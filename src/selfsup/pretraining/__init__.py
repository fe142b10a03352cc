"""Pretraining: from a data set to a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from selfsup.contract import in_words, written_by_user
from selfsup.pretraining.beginning import begin
from selfsup.pretraining.kinds import MATERIALS
from selfsup.pretraining.resuming import interrupted, resume_from
from selfsup.pretraining.wishes import DEFAULT_BATCH, DEFAULT_BUDGET, wished
from selfsup.run import Run
from selfsup.tasks import find_task
from selfsup.train import train
from selfsup.train.distributed import world
from selfsup.train.memory import keep_memory
from selfsup.trained import save_heads

__all__ = ["DEFAULT_BATCH", "DEFAULT_BUDGET", "pretrain"]


def pretrain(
    data: Any,
    *,
    task: str,
    options: dict[str, Any] | None = None,
    backbone: str = "auto",
    size: int | None = None,
    budget: str | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    accumulate: int = 1,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    optimizer: str = "adamw",
    schedule: str = "cosine",
    precision: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    views: str | None = None,
    weights: str | Path | None = None,
    split: str | Path | None = None,
    holdout: float = 0.0,
    groups: str | None = None,
    resume: bool = False,
    kind: str = "auto",
    store_limit: float = 100.0,
    text: str | None = None,
    id: str | None = None,
    language: str | None = None,
    encoding: str | None = None,
    deduplicate: bool = False,
    tokenizer: str | Path | None = None,
    vocabulary: int | None = None,
    context: int | None = None,
    alpha: float = 0.3,
    repeats: float = 4.0,
    image: str | None = None,
    image_from: str | Path | None = None,
    text_from: str | Path | None = None,
    freeze: str | None = None,
    shared_width: int | None = None,
) -> Run:
    """Pretrain a backbone on the pictures, texts or pairs of `data` with a pretext task; labels are never read.

    `task` is a name from `selfsup tasks` or `file.py:Class`; `options` are its own. `budget` is a time (`90s`, `10m`), which becomes
    a number of steps by timing the first ones; or give `steps` or `epochs`. `batch_size` is the global batch, over ranks and the
    `accumulate` micro-batches. `views` names a function `file.py:function` from uint8 `(B, C, H, W)` and a `torch.Generator` to
    float `(B, C, size, size)` in [0, 1]. `weights` is what to start from. `split`, `holdout` and `groups` keep pictures or documents
    out of pretraining; the run remembers which. `store_limit` bounds the decoded pictures on disk, in gigabytes. With `resume`, `out`
    names an interrupted run and its settings hold; more `steps` lengthen a run with a constant rate.

    Of texts: `text` ("subject,body"), `id` and `language` are columns, or say where a language is told (`open_documents`); `encoding`
    is theirs, by default told from their bytes; `deduplicate` leaves out what they repeat. `tokenizer` is a path that `transformers`
    reads, or "bytes"; without one, one of `vocabulary` words is trained. A row has `context` tokens, by default 128. Languages are drawn
    by their share to the power of `alpha`, none of them more than `repeats` times in one reading of all.

    Of pairs: `image` and `text` are columns of picture files and of captions (several: "en,de"), `context` the most tokens of a caption.
    `backbone` is IMAGE+TEXT. `image_from` and `text_from` are earlier runs whose networks go on, `freeze` the one of them that stays as
    it is; both are projected to `shared_width`, by default 256. The run's folders `image` and `text` are runs for every later stage.
    Raises ValueError for what cannot be done, saying what would.
    """
    wishes = wished(locals())
    keep_memory()
    with world() as ranks:
        before = interrupted(wishes) if resume else None
        if before is None:
            wishes.check()
        material = MATERIALS[before.kind if before else find_task(task).modality].prepared(data, wishes, ranks, before=before)
        run, module, batches = resume_from(before, material, wishes) if before else begin(wishes, material, ranks)
        files = written_by_user(module)
        with in_words(files, f"What was trained so far is in {run.folder}: mend the file and go on with --resume."):
            train(module, batches, run, world=ranks, watched=material.watched(), observe=partial(material.observe, run, module))
        if ranks.leads:
            material.save_backbone(run, module.backbone)  # first: what is shown is not worth losing it
            save_heads(module, run.folder)
            with in_words(files, f"The backbone is trained and in {run.folder}; only what shows it is missing."):
                material.save_made(run, module)
        ranks.wait()
    return run
