"""The plan in words, before anything is trained."""

from __future__ import annotations

from selfsup.comparison.climbing import Climb
from selfsup.comparison.plan import cost, exhaustive, steps_in, waiting
from selfsup.comparison.state import State
from selfsup.comparison.wishes import Comparing
from selfsup.train.log import clock


def plan_in_words(asked: Comparing, state: State, climb: Climb) -> str:
    """Which units, what each costs, the rungs, and what does not fit."""
    measured = state.measured
    ahead = climb.planned(len(measured), left=climb.allowed)
    lines = [
        f"Budget {clock(asked.seconds)} for {len(measured)} tasks; reading the data took {clock(state.spent['reading'])} beside it.",
        *state.notes,
    ]
    first, last = ahead.rungs[0].seconds, ahead.last
    for name, one in measured.items():
        per_pass = one.rows / one.batch_size
        passes = [steps_in(seconds, one.seconds_per_step) / per_pass for seconds in (first, last)]
        shown = f"{passes[0]:.1f}" if len(ahead.rungs) == 1 else f"{passes[0]:.1f} to {passes[1]:.1f}"
        lines.append(
            f"  {name} on {one.backbone} ({one.parameters / 1e6:.1f} M): {1000 * one.seconds_per_step:.0f} ms a step of {one.batch_size}, "
            f"{shown} passes over the data"
        )
    lines += [f"  left out: {name}: {words}" for name, words in state.refused.items()]
    rungs = ", ".join(f"{rung.expected} for {clock(rung.seconds)}" for rung in ahead.rungs)
    seeds = f"; the best {ahead.finalists} with {ahead.seeds} seeds" if ahead.seeds > 1 else ""
    whole = exhaustive(len(measured), ahead, seeds=climb.seeds, overhead=climb.overhead)
    share = cost(ahead, overhead=climb.overhead) / whole
    lines.append(f"Rungs: {rungs}{seeds}. About {clock(climb.allowed)} of training, {share:.0%} of training all to the end.")
    if climb.train.workers > 1:
        soon = clock(waiting(ahead, workers=climb.train.workers, overhead=climb.overhead))
        threads = f"{state.threads} thread{'' if state.threads == 1 else 's'}"
        lines.append(f"On {climb.train.workers} workers with {threads} each: done in about {soon}.")
    if ahead.seeds < climb.seeds:
        lines.append(f"Too short for {climb.seeds} seeds of the finalists: give a longer --budget or fewer --tasks.")
    return "\n".join(lines)
