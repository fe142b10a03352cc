"""What the commands print: tables on the terminal, plain text without colours where the output is no terminal."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfsup.tasks import TASKS, find_task

if TYPE_CHECKING:
    from selfsup.contract import Checked
    from selfsup.doctor import Machine
    from selfsup.evaluation import Comparison, LanguageScores, ModellingScores, Results
    from selfsup.evaluation.across_languages import LanguageRow
    from selfsup.evaluation.intervals import Interval
    from selfsup.evaluation.modelling_scores import ModellingRow
    from selfsup.evaluation.parallel import Pairing
    from selfsup.generation import Continuation, FilledIn, Reconstruction, Sampled
    from selfsup.pretext import Pretext


def print_tasks() -> None:
    """One row a task: name, kind, what it does, where it was published. Those for pictures, then those for text."""
    table = _table("task", "kind", "what the network has to do", "source")
    for modality, title in (("image", "Pictures"), ("text", "Text")):
        table.add_row(Text(title, style="bold"))
        for name in TASKS:
            task = find_task(name)
            if task.modality == modality:
                table.add_row(name, task.kind, *purpose_and_source(task))
    _show(table)
    print("Options of one: selfsup tasks NAME. Your own: selfsup pretrain DATA --task mytask.py:MyTask")


def print_options(name: str) -> None:
    """The options of one task with types and defaults, read from its constructor."""
    from selfsup.pretext import option_types, options_of

    task = find_task(name)
    types = option_types(task)
    print(inspect.getdoc(task) or name)
    table = _table("option", "type", "default")
    for option, parameter in options_of(task).items():
        default = "must be given" if parameter.default is inspect.Parameter.empty else repr(parameter.default)
        table.add_row(option, _type_name(types[option]), default)
    _show(table)
    print(f"As in: selfsup pretrain DATA --task {name} --set OPTION=VALUE")


def print_check(checked: Checked) -> None:
    """One row a place: that it is as expected, what is broken on which line, or that it was not reached; then what was tried."""
    table = _table("", "", "", header=False)
    for place, expected in checked.places.items():
        broken = [finding for finding in checked.findings if finding.place == place]
        for number, finding in enumerate(broken):
            seen = f" (with {', '.join(finding.trials)})" if finding.trials else ""
            line = Text(f"{finding.line}: " if finding.line else "", style="bold")
            mark, title = (Text("✗", style="bold red"), Text(place, style="bold red")) if number == 0 else (Text(), Text())
            table.add_row(mark, title, line + Text(finding.words, style="") + Text(seen, style="dim"))
        if place in checked.reached and not broken:
            table.add_row(Text("✓", style="green"), place, Text(expected, style="dim"))
        elif not broken and checked.findings:
            table.add_row(Text("–", style="dim"), Text(place, style="dim"), Text("not reached", style="dim"))
    print(checked.name)
    _show(table)
    if checked.trials:
        print(f"Tried on {len(checked.trials)} batches: {'; '.join(checked.trials)}")
    for note in checked.notes:
        print(note[0].upper() + note[1:])
    count = len(checked.findings)
    print(f"{count} {'thing is' if count == 1 else 'things are'} broken." if count else "Nothing is broken.")


def print_backbones() -> None:
    """One row a backbone that was made for this and tried: for pictures, then for text, where each family has the same sizes."""
    from selfsup.backbones import available
    from selfsup.backbones.text_names import FAMILIES, SIZES, USUAL_WORDS, body_parameters

    table = _table("backbone", "parameters", "good for")
    table.add_row(Text("Pictures", style="bold"))
    for item in available():
        table.add_row(item.name, str(item.parameters), item.purpose)
    table.add_row(Text("Text", style="bold"))
    for family, purpose in FAMILIES.items():
        table.add_row(f"{family}-SIZE", "by SIZE", purpose)
    _show(table)
    sizes = _table("SIZE", "layers", "width", "parameters of the layers", f"and of a table of {USUAL_WORDS:,} words")
    for name, (layers, width) in SIZES.items():
        sizes.add_row(name, str(layers), str(width), _millions(body_parameters(name)), _millions(USUAL_WORDS * width))
    _show(sizes)
    print("--backbone auto picks one by task and budget, and by the size of pictures. Any timm name works too for pictures; for text any")
    print("model type of transformers with a SIZE (roberta-mini), or the path of a config.json.")


def print_machine(machine: Machine) -> None:
    """What `selfsup doctor` found, and what would make this machine faster or more able."""
    table = _table("", "", header=False)
    ratio = machine.bf16_speed / machine.fp32_speed
    rows = {
        "processor": f"{machine.processor}, {machine.cores} cores, {machine.threads} threads in use",
        "instruction sets": " ".join(machine.instructions) or "none that matter here",
        "memory": f"{machine.memory:.1f} GiB",
        "accelerators": ", ".join(machine.accelerators) or "none: everything runs on the CPU",
        "Python, PyTorch": f"{machine.python}, {machine.torch}",
        "matrix products": f"fp32 {machine.fp32_speed:.0f} GFLOP/s, bf16 {machine.bf16_speed:.0f} GFLOP/s ({ratio:.1f} times)",
        "cache": f"{machine.cache}, {machine.cache_free:.1f} GiB free (SELFSUP_CACHE moves it)",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    lacking = [name for name, version in machine.for_text.items() if version is None]
    found = ", ".join(f"{name} {version}" for name, version in machine.for_text.items() if version is not None)
    table.add_row("for text", f"{', '.join(lacking)} missing: pip install {' '.join(lacking)}" if lacking else found)
    for extra, packages in machine.extras.items():
        words = f"{', '.join(packages)} missing: pip install 'selfsup[{extra}]'" if packages else "installed"
        table.add_row(f"extra {extra}", words)
    _show(table)
    if machine.threads > machine.cores:
        print(f"More threads than cores: set OMP_NUM_THREADS={machine.cores}.")


def print_made(made: Continuation | FilledIn | Sampled) -> None:
    """What `selfsup generate` made: text as it comes, with warnings behind it; words for open places; or where the pictures are."""
    from selfsup.generation import Continuation, FilledIn

    if isinstance(made, Continuation):
        print(made.prompt, end="", flush=True)
        for piece in made:
            print(piece, end="", flush=True)
        print()
        for words in made.warnings():
            print(f"Warning: {words}", file=sys.stderr)
    elif isinstance(made, FilledIn):
        print(made.text)
        table = _table("place", "filled", *(f"{rank}." for rank in range(1, 1 + max(len(blank.candidates) for blank in made.blanks))))
        for number, blank in enumerate(made.blanks, 1):
            guesses = (f"{candidate.word} {100 * candidate.probability:.1f} %" for candidate in blank.candidates)
            table.add_row(str(number), _ordinal(blank.order), *guesses)
        _show(table)
    else:
        print(f"{len(made.pictures)} new pictures: {made.file}")


def print_reconstruction(made: Reconstruction) -> None:
    """Where the sheet is, what its rows show, and what could not be read."""
    print(f"{len(made.ids)} pictures, each as {', '.join(made.rows)}: {made.file}")
    for name, reason in made.skipped.items():
        print(f"Skipped {name}: {reason}", file=sys.stderr)


def print_results(results: Results) -> None:
    """Scores with their intervals, rows by probes and numbers of labels; in words, each run against the strongest baseline."""
    columns = list(dict.fromkeys((row.probe, row.labels_per_class) for row in results.rows))
    table = _table("row", *(f"{probe}, {count} labels a class" if count != "all" else f"{probe}, all labels" for probe, count in columns))
    scores = {(row.row, row.probe, row.labels_per_class): row for row in results.rows}
    for name in dict.fromkeys(row.row for row in results.rows):
        found = [scores.get((name, probe, count)) for probe, count in columns]
        table.add_row(name, *(f"{100 * s.value:.1f} ({100 * s.low:.1f}–{100 * s.high:.1f})" if s else "–" for s in found))
    _show(table)
    print(f"{results.metric} in % with 95 % intervals; labels drawn from {results.train} {results.noun}, scored on {results.test} held out")
    strongest = [item for item in results.comparisons if item.best_baseline]
    primary = [item for item in strongest if results.primary == {"probe": item.probe, "labels_per_class": item.labels_per_class}]
    for comparison in primary or strongest:
        print(verdict(comparison))
    _print_notes(results.notes)


def verdict(comparison: Comparison) -> str:
    """One comparison in a sentence, difference and interval in points."""
    low, high, difference = (100 * value for value in (comparison.low, comparison.high, comparison.difference))
    words = {"better": "better than", "worse": "worse than", "not told apart": "not told apart from"}[comparison.verdict]
    scope = f"{comparison.probe}, {comparison.labels_per_class} labels a class"
    return f"{comparison.row} is {words} {comparison.against} ({scope}): {difference:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}"


def print_language_modelling(scores: ModellingScores) -> None:
    """Each run's bits per byte or share of words guessed, in all and by language; what the numbers are on; a scale to read them on."""
    forwards, guessing = ([row for row in scores.rows if row.reads == reads] for reads in ("forwards", "both ways"))
    gzip = ("gzip: bits per byte",) if forwards else ()
    table = _table(
        "language", "documents", *(f"{row.row}: bits per byte" for row in forwards), *gzip, *(f"{row.row}: % guessed" for row in guessing)
    )
    languages = list(scores.documents) if set(scores.documents) != {"unknown"} else []
    for name in ("", *languages):
        count = scores.documents[name] if name else sum(scores.documents.values())
        compressed = (f"{scores.gzip[name]:.2f}",) if forwards else ()
        found = [_modelled(row, name) for row in forwards], [_modelled(row, name) for row in guessing]
        table.add_row(name or "all", f"{count:,}", *found[0], *compressed, *found[1])
    _show(table)
    print(f"Documents of {scores.data} that no run learned from, with 95 % intervals")
    for how in dict.fromkeys(row.how for row in forwards):
        print(f"Bits per byte, less is better: {how}")
    for row in guessing:
        print(f"% guessed by {row.row}, more is better: {row.how}; always the most frequent token: {100 * (row.commonest or 0):.1f}")
    _print_notes(scores.notes)


