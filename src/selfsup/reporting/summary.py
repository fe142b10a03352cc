"""The opening of the page: in ten seconds, what was tried on which data and whether it was worth it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from selfsup.reporting.collect import Collected, Comparison, Results, Score
from selfsup.reporting.languages import read_languages
from selfsup.reporting.markup import Html, join, tag
from selfsup.reporting.metrics import read_metrics, unfinished
from selfsup.reporting.pair_summary import pair_explanation, pair_headline
from selfsup.reporting.wording import count, duration, interval, labels_title, listing, percent, plural, signed, task_title
from selfsup.run import Run

_MARKS = {"better": "▲", "worse": "▼", "not told apart": "="}


def headline(collected: Collected) -> str:
    """The result in one sentence, for the heading and the title of the window."""
    runs = collected.runs
    for results in collected.results[:1]:
        if found := results.facts.get("answer"):
            told = any(one["verdict"] == "worse" for one in found["uses"][0]["standing"]["standings"])
            best_unit = task_title(found["recommended"])
            return f"Use {best_unit}" if told else f"The tasks are not told apart; {best_unit} scored best"
        if best := collected.leading(results):
            deciding = results.deciding(best.row)
            return verdict(deciding) if deciding else f"{task_title(best.row)} reaches {percent(best.value)} %"
    if not runs:
        return "No run could be read"
    tasks = listing([task_title(task) for task in dict.fromkeys(run.row for run in runs)])
    stopped = sum(unfinished(run, read_metrics(run)) is not None for run in runs)
    if stopped == len(runs):
        return f"{tasks}: the run did not finish" if len(runs) == 1 else f"{tasks}: none of {len(runs)} runs finished"
    return pair_headline(collected) or f"{tasks} trained, not scored yet"


def verdict(comparison: Comparison) -> str:
    """A comparison in words: "SimCLR beats raw pixels by 16.8 points", "... are not told apart"."""
    task, other = task_title(comparison.row), comparison.against.replace("from scratch", "training from scratch")
    points = signed(abs(comparison.difference)).lstrip("+")
    if comparison.verdict == "better":
        return f"{task} beats {other} by {points} points"
    if comparison.verdict == "worse":
        return f"{task} is {points} points worse than {other}"
    return f"{task} and {other} are not told apart"


def summary(collected: Collected, shades: dict[str, str]) -> Html:
    """Heading, the interval behind it, the primary score of every row as a picture, and the facts of the experiment."""
    results = collected.results[0] if collected.results else None
    deciding = _deciding(collected, results)
    stopped = (bool(collected.problems) and not collected.runs) or any(unfinished(run, read_metrics(run)) for run in collected.runs)
    mood = _kind(deciding) if deciding else "bad" if stopped else "open"
    parts = [tag("p", _eyebrow(collected), class_="eyebrow"), tag("h1", headline(collected)), _explanation(collected, results, deciding)]
    if results and results.primary_scores():
        parts += [_dots(results, shades), _others(results, deciding)]
    return tag("header", *parts, _facts(collected, results), class_=f"top {mood}", id="summary")


def _eyebrow(collected: Collected) -> str:
    names = list(dict.fromkeys([_data_name(run.data) for run in collected.runs])) or [
        str(r.facts.get("data", "")) for r in collected.results
    ]
    return f"selfsup report on {listing(names)}" if any(names) else "selfsup report"


def _data_name(data: str) -> str:
    """The last part of a path."""
    return data.replace("\\", "/").rstrip("/").rpartition("/")[2] or data


def _deciding(collected: Collected, results: Results | None) -> Comparison | None:
    best = collected.leading(results) if results else None
    return results.deciding(best.row) if results and best else None


def _explanation(collected: Collected, results: Results | None, deciding: Comparison | None) -> Html:
    if results is None:
        if pairs := pair_explanation(collected):
            return pairs
        words = "There are no scores yet, so nothing here says whether the embeddings are good. To score them: "
        return tag("p", words, tag("code", "selfsup evaluate RUN DATA --labels LABELS"), class_="under")
    probe, labels = results.primary
    metric, test = str(results.facts.get("metric", "accuracy")), results.facts.get("test")
    scored = f"{metric.capitalize()} of a {probe} probe on {labels_title(labels)}" if labels != 0 else f"Retrieval by label, {probe}"
    what = scored + (f", on {plural(int(test), f'held-out {results.noun}')}." if test else ".")
    if deciding is None:
        return tag("p", what + " No baseline was scored beside it, so the number alone says little.", class_="under")
    between = f"95 % interval of the difference to {deciding.against}: {_range(deciding)} points. "
    meaning = {
        "better": f"Pretraining helped; the strongest baseline is {deciding.against}. ",
        "worse": f"Pretraining did not help here; the strongest baseline, {deciding.against}, does better. ",
    }.get(deciding.verdict, f"The interval holds zero: more labelled {results.noun}s, seeds or training would be needed to tell. ")
    return tag("p", tag("b", between), meaning, what, class_="under")


def _difference(comparison: Comparison) -> str:
    number = f": {signed(comparison.difference)} points" if comparison.verdict == "not told apart" else ""
    return f"{number}, 95 % interval {_range(comparison)}"


def _range(comparison: Comparison) -> str:
    if comparison.low >= 0:
        return f"{percent(comparison.low)} to {percent(comparison.high)}"
    return f"{signed(comparison.low)} to {signed(comparison.high)}"


def _dots(results: Results, shades: dict[str, str]) -> Html:
    """Each row's primary score and interval on one axis, in HTML, so that the text keeps its size on a telephone."""
    scores = results.primary_scores()
    ends = [end for s in scores for end in (s.low, s.value, s.high) if end == end]
    low, high = max(0.0, min(ends) - 0.02), min(1.0, max(ends) + 0.02)
    span = high - low or 1.0
    best = max((s.value for s in scores if s.kind == "baseline"), default=None)

    def at(value: float) -> str:
        return f"{100 * (value - low) / span:.2f}%"

    def row(score: Score) -> Html:
        left, right = (score.low, score.high) if score.low == score.low else (score.value, score.value)
        bar = tag("span", class_="range", style=f"left:{at(left)};width:{100 * (right - left) / span:.2f}%")
        rule = tag("span", class_="rule", style=f"left:{at(best)}") if best is not None else ""
        track = tag("span", rule, bar, tag("span", class_="dot", style=f"left:{at(score.value)}"), class_="track")
        name = tag("span", task_title(score.row) if score.kind == "run" else score.row, class_="who")
        value = tag("span", tag("b", f"{percent(score.value)} %"), tag("small", interval(score.low, score.high)), class_="value")
        return tag("li", name, track, value, class_=score.kind, style=f"--colour:{shades.get(score.row, 'var(--muted)')}")

    note = "Line: 95 % interval. Dotted: the strongest baseline." if best is not None else "Line: 95 % interval."
    return tag("figure", tag("ul", *(row(score) for score in scores), class_="dots"), tag("figcaption", note))


