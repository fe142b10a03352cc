"""How training went: loss and its terms, speed, waiting for data, and whether the embedding stayed alive."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from selfsup.reporting.chart import Line, Plot, chip, colour, line_chart
from selfsup.reporting.languages import read_languages
from selfsup.reporting.markup import Html, section, tag
from selfsup.reporting.metrics import Metrics, read_metrics, unfinished
from selfsup.reporting.wording import count, duration, item_of, listing, percent, plural, short, task_title
from selfsup.run import Run

_LOSS = Plot(width=520, height=300, left=50, x_low=0.0)
_SMALL = Plot(width=270, height=130, low=0.0, x_low=0.0)
_IN_NATS = {"words"}  # the term of losses that are nats per predicted token, and nothing else
_BITS = (
    "Bits per byte: how many the network would need to write down one byte of what it predicts; fewer is better, whatever the tokeniser. "
)


def curves(runs: Sequence[Run], shades: dict[str, str]) -> Html:
    """The section on training: a block of charts for each task, seeds drawn over one another."""
    tasks = dict.fromkeys(run.row for run in runs)
    blocks = [_block(task, [run for run in runs if run.row == task], shades.get(task, colour(0))) for task in tasks]
    lead = (
        "Losses of different tasks mean different things and cannot be compared. Rank counts how many directions the embedding uses, "
        f"spread how far embeddings of different {item_of(runs)}s lie apart: either near zero means the network has collapsed."
    )
    if any(bits_per_nat(run, read_metrics(run)) for run in runs):
        lead = _BITS + lead
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
    return tag("div", heading, tag("p", _sentence(runs, logs), class_="note"), *callouts, _charts(runs, logs, shade))


def _sentence(runs: list[Run], logs: list[Metrics]) -> str:
    run, logs = runs[0], [log for log in logs if log.records]
    seeds = f"{plural(len(runs), 'run')} (seeds {listing([str(r.seed) for r in runs])}), each " if len(runs) > 1 else ""
    steps, seconds = _span([log.last_step for log in logs], count), _span([log.seconds for log in logs], duration)
    speeds, waits = [log.typical("examples_per_second") for log in logs], [log.typical("data_wait") for log in logs]
    waiting = f", {_span(waits, percent)} % of the time waiting for data" if any(map(math.isfinite, waits)) else ""
    if run.kind == "text":
        speed = f"{_span([speed * run.size for speed in speeds], count)} tokens a second{waiting}"
        rows = f"{count(run.batch_size)} rows of {count(run.size)} tokens"
        return f"{seeds}{steps} steps of {rows} in {seconds}, {speed}.{_at_the_end(run)}"
    return f"{seeds}{steps} steps of {count(run.batch_size)} in {seconds}, {_span(speeds, count)} pictures a second{waiting}."


def _span(numbers: Sequence[float], write: Callable[[float], str]) -> str:
    """From the smallest to the largest, without those that are not numbers; one of them where they are written alike."""
    known = [number for number in numbers if math.isfinite(number)] or [math.nan]
    low, high = write(min(known)), write(max(known))
    return low if low == high else f"{low} to {high}"


def _at_the_end(run: Run) -> str:
    """What the loss was in the end, where one number says it; several languages have a table."""
    found, told = read_languages(run), run.choices.get("language_loss")
    if len(found) != 1 or not told or not math.isfinite(found[0].loss):
        return ""
    bits = f", {short(found[0].bits_per_byte)} bits per byte" if math.isfinite(found[0].bits_per_byte) else ""
    return f" In the end ({told}): {short(found[0].loss)} nats per token{bits}."


def bits_per_nat(run: Run, log: Metrics) -> float | None:
    """What makes bits per byte of the loss; None where the loss is not that of words, or where nobody counted their bytes."""
    size = run.choices.get("bytes_per_token")
    if run.kind != "text" or not isinstance(size, int | float) or not size > 0 or set(log.terms) != _IN_NATS:
        return None
    return 1 / (math.log(2) * size)


def _charts(runs: list[Run], logs: list[Metrics], shade: str) -> Html:
    terms = next((log.terms for log in logs if log.terms), [])
    terms = terms if len(terms) > 1 else []
    several = len(logs) > 1
    lines = [
        Line("loss" if terms and not i else "", *log.curve("loss"), colour=shade, faint=several and bool(i)) for i, log in enumerate(logs)
    ]
    lines += [Line(term, *logs[0].curve(term, term=True), colour="var(--muted)", width=1.4, light=True) for term in terms]
    loss_plot = replace(_LOSS, right=110) if terms else _LOSS
    texts, bits = runs[0].kind == "text", [bits_per_nat(run, log) for run, log in zip(runs, logs, strict=True)]
    speed = _panel("Tokens/s", logs, "examples_per_second", shade, _SMALL, [float(run.size) for run in runs]) if texts else None
    small = [
        speed or _panel("Pictures/s", logs, "examples_per_second", shade, _SMALL),
        _panel("Waiting for data", logs, "data_wait", shade, replace(_SMALL, high=1.0, write=lambda share: f"{100 * share:.0f} %")),
        _panel("Embedding rank", logs, "rank", shade, _SMALL),
        _panel("Embedding spread", logs, "spread", shade, _SMALL),
    ]
    factors = [factor for factor in bits if factor is not None]
    if len(factors) == len(logs):  # the sentence above says how long was waited
        small[:2] = [_panel("Loss, nats per token", logs, "loss", shade, replace(_SMALL, low=None)), small[0]]
        return tag("div", _bits(logs, factors, shade), *small, class_="charts")
    large = tag("figure", tag("figcaption", "Loss over steps"), line_chart(lines, loss_plot, description="Loss over steps"), class_="large")
    return tag("div", large, *small, class_="charts")


def _bits(logs: list[Metrics], factors: list[float], shade: str) -> Html:
    title = "Bits per byte over steps"
    lines = [
        Line("", *_scaled(log.curve("loss"), factor), colour=shade, faint=bool(i))
        for i, (log, factor) in enumerate(zip(logs, factors, strict=True))
    ]
    last = next((line.y[-1] for line in lines if len(line.y)), None)
    value = tag("b", short(last)) if last is not None else ""
    return tag("figure", tag("figcaption", title, value), line_chart(lines, _LOSS, description=title), class_="large")


def _scaled(curve: tuple[list[float], list[float]], factor: float) -> tuple[list[float], list[float]]:
    return curve[0], [factor * value for value in curve[1]]


def _panel(title: str, logs: list[Metrics], name: str, shade: str, plot: Plot, factors: Sequence[float] | None = None) -> Html:
    curves = [_scaled(log.curve(name), factor) for log, factor in zip(logs, factors or [1.0] * len(logs), strict=True)]
    lines = [Line("", *curve, colour=shade, faint=bool(i), width=1.8) for i, curve in enumerate(curves)]
    last = next((line.y[-1] for line in lines if len(line.y)), None)
    value = tag("b", plot.write(float(last))) if last is not None else ""
    return tag("figure", tag("figcaption", title, value), line_chart(lines, plot, description=f"{title} over steps"))
