"""The page of an audit: the verdicts with their intervals, what to set, and pictures before and after each transform."""

from __future__ import annotations

from pathlib import Path

from selfsup.auditing.examples import confused_pictures, pictures_by_transform
from selfsup.auditing.findings import BREAKS, COSTS, OPEN, Finding
from selfsup.auditing.results import Audit
from selfsup.auditing.sample import Sample
from selfsup.auditing.wording import advised, headline, meaning, pair_words, settings_for, way_up
from selfsup.reporting.markup import Html, join, section, table, tag
from selfsup.reporting.page import page
from selfsup.reporting.wording import count, interval, listing, percent, plural, signed
from selfsup.run import write_whole

MOODS = {BREAKS: "bad", COSTS: "open", OPEN: "open"}
SHADES = {"bad": "var(--bad)", "open": "var(--open)", "good": "var(--good)"}


def write_page(audit: Audit, sample: Sample, file: Path, *, without_samples: bool = False) -> Path:
    """Write one self-contained HTML file, whole or not at all. `without_samples` leaves out every picture and file name."""
    sections: list[Html | None] = [_opening(audit), _settings(audit), _details(audit)]
    if not without_samples:
        sections += [_confused(audit, sample), _pictures(audit, sample)]
    sections.append(_way(audit))
    file.parent.mkdir(parents=True, exist_ok=True)
    content = page(headline(audit), [part for part in sections if part], without_samples=without_samples)
    write_whole(file, content.encode("utf-8", "replace").decode("utf-8"))
    return file


def mood(finding: Finding) -> str:
    """The colour of a verdict: "good", "bad" or "open"."""
    return MOODS.get(finding.verdict, "good")


def _opening(audit: Audit) -> Html:
    moods = {mood(finding) for finding in audit.findings}
    tone = "bad" if audit.breaking else "open" if not audit.tells or moods == {"open"} else "good"
    names = Path(audit.data.replace("\\", "/")).name or audit.data
    under = (
        f"Labels of whole pictures are told right at {percent(audit.told.value)} % ({interval(audit.told.low, audit.told.high)}; "
        f"{percent(audit.chance)} by chance). What is lost of that when probes learn from, and are judged on, transformed pictures:"
    )
    facts = [
        ("Pictures", f"{count(audit.pictures)} of {plural(audit.labelled, 'labelled picture')}, at {audit.size} px"),
        ("Classes", f"{len(audit.classes)}, of {count(min(audit.counts))} to {count(max(audit.counts))} pictures each"),
        ("Way up", audit.upright.verdict),
        ("Probes", f"on {plural(audit.seeds, 'untrained network')}"),
    ]
    told = [tag("div", tag("dt", name), tag("dd", tag("b", value))) for name, value in facts]
    parts = (tag("p", f"selfsup audit of {names}", class_="eyebrow"), tag("h1", headline(audit)), tag("p", under, class_="under"))
    return tag("header", *parts, _dots(audit), tag("dl", *told, class_="facts"), class_=f"top {tone}", id="summary")


def _dots(audit: Audit) -> Html:
    """Each transform's loss and interval on one axis around nothing lost, as the report draws scores."""
    ends = [end for finding in audit.findings for end in (finding.loss.low, finding.loss.high)]
    low, high = min(0.0, *ends) - 0.01, max(0.0, *ends) + 0.01

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    def row(finding: Finding) -> Html:
        loss, kind = finding.loss, mood(finding)
        width = f"{100 * (loss.high - loss.low) / (high - low):.2f}%"
        bar = tag("span", class_="range", style=f"left:{at(loss.low)};width:{width}")
        rule = tag("span", class_="rule", style=f"left:{at(0.0)}")
        track = tag("span", rule, bar, tag("span", class_="dot", style=f"left:{at(loss.value)}"), class_="track")
        value = tag("span", tag("b", signed(-loss.value)), " ", tag("em", finding.verdict, class_=kind), class_="value")
        return tag("li", tag("span", finding.name, class_="who", title=finding.words), track, value, style=f"--colour:{SHADES[kind]}")

    note = "To the right: points of balanced accuracy lost. Line: 95 % interval. Dotted: nothing lost."
    return tag("figure", tag("ul", *(row(finding) for finding in audit.findings), class_="dots"), tag("figcaption", note))


def _settings(audit: Audit) -> Html:
    lines = [[tag("code", words or "as it is"), listing(tasks)] for words, tasks in settings_for(audit)]
    against = [tag("p", tag("strong", task), f": {said}.", class_="callout warn") for task, said in advised(audit)]
    lead = "What breaks labels is off or limited in these. What cannot be told stays at its default."
    return section("settings", "What to set", table(["add to selfsup pretrain", "for"], lines), *against, lead=lead)


def _details(audit: Audit) -> Html:
    def cells(finding: Finding) -> list[object]:
        told, loss, share = finding.told, finding.loss, finding.share
        pairs = join(tag("small", pair_words(pair)) for pair in finding.pairs[:6])
        lost = interval(loss.low, loss.high) if loss.low >= 0 else f"{signed(loss.low)} to {signed(loss.high)}"
        part = "–" if share is None else f"{100 * share.value:.0f} %".replace("-", "−")
        return [
            tag("th", finding.name, tag("small", finding.words), scope="row"),
            tag("td", tag("span", percent(told.value), class_="figure"), tag("small", interval(told.low, told.high))),
            tag("td", tag("span", signed(loss.value), class_="figure"), tag("small", lost)),
            tag("td", part, tag("small", f"limit {100 * finding.margin:.0f} %")),
            tag("td", tag("em", finding.verdict, class_=mood(finding)), pairs),
        ]

    head = ["transform", "labels told, %", "points lost", "of what can be told", "verdict"]
    lead = (
        "A transform breaks labels when it takes more of what they can be told by than its limit, or makes two classes alike: these are "
        "named, with how often they are confused in whole pictures and in views. It costs when less is lost, helps when labels are told "
        "better by a probe that ignores it."
    )
    return section("verdicts", "Every transform", table(head, [cells(finding) for finding in audit.findings], class_="scores"), lead=lead)


def _confused(audit: Audit, sample: Sample) -> Html | None:
    shown = [part for finding in audit.findings if finding.verdict == BREAKS for part in confused_pictures(finding, sample)]
    if not shown:
        return None
    lead = "Pictures that were told right as they are, and taken for the other class when the transform had to be ignored."
    return section("alike", "Classes that became alike", *shown, lead=lead)


def _pictures(audit: Audit, sample: Sample) -> Html:
    lead = "One picture a column. If you could not label a line by eye, its transform takes away what your labels are about."
    titles = {finding.name: (meaning(finding), mood(finding)) for finding in audit.findings}
    return section("pictures", "Before and after", pictures_by_transform(sample, titles), lead=lead)


def _way(audit: Audit) -> Html:
    said = (
        way_up(audit),
        "Labels are told by ridge regression on the early layers of ConvNets that were never trained, each picture by what learned from "
        "others. Where a network is to ignore a transform (flips, turns, colours), a picture's views are judged together; where views lack "
        "something (crops, blur, grey), one by one. Intervals hold other pictures, networks, folds and views.",
        *audit.notes,
    )
    return section("method", "Way up, and how it was measured", tag("ul", *(tag("li", line) for line in said), class_="notes"))
