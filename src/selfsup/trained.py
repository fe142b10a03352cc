"""Trained tasks: what a run keeps of a task that makes something, and the whole task back from a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from selfsup.backbones import PairBackbone, TextBackbone, Vocabulary, load_backbone, load_text_backbone, read_projection
from selfsup.backbones.weights import read_tensors
from selfsup.contract import made
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.options import task_options
from selfsup.pretext import Pretext
from selfsup.run import Run
from selfsup.tasks import TASKS, find_task
from selfsup.train.checkpoint import newest_checkpoint
from selfsup.train.distributed import device

MAKING = ("sample", "show", "logits", "next_words")
"""Methods of a task that make something: from nothing, from a batch, scores of words from words, and of words on a picture."""

HEADS = "heads.safetensors"


def makes(task: type[Pretext]) -> tuple[str, ...]:
    """Which of the methods `MAKING` a task has."""
    return tuple(name for name in MAKING if getattr(task, name, None) is not getattr(Pretext, name, None))


def makers(method: str) -> list[str]:
    """The tasks of the table that have one of these methods."""
    return [name for name in TASKS if method in makes(find_task(name))]


def save_heads(task: Pretext, folder: Path) -> None:
    """Write all of a task but its backbone into a run's folder, whole or not at all, if the task makes something with it."""
    if makes(type(task)):
        save_file(head_tensors(task), folder / f"{HEADS}.new")
        (folder / f"{HEADS}.new").replace(folder / HEADS)


def head_tensors(task: Pretext) -> dict[str, Tensor]:
    """The state of a task without its backbone. What is shared with the backbone, such as a table of words, is the backbone's."""
    state = task.state_dict()
    places = {value.data_ptr() for name, value in state.items() if name.startswith("backbone.")}
    heads: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith("backbone.") and (value.data_ptr() not in places or not value.numel()):
            heads[name] = value.detach().cpu().contiguous()
            places.add(value.data_ptr())
    return heads


def take_heads(task: Pretext, folder: str | Path) -> bool:
    """Fill a task's heads with those that a run in `folder` kept, where they are of the same names and shapes; whether they were."""
    file = Path(folder).expanduser() / HEADS
    own = head_tensors(task)
    if not own or not file.is_file():
        return False
    found = read_tensors(file)
    if {name: value.shape for name, value in found.items()} != {name: value.shape for name, value in own.items()}:
        return False
    task.load_state_dict(found, strict=False)
    return True


def load_task(run: Run | str | Path, *, task: str | type[Pretext] | None = None) -> Pretext:
    """The task of a run as it was at the end of training, head and all, in evaluation mode, on the device.

    Weights come from `backbone.safetensors` and `heads.safetensors`, or, in runs that have no heads, from the newest checkpoint; nothing is
    unpickled but tensors. A task of the user's own is given again as `task`, the class or `file.py:Class`: code is never taken from a run.
    Raises ValueError where something is missing or does not fit.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    kind = task if isinstance(task, type) else task_of(run, task)
    if run.side is not None:
        raise ValueError(f"{run.folder} is one side of a run of pairs, whose task needs both; give {run.folder.parent}.")
    if run.kind not in NETWORKS:
        raise ValueError(f"{run.folder} learned from {run.kind!r}; this release loads tasks of {', '.join(NETWORKS)}.")
    options = task_options(kind, run.options)
    with torch.random.fork_rng(devices=[]):  # reading files must not change what is drawn later
        network = NETWORKS[run.kind](run.folder)
        module = made(kind, lambda: kind(network, **options))
    _fill(module, _heads_of(run, module), run)
    module.progress.fill_(1)
    return module.to(device()).eval()


def task_of(run: Run, task: str | None = None) -> type[Pretext]:
    """The class of the run's task; that of a user's own has to be named again. Raises ValueError."""
    if run.task in TASKS and task not in (None, run.task):
        raise ValueError(f"{run.folder} was pretrained with task {run.task}; got {task}. Leave it out.")
    if run.task not in TASKS and task is None:
        raise ValueError(
            f"{run.folder} was pretrained with a task of your own, {run.task}: name its file again, as in --task {run.task}. "
            "Code is never taken from a run."
        )
    return find_task(task or run.task)


def _text_network(folder: Path) -> TextBackbone:
    return load_text_backbone(folder, Vocabulary.of(Tokenizer.load(folder)))[0]


def pair_network(folder: Path) -> PairBackbone:
    """Both networks of a run of pairs, with their projections if they share a space. Raises ValueError where one is missing."""
    image, text, choices = folder / "image", folder / "text", Run.open(folder).choices
    seen, read = read_projection(image), read_projection(text)
    width = int(choices.get("shared_width", 0))
    if not (text / "run.json").is_file() or (width and (seen is None or read is None)):
        raise ValueError(f"{folder} is not finished: a side is missing. Go on with the command that began it, and --resume.")
    network = PairBackbone(load_backbone(image), _text_network(text), width=width, languages=tuple(choices["captions"]))
    if seen is not None and read is not None:
        network.load_state_dict({"image_projection.weight": seen, "text_projection.weight": read}, strict=False)
    return network


NETWORKS: dict[str, Callable[[Path], Any]] = {"image": load_backbone, "text": _text_network, "pair": pair_network}
"""What loads the backbone in the folder of a run, by the kind of data that `run.json` says."""


def _heads_of(run: Run, module: Pretext) -> dict[str, Tensor]:
    """All of the task but its backbone, as it was after training."""
    if not head_tensors(module):
        return {}
    if (run.folder / HEADS).is_file():
        return read_tensors(run.folder / HEADS)
    newest = newest_checkpoint(run.checkpoints)
    if newest is None:
        raise ValueError(
            f"{run.folder} has neither {HEADS} nor a checkpoint: only its backbone was kept, and {run.row} makes nothing without its head. "
            "Restore one of them, or pretrain again."
        )
    state = torch.load(newest / "training.pt", map_location="cpu", weights_only=True, mmap=True)["task"]
    return {name: value for name, value in state.items() if not name.startswith("backbone.")}


def _fill(module: Pretext, heads: dict[str, Tensor], run: Run) -> None:
    """Put the heads into the task. Raises ValueError where they are not those of this task with these options."""
    missing = sorted(set(head_tensors(module)) - set(heads))
    unknown = sorted(set(heads) - set(module.state_dict()))
    if missing or unknown:
        raise ValueError(f"the heads kept in {run.folder} are not those of {run.row}: missing {missing[:3]}, unknown {unknown[:3]}.")
    try:
        module.load_state_dict(heads, strict=False)
    except RuntimeError as error:
        raise ValueError(f"the heads kept in {run.folder} do not fit {run.row} as run.json describes it: {error}") from error
