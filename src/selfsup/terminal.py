"""What the commands print: tables on the terminal, plain text without colours where the output is no terminal."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfsup.tasks import TASKS, find_task

if TYPE_CHECKING:
    from selfsup.contract import Checked
    from selfsup.doctor import Machine
    from selfsup.evaluation import Comparison, Results
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
    for note in results.notes:
        print(f"Note: {note}")


def verdict(comparison: Comparison) -> str:
    """One comparison in a sentence, difference and interval in points."""
    low, high, difference = (100 * value for value in (comparison.low, comparison.high, comparison.difference))
    words = {"better": "better than", "worse": "worse than", "not told apart": "not told apart from"}[comparison.verdict]
    scope = f"{comparison.probe}, {comparison.labels_per_class} labels a class"
    return f"{comparison.row} is {words} {comparison.against} ({scope}): {difference:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}"


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
