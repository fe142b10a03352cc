"""What a reader of the scores has to know, in words."""

from __future__ import annotations

from collections.abc import Sequence

from selfsup.evaluation.baselines import SCRATCH
from selfsup.evaluation.ground import Ground
from selfsup.evaluation.problem import Problem, Protocol
from selfsup.evaluation.scoreboard import Entry
from selfsup.probing.draws import overlap
from selfsup.probing.intervals import MOST_OVERLAP
from selfsup.run import Run


def notes_on(entries: Sequence[Entry], ground: Ground, *, protocol: Protocol, runs: Sequence[Run]) -> list[str]:
    """What a reader of the intervals must know beside what the problem itself noted."""
    problem = ground.problem
    notes = list(problem.notes)
    lone = [entry.name for entry in entries if entry.kind == "run" and entry.seeds == 1]
    if lone:
        notes.append(f"One pretraining seed only ({', '.join(lone)}): what another seed would change is not in the interval.")
    own_views = [run.name for run in runs if run.views is not None]
    if own_views:
        notes.append(f"{', '.join(own_views)} used views of their own, which 'from scratch' cannot repeat: it used the built-in ones.")
    for entry in entries:
        if entry.remarks:
            notes.append(f"{entry.name}: {len(entry.remarks)} weights did not match, such as {entry.remarks[0]}")
        seeds = [run.seed for run in runs if run.name in entry.runs]
        if len(set(seeds)) < len(seeds):
            notes.append(f"Runs of {entry.name} have equal seeds ({', '.join(map(str, seeds))}): their spread says less than it seems.")
        for setting, kept in entry.kept_probe.items():
            total = entry.predictions[setting].layers.size
            where = f"{setting.labels_per_class} labels a class"
            notes.append(f"{entry.name}, fine-tuned at {where}: in {kept} of {total} draws the linear probe told held-back labels better.")
    shares = {count: overlap(problem.targets[problem.train], count) for count in protocol.labels_per_class}
    wide = [str(count) for count, share in shares.items() if share > MOST_OVERLAP]
    if wide:
        notes.append(
            f"At {' and '.join(wide)} labels a class more than half of the labels there are take part in every draw: what other "
            "labels would change is not, or hardly, in the interval."
        )
    if any(setting.nearest for setting in protocol.settings):
        notes.append(_about_retrieval(problem))
    if problem.skewed:
        notes.append(
            f"Classes are skewed ({problem.counts.max()} to {problem.counts.min()}): scores are balanced accuracy: each class counts alike."
        )
    if any(entry.name.startswith(SCRATCH) for entry in entries):
        notes.append(f"{SCRATCH!r} uses no probe: the same score stands beside each. Every draw has initial weights of its own.")
    elif not any(entry.kind == "baseline" for entry in entries):
        notes.append("No baselines were scored: nothing here says that pretraining was of use.")
    return notes + _copy_notes(ground)


def _about_retrieval(problem: Problem) -> str:
    return (
        f"recall@k: how often one of the k nearest of the other tested {problem.noun} ({len(problem.test)} in all) has the label of "
        "the one looked at, by cosine in the layer that is used where nothing chooses one. No label is learned from."
    )


def _copy_notes(ground: Ground) -> list[str]:
    """A warning where tested items have near-copies among those learned from."""
    twins = ground.copies()
    if not twins:
        return []
    (first, twin), noun = next(iter(twins.items())), ground.problem.noun
    return [
        f"{len(twins)} tested {noun} are near-copies of {noun} learned from, such as {first} of {twin}: scores are too good. Pretrain "
        "with --groups so that copies stay on one side of the split."
    ]
