"""Trials: the batches and backbones a task or a views function is tried on, and what came of it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from selfsup.contract.findings import PLACES, TEXT_PLACES, Finding, Findings, Stopped, files_of, refuse, written_in
from selfsup.contract.own_views import ViewsFunction, check_views
from selfsup.contract.pair_trials import PairTrial, made_up_pairs, pair_trials, real_pairs
from selfsup.contract.picture_trials import VIEWS, Trial, made_up_batch, picture_trials, real_pictures
from selfsup.contract.places import check_module
from selfsup.contract.text_trials import TextTrial, real_rows, rows_before_training, text_trials
from selfsup.options import task_options
from selfsup.pretext import PairPretext, Pretext, TextPretext, option_types, options_of
from selfsup.tasks import find_task, load_attribute

AnyTrial = Trial | TextTrial | PairTrial


@dataclass(frozen=True)
class Checked:
    """What came of a check: findings by place, the places that were reached, the trials, and notes on what was not tried.

    `places` are all there are for what was checked, with what is expected of each.
    """

    name: str
    findings: tuple[Finding, ...]
    reached: frozenset[str]
    trials: tuple[str, ...]
    notes: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=lambda: PLACES)


def check(name: str, data: Any = None, *, backbone: str | None = None, options: Mapping[str, Any] | None = None) -> Checked:
    """Try a task (`mytask.py:MyTask`, or a name of the table) or a views function (`myviews.py:function`) against its contract.

    `data`, as `pretrain` takes it, adds a batch of real pictures or texts; `backbone` replaces the small networks it is tried on;
    `options` are the task's. Raises ValueError where there is no such task, function, option or backbone.
    """
    found = load_attribute(name) if ".py:" in name else None
    if found is not None and not isinstance(found, type) and callable(found):
        if backbone or options:
            raise ValueError(f"{name} is a function of views, which has no backbone and no options; leave --backbone and --set out.")
        return _views_checked(name, found, data)
    return check_class(find_task(name), name, data, backbone=backbone, options=dict(options or {}))


def check_class(
    kind: type[Pretext], name: str, data: Any = None, *, backbone: str | None = None, options: Mapping[str, Any] | None = None
) -> Checked:
    """Try a task's class on every trial that fits it."""
    signature = _signature(kind)
    if signature:  # options cannot be read
        return Checked(name, tuple(signature), frozenset({"__init__"}), (), places=_places(kind))
    given = task_options(kind, dict(options or {}))
    every: list[Findings] = []
    fitting: list[str] = []
    refused: list[str] = []
    for trial, batch in _batches(kind, backbone, data, fitting):
        found = Findings(written_in(kind), trial.name)
        try:
            task = _built(kind, given, trial, found)
        except ValueError as error:
            refused.append(f"not tried: {trial.name} ({error})")
            continue
        if task is not None:
            check_module(task, batch, found, fresh=None if every else _builder(kind, given, trial))
        fitting.append(trial.backbone)
        every.append(found)
    if not every:
        raise ValueError(f"{name} refuses every backbone that was tried: {'; '.join(refused)}. Name one that fits with --backbone.")
    return _joined(name, every, refused, _places(kind))


def check_before_training(task: Pretext, *, name: str | None = None, views: str | None = None, side: int = 0, rows: int = 4) -> None:
    """Raise ValueError if a user's own task (`name`) or views function (`views`), set up for a run, breaks its contract.

    A quick form of `check`: one made-up batch of `rows` pictures with `side` px, or of rows of tokens as long as the run's, a few
    seconds with a large backbone.
    """
    batch = _before_training(task, rows, side)
    if task.own_views is not None and views is not None:
        found = Findings(files_of(task.own_views))
        with suppress(Stopped):
            check_views(task.own_views, batch["image"], found, size=task.backbone.size)
        refuse(views, found.found)
    if name is not None:
        found = Findings(written_in(type(task)))
        found.found += _signature(type(task))
        check_module(task, batch, found)
        refuse(name, found.found)


def _before_training(task: Pretext, rows: int, side: int) -> dict[str, Tensor]:
    """A made-up batch for the backbone of a run."""
    if isinstance(task, TextPretext):
        return rows_before_training(task.backbone)
    if isinstance(task, PairPretext):
        return made_up_pairs(rows, task.backbone.channels, side, min(16, task.backbone.text.context), task.backbone.vocabulary)
    return made_up_batch(rows, task.backbone.channels, side)


