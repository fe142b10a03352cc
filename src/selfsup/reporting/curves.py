"""How training went: loss and its terms, speed, waiting for data, and whether the embedding stayed alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selfsup.reporting.chart import Line, Plot, chip, colour, line_chart
from selfsup.reporting.markup import Html, section, tag
from selfsup.reporting.metrics import Metrics, read_metrics, unfinished
from selfsup.reporting.wording import count, duration, listing, percent, plural, task_title
from selfsup.run import Run

_LOSS = Plot(width=520, height=300, left=50, x_low=0.0)
_SMALL = Plot(width=270, height=130, low=0.0, x_low=0.0)


def curves(runs: Sequence[Run], shades: dict[str, str]) -> Html:
    """The section on training: a block of charts for each task, seeds drawn over one another."""
    tasks = dict.fromkeys(run.row for run in runs)
    blocks = [_block(task, [run for run in runs if run.row == task], shades.get(task, colour(0))) for task in tasks]
    lead = (
        "Losses of different tasks mean different things and cannot be compared. Rank counts how many directions the embedding uses, "
        "spread how far embeddings of different pictures lie apart: either near zero means the network has collapsed."
    )
    return section("training", "How training went", *blocks, lead=lead)


def _block(task: str, runs: list[Run], shade: str) -> Html:
    logs = [read_metrics(run) for run in runs]
    warnings = [(run, step, words) for run, log in zip(runs, logs, strict=True) for step, words in log.warnings]
    problems = [(run, words) for run, log in zip(runs, logs, strict=True) if (words := unfinished(run, log))]
    callouts = [tag("p", tag("strong", f"Run {run.name}"), f" {words}.", class_="callout bad") for run, words in problems]
    callouts += [
        tag("p", tag("strong", f"Step {count(step)}"), f" ({run.name}): {words}", class_="callout warn")
        for run, step, words in warnings[:6]
    ]
    if len(warnings) > 6:
        callouts.append(tag("p", f"… and {plural(len(warnings) - 6, 'more warning')} in metrics.jsonl.", class_="note"))
    heading = tag("h3", chip(task_title(task), shade))
    if not any(log.records for log in logs):
        return tag("div", heading, *callouts, tag("p", "No training log (metrics.jsonl) in this run.", class_="empty"))
    return tag("div", heading, tag("p", _sentence(runs, logs), class_="note"), *callouts, _charts(logs, shade))


def _sentence(runs: list[Run], logs: list[Metrics]) -> str:
    run, first = runs[0], next(log for log in logs if log.records)
    seeds = f"{plural(len(runs), 'run')} (seeds {listing([str(r.seed) for r in runs])}), each " if len(runs) > 1 else ""
    wait = first.typical("data_wait")
    waiting = f", {percent(wait)} % of the time waiting for data" if wait == wait else ""
    speed = f"{count(first.typical('examples_per_second'))} pictures a second{waiting}"
    return f"{seeds}{count(first.last_step)} steps of {count(run.batch_size)} in {duration(first.seconds)}, {speed}."


def _charts(logs: list[Metrics], shade: str) -> Html:
    terms = next((log.terms for log in logs if log.terms), [])
    terms = terms if len(terms) > 1 else []
    several = len(logs) > 1
    lines = [
        Line("loss" if terms and not i else "", *log.curve("loss"), colour=shade, faint=several and bool(i)) for i, log in enumerate(logs)
    ]
    lines += [Line(term, *logs[0].curve(term, term=True), colour="var(--muted)", width=1.4, light=True) for term in terms]
    loss_plot = replace(_LOSS, right=110) if terms else _LOSS
    small = [
        _panel("Pictures/s", logs, "examples_per_second", shade, _SMALL),
        _panel("Waiting for data", logs, "data_wait", shade, replace(_SMALL, high=1.0, write=lambda share: f"{100 * share:.0f} %")),
        _panel("Embedding rank", logs, "rank", shade, _SMALL),
        _panel("Embedding spread", logs, "spread", shade, _SMALL),
    ]
    large = tag("figure", tag("figcaption", "Loss over steps"), line_chart(lines, loss_plot, description="Loss over steps"), class_="large")
    return tag("div", large, *small, class_="charts")


def _panel(title: str, logs: list[Metrics], name: str, shade: str, plot: Plot) -> Html:
    lines = [Line("", *log.curve(name), colour=shade, faint=bool(i), width=1.8) for i, log in enumerate(logs)]
    last = next((line.y[-1] for line in lines if len(line.y)), None)
    value = tag("b", plot.write(float(last))) if last is not None else ""
    return tag("figure", tag("figcaption", title, value), line_chart(lines, plot, description=f"{title} over steps"))