def _others(results: Results, first: Comparison | None) -> Html:
    """A verdict for every further task, against the strongest baseline."""
    rows = [score.row for score in results.primary_scores() if score.kind == "run"]
    found = [c for row in rows if (c := results.deciding(row)) and c is not first]
    items = [tag("li", tag("i", _MARKS.get(c.verdict, "="), class_=_kind(c)), f"{verdict(c)}{_difference(c)}") for c in found]
    return tag("ul", *items, class_="verdicts") if items else Html("")


def _kind(comparison: Comparison) -> str:
    return {"better": "good", "worse": "bad"}.get(comparison.verdict, "open")


def _facts(collected: Collected, results: Results | None) -> Html:
    runs = collected.runs
    entries: list[tuple[str, object]] = []
    if runs:
        entries.append(("Data", _data(runs)))
    if results:
        entries.append(("Labels", _labels(results)))
    if runs:
        tasks = Counter(run.row for run in runs)
        fewest, most = min(tasks.values()), max(tasks.values())
        seeds = f"{most} seeds each" if fewest == most else f"{fewest} to {most} seeds"
        entries.append(
            (
                "Tasks" if len(tasks) > 1 else "Task",
                _lines([listing([task_title(t) for t in tasks]), seeds if most > 1 else ""]),
            )
        )
        entries.append(("Training", _lines([_training(runs), listing(list(dict.fromkeys(run.backbone for run in runs)))])))
        skipped = {name for run in runs for name in run.skipped}
        entries.append(("Skipped", tag("a", plural(len(skipped), "file"), href="#skipped") if skipped else "no file"))
    problems = [f"{run.name} {why}" for run in runs if (why := unfinished(run, read_metrics(run)))]
    problems += [f"{name}: {why}" for name, why in collected.problems.items()]
    callouts = join(tag("p", problem, class_="callout bad") for problem in problems)
    return join([callouts, tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")])


def _data(runs: list[Run]) -> Html:
    names = list(dict.fromkeys(_data_name(run.data) for run in runs))
    run = runs[0]
    if run.kind == "text":
        return _lines([listing(names), *_texts(run)])
    held = f", {count(run.held_out)} held out" if run.held_out else ""
    pictures = f"{plural(run.pictures, 'picture')} to pretrain on{held}" if run.pictures else ""
    return _lines([listing(names), pictures, f"seen at {run.size} × {run.size} px, {'grey' if run.channels == 1 else 'colour'}"])


def _texts(run: Run) -> Iterator[str]:
    """How much text a run learned from."""
    found = read_languages(run)
    documents, tokens, size = (sum(getattr(row, name) for row in found) for name in ("documents", "tokens", "bytes"))
    if found and documents == documents:
        amount = f" of {size / 1e6:,.1f} MB" if size == size else ""
        yield f"{plural(round(documents), 'document')}{amount} to pretrain on"
    if run.held_out:
        yield f"{count(run.held_out)} more held out"
    if found and tokens == tokens:
        yield f"{count(tokens)} tokens"
    yield f"read {count(run.size)} tokens at a time" + (f", in {plural(run.pictures, 'row')}" if run.pictures else "")
    if len(found) > 1:
        yield plural(len(found), "language")


def _labels(results: Results) -> Html:
    facts = results.facts
    classes, counts = facts.get("classes") or [], facts.get("class_counts") or {}
    lines = [plural(len(classes), "class", "classes") + (", skewed" if facts.get("skewed") else "")]
    if facts.get("skewed") and counts:
        lines.append(f"{count(max(counts.values()))} in the largest, {count(min(counts.values()))} in the smallest")
    lines.append(f"{count(facts.get('train', 0))} to learn from, {count(facts.get('test', 0))} to test on")
    if facts.get("transductive"):
        lines.append(f"test {results.noun}s were seen, unlabelled, in pretraining (transductive)")
    return _lines(lines)


def _training(runs: list[Run]) -> str:
    seconds = [log.seconds for run in runs if (log := read_metrics(run)).seconds]
    return f"{duration(max(seconds))} a run" if seconds else plural(runs[0].steps, "step")


def _lines(lines: Iterable[str]) -> Html:
    first, *rest = [line for line in lines if line]
    return join([tag("b", first), *(tag("span", line) for line in rest)])