def _views_checked(name: str, function: ViewsFunction, data: Any) -> Checked:
    every, sides = [], {}
    batches = [(trial, trial.batch()) for trial in VIEWS] + ([] if data is None else [real_pictures(data, "")])
    for trial, batch in batches:
        found = Findings(files_of(function), trial.name.removesuffix(" on "))
        with suppress(Stopped):
            sides[batch["image"].shape[-1]] = check_views(function, batch["image"], found)
        every.append(found)
    given = sorted({side for side in sides.values() if side})
    words = (
        f"views have {given[0]} px a side: pretrain with --size {given[0]}"
        if len(given) == 1
        else "the side of a view follows the picture's"
    )
    return _joined(name, every, [words] if given else [])


def _batches(kind: type[Pretext], backbone: str | None, data: Any, fitting: Sequence[str]) -> Iterator[tuple[AnyTrial, dict[str, Tensor]]]:
    """Each trial with its made-up batch; at last one of real rows, if there is data, on the first backbone that is `fitting` by then."""
    trials: tuple[AnyTrial, ...]
    real: Callable[[Any, str], tuple[AnyTrial, dict[str, Tensor]]]
    if issubclass(kind, PairPretext):
        trials, real = pair_trials(backbone, reads_forwards=kind.reads_forwards), real_pairs
    elif issubclass(kind, TextPretext):
        trials, real = text_trials(backbone, reads_forwards=kind.reads_forwards), real_rows
    else:
        trials, real = picture_trials(backbone), real_pictures
    for trial in trials:
        yield trial, trial.batch()
    if data is not None and (name := next(iter(fitting), backbone)) is not None:
        yield real(data, name)


def _places(kind: type[Pretext]) -> Mapping[str, str]:
    return TEXT_PLACES if issubclass(kind, TextPretext) else PLACES


def _builder(kind: type[Pretext], options: dict[str, Any], trial: AnyTrial) -> Callable[[], Pretext]:
    def build_task() -> Pretext:
        torch.manual_seed(0)
        return kind(trial.network(), **options)

    return build_task


def _built(kind: type[Pretext], options: dict[str, Any], trial: AnyTrial, found: Findings) -> Pretext | None:
    """The task on the trial's backbone; None where its constructor failed. Raises the ValueError with which it refuses a backbone."""
    found.reached.add("__init__")
    with torch.random.fork_rng(devices=[]):
        try:
            return _builder(kind, options, trial)()
        except ValueError:
            raise
        except Exception as error:
            words = f"raised {type(error).__name__}: {error}; expected a task on {trial.backbone}."
            found.add("__init__", type(error).__name__, words, line=found.line_of(error), error=error)
            return None


def _signature(kind: type[Pretext]) -> list[Finding]:
    """Options that the command line cannot read from the constructor."""
    found = Findings(())
    try:
        types = option_types(kind)
    except NameError as error:
        found.add("__init__", "hints", f"has an annotation that cannot be read ({error}); import what it names.")
        types = {}
    parameters = list(inspect.signature(kind.__init__).parameters.items())[2:]
    own = [name for name, parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for name, parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD and len(options_of(kind)) > len(own):
            continue  # handed on to the class it derives from, whose options are known
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            words = f"takes {parameter}, whose options nobody can see; expected each by its name: {name}: float = 1.0."
            found.add("__init__", name, words)
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            found.add("__init__", name, f"takes {name!r} by its position; expected options by name only: write backbone, *, {name}.")
    for name in options_of(kind):
        if types and types[name] is Any:
            found.add(
                "__init__", name, f"has no type for option {name!r}, so --set gives it as text; annotate it, as in {name}: float = 1.0."
            )
    return found.found


def _joined(name: str, every: list[Findings], notes: list[str], places: Mapping[str, str] = PLACES) -> Checked:
    """What was found on several trials: each kind of finding once, with the trials it was seen on where others were without it."""
    merged: dict[tuple[str, str, str], Finding] = {}
    for finding in (finding for found in every for finding in found.found):
        key = (finding.place, finding.sign, finding.line)
        before = merged.get(key)
        trials = (*before.trials, *finding.trials) if before else finding.trials
        merged[key] = dataclasses.replace(before or finding, trials=trials)
    names = tuple(found.trial for found in every)
    reached = frozenset(place for found in every for place in found.reached)
    findings = tuple(dataclasses.replace(item, trials=() if set(item.trials) == set(names) else item.trials) for item in merged.values())
    return Checked(name, findings, reached, names, tuple(notes), places)
