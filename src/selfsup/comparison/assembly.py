"""`compare`: every task at the same budget on the user's own data, and which to use."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from selfsup.cluster import Place, place_of
from selfsup.comparison.answer import Answer, answered
from selfsup.comparison.climbing import Climb
from selfsup.comparison.label_audit import audited
from selfsup.comparison.labelled import check_labels
from selfsup.comparison.measuring import decode, measure
from selfsup.comparison.plan import PRETRAINING
from selfsup.comparison.plan_words import plan_in_words
from selfsup.comparison.progress import Telling
from selfsup.comparison.scoring import scored
from selfsup.comparison.state import FILE, State
from selfsup.comparison.validation import Validation
from selfsup.comparison.wanted import Here, Trains, threads_set
from selfsup.comparison.wishes import Comparing, comparing
from selfsup.comparison.words import sentences
from selfsup.data import open_source
from selfsup.evaluation import Results
from selfsup.evaluation.problem import LabelsPerClass
from selfsup.reporting.report import report
from selfsup.run import Run
from selfsup.train.log import clock

TIMING = 0.02
"""Share of the budget that is spent on timing steps."""

JUDGING = 0.06
"""Share of the budget that embedding the items that choose may take, if as many units climb as expected: of that for scoring."""


def compare(
    data: Any,
    *,
    labels: Any,
    budget: str = "20m",
    tasks: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    seeds: int = 3,
    audit: bool = True,
    probes: Sequence[str] = ("linear", "knn"),
    labels_per_class: Sequence[LabelsPerClass] = (1, 5, 10, "all"),
    draws: int = 20,
    weights: str | Path | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    seed: int = 0,
    size: int | None = None,
    batch_size: int | None = None,
    precision: str = "auto",
    split: str | Path | None = None,
    holdout: float = 0.2,
    groups: str | None = None,
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
    threads: int | None = None,
    on: str | None = None,
) -> Compared:
    """Pretrain with every task at the same budget, score all alike, and say which to use for these labels, with the evidence.

    `tasks` are units, TASK, TASK@BACKBONE, TASK+FILE.py:FUNCTION (own views) or both, by default every task for this kind of data;
    `options` are those of tasks, for all that have them or as "task.option" for one. `budget` is the time for everything but decoding:
    about 65 % for pretraining, 15 % for baselines, 20 % for scoring. With more than three units those that are hardly likely to win are
    dropped at rungs, by validation inside the labels that are not tested; finalists are trained with `seeds` seeds. With `audit`, views of
    pictures that break the labels are off, unless `options` say otherwise. `labels`, `probes`, `labels_per_class`, `draws` and `weights`
    are as for `evaluate`, the rest as for `pretrain`; where nothing else is said a fifth is held out and tested. Everything lies in
    `out`: the runs, results.json and report.html. With `resume` it goes on where it was stopped.
    `threads` are those of each training. `on` spreads trainings over the cores of this machine ("ray") or over a cluster of Ray
    ("ray:ADDRESS"), with the same answer, sooner. Raises ValueError for what cannot be compared.
    """
    shared: dict[str, Any] = {
        "size": size, "batch_size": batch_size, "precision": precision, "split": split, "holdout": 0.0 if split else holdout,
        "groups": groups, "kind": kind, "store_limit": store_limit, "text": text, "id": id, "language": language, "encoding": encoding,
        "deduplicate": deduplicate, "tokenizer": tokenizer, "vocabulary": vocabulary, "context": context,
    }  # fmt: skip
    asked = comparing(
        data, labels=labels, tasks=tasks, settings=options or {}, budget=budget, seeds=seeds, seed=seed, probes=probes,
        labels_per_class=labels_per_class, draws=draws, weights=weights, shared=shared, audit=audit,
    )  # fmt: skip
    place = place_of(on)
    if place is None and asked.modality == "image":
        data = open_source(data, kind=asked.shared.get("kind", "auto"))  # once: arrays would be decoded anew for every run
    state = _begun(asked, out, resume, threads=threads, alone=place is None)
    told = Telling()
    try:
        with _training(place, state, data, told) as train:
            climb = _prepared(state, asked, data, told, train)
            finalists, trained = climb.run()
    except InterruptedError as error:
        raise InterruptedError(f"stopped; what was trained is kept. Go on with --resume --out {state.folder}.") from error
    results = scored(climb, asked, data, finalists, trained)
    answer = answered(results, climb, finalists, trained)
    results = replace(results, answer={"sentences": sentences(answer), **asdict(answer)}).save(state.folder)
    return Compared(state.folder, results, answer, report([state.folder]))


@dataclass(frozen=True)
class Compared:
    """A comparison that is done: its folder, all scores, the answer, and the report to look at."""

    folder: Path
    results: Results
    answer: Answer
    report: Path


def _begun(asked: Comparing, out: str | Path | None, resume: bool, *, threads: int | None, alone: bool) -> State:
    """A new folder, or the one to go on with. Raises ValueError for a folder that holds a comparison already, or another one.

    A new comparison trains with the `threads` that are asked for; else `alone` with those torch has, beside other trainings with one.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads came as {threads}: expected at least 1 for each training.")
    folder = Path(out) if out is not None else Path("runs") / f"compare-{time.strftime('%Y%m%d-%H%M%S')}"
    if resume:
        if out is None:
            raise ValueError("--resume needs --out: the folder of the comparison to go on with.")
        state = State.load(folder)
        state.agree_with(asked.asked(), threads)
        return state
    if (folder / FILE).exists():
        raise ValueError(f"{folder} already holds a comparison, which is never overwritten: give another --out, or --resume.")
    return State(folder, asked.asked(), asked.units, threads=threads or (torch.get_num_threads() if alone else 1))


