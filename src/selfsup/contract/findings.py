"""Findings: what is broken, in which place, on which line of the user's file, in one sentence."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

import numpy as np
import torch
from torch import Tensor

from selfsup.contract.randomness import DrawWatch, other_draws
from selfsup.pretext import PairPretext, Pretext, TextPretext
from selfsup.tasks import TASKS

PLACES = {
    "__init__": "options are keyword-only and annotated",
    "views": "drawn from rng alone, rows first, pictures in [0, 1], the batch left as it is",
    "forward": "draws nothing, rows do not see one another, no table of rows by rows",
    "loss": "named finite numbers, from the output alone",
    "gradients": "reach every trained parameter",
    "after_step": "draws nothing, leaves alone what gradients train",
    "state": "saved and loaded, it gives the same numbers",
    "training": "the loss falls on views that stay the same",
    "show": "pictures in [0, 1], or none",
    "sample": "new pictures in [0, 1] drawn from rng alone, or none",
}
"""What is looked at, in this order, and what is expected of it."""

TEXT_PLACES = {
    **{place: words for place, words in PLACES.items() if place not in ("show", "sample")},
    "views": "drawn from rng alone, rows first, the batch left as it is",
    "logits": "a score for every word of the vocabulary, or none",
}
"""The same for tasks on text, which have no pictures to show, but may say what word stands where."""

EXAMPLES = {
    "image": {"views": "{'image': image}", "forward": "{'embedding': embedding}", "loss": "{'reconstruction': F.mse_loss(…)}"},
    "text": {"views": "{'tokens': tokens}", "forward": "{'logits': logits}", "loss": "{'words': F.cross_entropy(…)}"},
    "pair": {"views": "self.pairs(batch, rng)", "forward": "self.sides(views)", "loss": "{'contrast': matching(…)}"},
}
ROW = {"image": "picture", "text": "row of tokens", "pair": "pair"}
"""What each place could return, and what a row of a batch is, by what batches hold."""

BEYOND = "index out of range in self"  # what torch says of an id that an embedding has no row for


@dataclass(frozen=True)
class Finding:
    """One thing that is broken. `line` is `mytask.py:12` where it is known, `trials` the batches it was seen on."""

    place: str
    words: str
    line: str = ""
    trials: tuple[str, ...] = ()
    sign: str = ""
    error: Exception | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        where = f"{self.place}, {self.line}" if self.line else self.place
        return f"{where}: {self.words}"


class Stopped(Exception):
    """What came is so broken that nothing that follows from it can be looked at. It was noted."""


class Findings:
    """Collects what is found while a task or a views function is tried. `files` are the user's, whose lines are named.

    `modality` is what the batches hold, for words that fit.
    """

    modality: Literal["image", "text", "pair"] = "image"

    def __init__(self, files: Collection[str | Path], trial: str = "") -> None:
        self.files = {Path(file).resolve() for file in files}
        self.trial = trial
        self.found: list[Finding] = []
        self.reached: set[str] = set()

    def add(self, place: str, sign: str, words: str, *, line: str = "", error: Exception | None = None) -> None:
        """Note what is broken; `sign` tells findings of one kind from others, so that each is told once."""
        said = {(item.sign, item.line) if line else (item.place, item.sign) for item in self.found}
        if ((sign, line) if line else (place, sign)) not in said:  # a line is told once: `show` calls `views` again
            self.found.append(Finding(place, words, line, (self.trial,), sign, error))

    def stop(self, place: str, sign: str, words: str) -> NoReturn:
        """Note what is broken and look at nothing that follows from it."""
        self.add(place, sign, words)
        raise Stopped

    @contextmanager
    def at(self, place: str, rng: torch.Generator | None = None, *, draws: bool = False) -> Iterator[None]:
        """Run the user's code: an exception, and a draw that does not come from `rng`, becomes a finding with its line.

        With `draws`, torch's own generator may be drawn from.
        """
        self.reached.add(place)
        told: list[str] = []
        states = _global_states()

        def note(sign: str, words: str) -> None:
            told.append(sign)
            self.add(place, sign, words, line=self._line(_frames(sys._getframe())))

        try:
            with other_draws(rng, note), nullcontext() if draws else DrawWatch(rng, note):
                yield
        except Stopped:
            raise
        except Exception as error:
            said = " ".join(str(error).split())
            hint = " An id or a position lies outside its table: ids go from 0 to backbone.vocabulary.size - 1." if said == BEYOND else ""
            words = f"raised {type(error).__name__}{': ' + said if said else ''}; expected to get through.{hint}"
            self.add(place, f"raised {type(error).__name__}", words, line=self.line_of(error), error=error)
            raise Stopped from error
        changed = [name for name, before, after in zip(_SOURCES, states, _global_states(), strict=True) if before != after]
        if draws and "torch" in changed:
            changed.remove("torch")
        if changed and not told:
            advice = "draw with torch.rand(…, generator=rng, device=rng.device)" if rng is not None else "draw in views, from rng"
            self.add(place, "global", f"changed the random state of {' and '.join(changed)}, so a run could not be repeated; {advice}.")

    def line_of(self, error: BaseException) -> str:
        """Where in the user's files an exception came from, as `mytask.py:12`."""
        frames = []
        trace = error.__traceback__
        while trace is not None:
            frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
            trace = trace.tb_next
        return self._line(reversed(frames))

    def _line(self, frames: Any) -> str:
        """The innermost of the places in code, as (file, line) from the inside out, that is in the user's files."""
        for name, line in frames:
            if Path(name).resolve() in self.files:
                return f"{Path(name).name}:{line}"
        return ""


