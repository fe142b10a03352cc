"""What a task that makes text made of the same prompts while it learned, from samples/over_time.jsonl."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from selfsup.reporting.alignment import UNSPACED, Special
from selfsup.reporting.excerpts import EXCERPT, excerpt, passage, straight
from selfsup.reporting.markup import Html, join, section, tag
from selfsup.reporting.wording import count, task_title
from selfsup.run import Run

_PROMPTS, _STEPS, _BLANKS = 4, 4, 5
_GUESSES = (5, 3)  # of each word, where there is one prompt, and where there are several
_LONGEST_WORD = 24
_CLOSING = tuple(".!?…¶»”\"')。！？।۔")  # a prompt that ends with none of them goes on in its document
# What a word stands behind with a space between: many tokenisers keep that space in the word, and hide it with it.
_SPACED = re.compile(rf"[^\s([{{<\"'„“‘«¿¡{UNSPACED}]$")

Line = dict[str, Any]


def read_over_time(run: Run) -> list[Line]:
    """Lines that say a step, a prompt and what was made of it; none where the file is missing, and without those that are damaged."""
    try:
        lines = (run.samples / "over_time.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found: dict[tuple[int, str], Line] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            made: Line = {"step": int(entry["step"]), "prompt": str(entry["prompt"])}
            made |= {"blanks": [_blank(blank) for blank in entry["blanks"]]} if "blanks" in entry else {"text": str(entry["text"])}
        except (ValueError, TypeError, KeyError, OverflowError):
            continue
        found[made["step"], made["prompt"]] = made  # a resumed run writes some steps twice
    return [found[key] for key in sorted(found, key=lambda key: key[0])]


def _blank(blank: Any) -> tuple[str, list[tuple[str, float]]]:
    return str(blank["truth"]), [(str(word), min(1.0, max(0.0, float(chance)))) for word, chance in blank["guesses"]]


def over_time(runs: Sequence[Run]) -> Html | None:
    """The section on prompts; None where no task made anything of any."""
    read = [(run, read_over_time(run)) for run in runs]
    sheets = [_sheet(run, lines) for run, lines in read if lines]
    lead = "The same prompts at several moments of training. What still makes little sense at the end was not learned in this time."
    return section("progress", "What it made of texts, over time", *sheets, lead=lead) if sheets else None


def _sheet(run: Run, lines: list[Line]) -> Html:
    steps = spaced(sorted({line["step"] for line in lines}), _STEPS)
    prompts = list(dict.fromkeys(line["prompt"] for line in lines))[:_PROMPTS]
    made = {(line["prompt"], line["step"]): line for line in lines}
    filling = any("blanks" in line for line in lines)
    words = (
        _filled_words(lines)
        if filling
        else "In grey the prompt, then what the network wrote after it, drawn at random by its probabilities."
    )
    special = Special.of(run.folder)
    blocks = []
    for prompt in prompts:
        shown = {step: made[prompt, step] for step in steps if (prompt, step) in made}
        blocks.append(
            _filled(prompt, shown, special, guesses=_GUESSES[len(prompts) > 1]) if filling else _continued(prompt, shown, special)
        )
    return tag("div", tag("h3", task_title(run.row)), tag("p", words, class_="note"), *blocks)


def spaced(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of some numbers, the first, the last, and evenly spaced ones between."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[round(place * (len(numbers) - 1) / (most - 1))] for place in range(most)]


def _continued(prompt: str, made: dict[int, Line], special: Special) -> Html:
    shown = excerpt(special.plain(prompt), EXCERPT // 2)
    rows = [
        tag(
            "div",
            _step(step),
            passage(join([tag("span", shown, class_="prompt"), " ", excerpt(special.plain(str(line.get("text", ""))))])),
            class_="made",
        )
        for step, line in made.items()
    ]
    return tag("div", *rows, class_="prompted")


def _step(step: int) -> Html:
    return tag("span", f"step {count(step)}", class_="step")


def _filled_words(lines: list[Line]) -> str:
    """How to read the bars, and how many words were right at first guess in the beginning and in the end."""
    words = (
        "Each numbered word was hidden. Beneath, the network's likeliest guesses for it with their probabilities; the true one is green."
    )
    steps = sorted({line["step"] for line in lines})
    prompts = [{line["prompt"] for line in lines if line["step"] == step} for step in (steps[0], steps[-1])]
    if len(steps) < 2 or prompts[0] != prompts[1]:
        return words
    (right, total), (later, _) = (_right([line for line in lines if line["step"] == step]) for step in (steps[0], steps[-1]))
    return f"{words} Right at first guess: {right} of {total} at step {count(steps[0])}, {later} of {total} at step {count(steps[-1])}."


def _right(lines: list[Line]) -> tuple[int, int]:
    blanks = [blank for line in lines for blank in line.get("blanks", [])]
    return sum(bool(guesses) and _same(guesses[0][0], truth) for truth, guesses in blanks), len(blanks)


def _same(guess: str, truth: str) -> bool:
    return guess.strip() == truth.strip()


def _filled(prompt: str, made: dict[int, Line], special: Special, *, guesses: int) -> Html:
    blanks: list[Any] = next((line["blanks"] for line in made.values() if line.get("blanks")), [])
    head = tag("tr", tag("td"), *(tag("th", f"step {count(step)}", scope="col") for step in made))
    body = []
    for number, (truth, _) in enumerate(blanks[:_BLANKS]):
        guessed = [line["blanks"][number][1] if number < len(line.get("blanks", [])) else [] for line in made.values()]
        name = tag("th", tag("sup", number + 1), tag("bdi", _word(truth)), scope="row")
        body.append(tag("tr", name, *(tag("td", *(_guess(word, chance, truth) for word, chance in some[:guesses])) for some in guessed)))
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *body), class_="guesses"), class_="scroll", tabindex="0")
    return tag(
        "div", passage(_with_truths(special.mask.split(special.plain(prompt)), [truth for truth, _ in blanks])), table, class_="prompted"
    )


def _with_truths(parts: Sequence[str], truths: Sequence[str]) -> Html:
    """What stands between hidden words, and these in their places, numbered; all of it if it is not far longer than an excerpt."""
    if len(parts) != len(truths) + 1:
        return join([excerpt(" … ".join(parts), 2 * EXCERPT)])
    most = max(20, 2 * EXCERPT // len(parts))
    shown = [_shortened(parts[0], most, keep_end=True)]
    for number, (truth, part) in enumerate(zip(truths, parts[1:], strict=True)):
        space = " " if _SPACED.search(parts[number]) else ""
        shown += [space, tag("mark", tag("bdi", _word(truth)), tag("sup", number + 1)), _shortened(part, most, keep_end=False)]
    return join([*shown, "" if parts[-1].rstrip()[-1:] in _CLOSING else " …"])


def _shortened(part: str, most: int, *, keep_end: bool) -> str:
    plain = re.sub(r"\s+", " ", part)
    if len(plain) <= most:
        return plain
    return f"…{plain[-most:]}" if keep_end else f"{plain[:most]}…"


def _word(word: str) -> str:
    """A word as it can be seen, also where it is white space."""
    bare = straight(word).strip()
    if bare and all(unicodedata.category(sign) in ("Cf", "Mn", "Cc") for sign in bare):  # joiners, accents without a letter
        return " ".join(f"U+{ord(sign):04X}" for sign in bare[:3])
    return excerpt(bare, _LONGEST_WORD) if bare else "↵" if "\n" in word else "␣" if word else "–"


def _guess(word: str, chance: float, truth: str) -> Html:
    bar = tag("i", style=f"width:{100 * chance:.0f}%")
    number = tag("small", "<1 %" if 0 < chance < 0.01 else f"{100 * chance:.0f} %")
    return tag("span", bar, tag("bdi", _word(word)), number, class_="guess right" if _same(word, truth) else "guess")