def _prepared(state: State, asked: Comparing, data: Any, told: Telling, train: Trains) -> Climb:
    """Measure, and tell the plan. Where that cannot be, nothing was trained, and the folder is left free for what is asked next."""
    try:
        with threads_set(state.threads):
            _measured(state, asked, data, told)
        climb = _climb(state, asked, data, told, train)
        _enough(climb)
    except ValueError:
        if not state.runs.exists():
            (state.folder / FILE).unlink(missing_ok=True)
        raise
    told.keep(plan_in_words(asked, state, climb))
    return climb


def _measured(state: State, asked: Comparing, data: Any, told: Telling) -> None:
    """Decode the data, which is counted apart, and measure every unit, unless that was done before. Raises ValueError below two units."""
    if state.measured:
        return
    began = time.perf_counter()
    told("reading the data")
    decode(data, state.units, asked.shared)
    check_labels(data, asked)
    state.add("reading", time.perf_counter() - began)
    began = time.perf_counter()
    if asked.audit:
        told("asking which views break the labels")
        found = audited(data, asked, state.units)
        state.units, state.notes = found.units, found.said
    seconds = PRETRAINING * asked.seconds / (2 * len(state.units))
    state.measured, state.refused = measure(
        data, state.units, asked.shared, seconds=seconds, most=TIMING * asked.seconds, scratch=state.folder / ".measuring", told=told
    )
    if len(state.measured) < 2:
        reasons = "; ".join(f"{name}: {words}" for name, words in state.refused.items())
        raise ValueError(f"fewer than two tasks can be trained on this data. {reasons}")
    state.add("measuring", time.perf_counter() - began)


def _enough(climb: Climb) -> None:
    """Raise ValueError where the budget leaves the units no time to be trained."""
    units = len(climb.state.measured)
    least = units * (climb.overhead + 10 * mean(one.seconds_per_step for one in climb.state.measured.values()))
    if climb.allowed < least:
        needed = (least + climb.state.spent["measuring"]) / PRETRAINING
        raise ValueError(
            f"the budget is too short for {units} tasks: beginning and measuring runs alone takes {clock(needed)} here. "
            "Give a longer --budget, or fewer --tasks."
        )


@contextmanager
def _training(place: Place | None, state: State, data: Any, told: Telling) -> Iterator[Trains]:
    """What trains runs: this process, or a cluster that is joined or begun, and left again."""
    if place is None:
        yield Here(state.threads, told, state.add)
        return
    from selfsup.comparison.on_ray import on_ray

    with on_ray(place, state, data, told) as train:
        yield train


def _climb(state: State, asked: Comparing, data: Any, told: Telling, train: Trains) -> Climb:
    """The climb that the budget allows: what measuring took is taken off the time for pretraining."""
    allowed = PRETRAINING * asked.seconds - state.spent["measuring"]

    def opened(run: Run) -> Validation:
        tables = sum(rung.expected for rung in climb.planned(len(state.measured), left=allowed).rungs)
        found = Validation(run, data, asked.protocol, asked.reading, judged=state.judged, seconds=JUDGING * asked.seconds / tables)
        state.judged = found.judged
        state.save()
        return found

    climb = Climb(state, data, asked.shared, allowed, asked.seeds, asked.seed, opened, told, train)
    return climb