_SOURCES = ("torch", "numpy")


def _global_states() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), repr(np.random.get_state(legacy=False))


def _frames(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def files_of(*owners: Any) -> set[str]:
    """The files in which classes and functions were written; nothing for those that come from none."""
    files = set()
    for owner in owners:
        try:
            files.add(inspect.getfile(owner))
        except (TypeError, OSError):
            continue
    return files


def written_in(kind: type[Pretext]) -> set[str]:
    """The files of a task's class and of those it derives from, without ours and torch's below them."""
    return files_of(*(parent for parent in kind.__mro__[: kind.__mro__.index(Pretext)] if parent not in (TextPretext, PairPretext)))


def written_by_user(task: Pretext) -> set[str]:
    """The files of a task's class, if it is none of the table, and of its views function."""
    table = {entry.partition(":")[0] for entry in TASKS.values()}
    own = set() if type(task).__module__ in table else written_in(type(task))
    return own | (files_of(task.own_views) if task.own_views is not None else set())


@contextmanager
def in_words(files: Collection[str | Path], advice: str) -> Iterator[None]:
    """Run what calls the user's code: an exception that came from one of `files` becomes ValueError with its line, and `advice`."""
    try:
        yield
    except InterruptedError:  # Ctrl-C, already in words
        raise
    except Exception as error:
        line = Findings(files).line_of(error)
        if not line:
            raise
        said = " ".join(str(error).split())
        raise ValueError(f"{line} raised {type(error).__name__}{': ' + said if said else ''}. {advice}") from error


def made(kind: type[Pretext], build: Callable[[], Pretext]) -> Pretext:
    """What `build` builds; an exception of the task's constructor as ValueError that names its line. Its own ValueError is passed on."""
    try:
        return build()
    except ValueError:
        raise
    except Exception as error:
        line = Findings(written_in(kind)).line_of(error) or kind.__name__
        raise ValueError(f"{line}: __init__ raised {type(error).__name__}: {error}; expected to get through.") from error


def refuse(name: str, found: Collection[Finding]) -> None:
    """Raise ValueError that says what is broken in `name`, if anything is."""
    if found:
        lines = "".join(f"\n  {finding}" for finding in found)
        cause = next((finding.error for finding in found if finding.error is not None), None)
        raise ValueError(f"{name} is broken:{lines}\nMend it and try again; all is looked at by: selfsup tasks --check {name}") from cause


def copies(rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in memory of their own, so that code which changes them in place changes nothing here."""
    return {name: tensor.clone() for name, tensor in rows.items()}


def expect_rows(found: Findings, place: str, given: object, rows: int) -> dict[str, Tensor]:
    """What `place` returned, if it is a dict of tensors, each with the rows of the batch first; else note it and stop."""
    examples = EXAMPLES[found.modality]
    if not isinstance(given, Mapping) or not given:
        what = "an empty dict" if isinstance(given, Mapping) else f"{type(given).__name__}"
        found.stop(place, "dict", f"returned {what}; expected a dict of tensors, such as {examples.get(place, examples['views'])}.")
    for name, tensor in given.items():
        if not isinstance(tensor, Tensor):
            advice = f"keep a number that every row shares in self, or make it a tensor with a row for each {ROW[found.modality]}"
            found.stop(place, f"tensor {name}", f"returned {type(tensor).__name__} as {name!r}; expected a tensor: {advice}.")
        if tensor.ndim == 0 or len(tensor) != rows:
            shape = tuple(tensor.shape)
            words = f"returned {name!r} with shape {shape} for a batch of {rows}; expected rows first, ({rows}, …): reshape or expand it."
            found.stop(place, f"rows {name}", words)
    return dict(given)
