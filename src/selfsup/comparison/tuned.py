"""Runs as trials of Ray Tune, one a run. Tune places them, and begins one anew whose machine was lost; what it can search is not used."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from selfsup.cluster import shared_environment
from selfsup.comparison.trial import train_here
from selfsup.comparison.wanted import Failed, Spent, Told, Wanted, threads_set
from selfsup.run import Run

TRIES = 4
"""A run whose worker is lost, killed or out of memory, is begun so often; each time it goes on from its last checkpoint."""


@dataclass(frozen=True)
class Tuned:
    """Trains runs at once, on as many `workers` as the cluster has room for with so many `threads` each.

    Each is begun here, so that everything a run decides by measuring is decided on one machine, and then goes on as one that was stopped
    would. `resources` are what a trial takes of the cluster, `folder` where Tune keeps its state while it runs.
    """

    workers: int
    threads: int
    resources: Mapping[str, float]
    folder: Path
    told: Told
    spent: Spent
    begin: Callable[[Any, Wanted], None]

    def __call__(self, data: Any, wanted: Sequence[Wanted]) -> Iterator[Run | Failed]:
        ahead, diverged = [one for one in wanted if not one.passed], dict[Path, str]()
        for one in ahead:
            if not one.begun:
                self.told(f"{one.name}: beginning (seed {one.settings['seed']})")
                with threads_set(self.threads):
                    self.begin(data, one)
        if ahead:
            began = time.perf_counter()
            for one, found in zip(ahead, self._trained(data, ahead), strict=True):
                self.spent("training by workers", found["seconds"])
                if "diverged" in found:
                    diverged[one.out] = found["diverged"]
            self.spent("waiting for workers", time.perf_counter() - began)
        for one in wanted:
            yield Failed(one, diverged[one.out]) if one.out in diverged else Run.open(one.out)

    def _trained(self, data: Any, wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
        """What `train_here` said of each run."""
        stopper, told = _FirstFailure(), _Told(wanted, self.told)
        settings: dict[str, Any] = {"threads": self.threads, "folder": str(Path.cwd()), "environment": shared_environment()}
        trial = tune.with_parameters(_trial, data=data, wanted=tuple(wanted), settings=settings)
        tuner = tune.Tuner(
            tune.with_resources(trial, dict(self.resources)),
            param_space={"number": tune.grid_search(list(range(len(wanted))))},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                name="trials", storage_path=str(self.folder.absolute()), verbose=0, callbacks=[told], stop=stopper,
                failure_config=tune.FailureConfig(max_failures=TRIES - 1),
            ),
        )  # fmt: skip
        try:
            results = tuner.fit()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        found = {result.config["number"]: result for result in results if result.config}
        return _checked(wanted, [found.get(number) for number in range(len(wanted))])


def _checked(wanted: Sequence[Wanted], results: Sequence[Any]) -> list[dict[str, Any]]:
    """What the trials reported. Raises ValueError for those that failed, InterruptedError where some were not ended."""
    reports = [(result.metrics or {}) if result is not None else {} for result in results]
    for one, result, report in zip(wanted, results, reports, strict=True):
        if "failed" in report:
            error = ValueError(f"{one.name} (seed {one.settings['seed']}) cannot be trained: {report['failed']}")
            error.add_note(f"On {report['machine']}:\n{report['trace']}")
            raise error
        if result is not None and result.error is not None:
            raise ValueError(
                f"{one.name} (seed {one.settings['seed']}): the worker was lost {TRIES} times, which may be a lack of memory. What was "
                "trained is kept; go on with --resume, or with a smaller --batch-size in a new --out."
            ) from result.error
    if any("seconds" not in report for report in reports):
        raise InterruptedError("stopped")
    return reports


def _trial(config: dict[str, Any], *, data: Any, wanted: Sequence[Wanted], settings: dict[str, Any]) -> None:
    """One trial, on the machine that Tune chose."""
    tune.report(train_here(wanted[config["number"]], data, **settings))


class _FirstFailure(tune.Stopper):  # type: ignore[misc] # Ray is not checked
    """Ends all trials when one of them failed: the comparison cannot go on without it."""

    def __init__(self) -> None:
        self.failed = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self.failed |= "failed" in result
        return False

    def stop_all(self) -> bool:
        return self.failed


class _Told(tune.Callback):  # type: ignore[misc] # the same
    """Says what begins, what is done and what was lost."""

    def __init__(self, wanted: Sequence[Wanted], told: Told) -> None:
        self.wanted, self.told, self.done = wanted, told, 0

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.told(self.wanted[trial.config["number"]].words)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.done += 1
        report = trial.last_result
        if "seconds" in report:
            name, where = self.wanted[trial.config["number"]].name, report["machine"]
            self.told(f"{name}: trained on {where} in {report['seconds']:.0f} s ({self.done} of {len(self.wanted)})")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.told(f"{self.wanted[trial.config['number']].name}: its worker was lost; it goes on from its last checkpoint")