def print_across_languages(scores: LanguageScores) -> None:
    """How often translations are found and what labels are worth in other languages: runs and baselines, the layer that is used."""
    rows = [row for row in scores.rows if row.primary]
    if scores.sought:
        _print_sought(scores, rows)
    if scores.tested:
        _print_labels_across(scores, rows)
    _print_notes(scores.notes)


def _print_sought(scores: LanguageScores, rows: list[LanguageRow]) -> None:
    found = {row.row: row.parallel for row in rows if row.parallel is not None}
    first = next(iter(found.values()))
    table = _table("row", "layer", *(f"among the nearest {k}" if k > 1 else "nearest" for k in first.recall), "nearest, with margin")
    for row in rows:
        if row.parallel is not None:
            scored = [*row.parallel.recall.values(), row.parallel.margin]
            table.add_row(row.row, row.layer, *(percent_and_interval(one) for one in scored))
    table.add_row("chance", "", *(f"{100 * share:.1f}" for share in first.chance.values()), f"{100 * first.chance[1]:.1f}")
    _show(table)
    counts = sorted(pair.count for pair in first.pairings)
    sizes = f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"
    pairs = f"{len(counts)} pairs of languages" if len(counts) > 1 else f"{first.pairings[0].first} and {first.pairings[0].second}"
    print(f"Translations found in %, both ways between {pairs}, among {sizes} {scores.noun}, with 95 % intervals")
    table = _table("language", scores.noun, *(f"{name}: from it / to it" for name in found))
    for language, count in scores.sought.items():
        ways = [both_ways(parallel.pairings, language) for parallel in found.values()]
        table.add_row(language, f"{count:,}", *(f"{100 * there:.1f} / {100 * back:.1f}" for there, back in ways))
    print()
    _show(table)
    print("Nearest, in %: its texts find their translations / translations find them")


def _print_labels_across(scores: LanguageScores, rows: list[LanguageRow]) -> None:
    labels = "all labels" if scores.labels_per_class == "all" else f"{scores.labels_per_class} labels a class"
    if scores.sought:
        print()
    table = _table("row", "layer", "labels in the same language", "labels in another language")
    for row in rows:
        if row.labels is not None:
            cells = [percent_and_interval(one) if one else "–" for one in (row.labels.same, row.labels.other)]
            table.add_row(row.row, row.layer, *cells)
    _show(table)
    metric = next(row.labels.metric for row in rows if row.labels is not None)
    languages, total = len(scores.tested), sum(scores.tested.values())
    print(f"{metric} in % with 95 % intervals: linear, {labels} in one language; tested on {total:,} documents in {languages} languages")


def both_ways(pairings: Sequence[Pairing], language: str) -> tuple[float, float]:
    """How often texts of a language find their translations, and are found by them: means over the other languages."""
    mine = [(pair.there, pair.back) for pair in pairings if pair.first == language]
    mine += [(pair.back, pair.there) for pair in pairings if pair.second == language]
    if not mine:
        return float("nan"), float("nan")
    return sum(there for there, _ in mine) / len(mine), sum(back for _, back in mine) / len(mine)


def percent_and_interval(found: Interval) -> str:
    """ "81.2 (78.0–84.4)"."""
    return f"{100 * found.value:.1f} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def _modelled(row: ModellingRow, language: str) -> str:
    bits = row.total if not language else row.languages.get(language)
    if bits is None:
        return "–"
    if row.reads == "both ways":
        return percent_and_interval(bits.accuracy) if bits.accuracy is not None else "–"
    return f"{bits.bits_per_byte.value:.3f} ({bits.bits_per_byte.low:.3f}–{bits.bits_per_byte.high:.3f})"


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"Note: {note}")


def purpose_and_source(task: type[Pretext]) -> tuple[str, str]:
    """The first line of a task's docstring, cut after its first sentence: what it does, and where it was published."""
    line = (inspect.getdoc(task) or "").partition("\n")[0]
    purpose, _, source = line.partition(". ")
    return purpose.rstrip("."), source.rstrip(".")


def _ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "4th", …, "11th", …, "21st"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(show_header=header, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _show(table: Table) -> None:
    """Cells are text, not markup; a file or pipe gets lines as long as they have to be."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=240)
    console.print(table)
