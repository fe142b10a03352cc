"""What `selfsup tasks` and `selfsup backbones` print."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from rich.text import Text

from selfsup.tasks import TASKS, find_task
from selfsup.terminal.tables import show, table_of

if TYPE_CHECKING:
    from selfsup.contract import Checked
    from selfsup.pretext import Pretext


def print_tasks() -> None:
    """One row a task: name, kind, what it does, where it was published. Those for pictures, for text, for pairs of both."""
    table = table_of("task", "kind", "what the network has to do", "source")
    for modality, title in (("image", "Pictures"), ("text", "Text"), ("pair", "Pictures with captions")):
        table.add_row(Text(title, style="bold"))
        for name in TASKS:
            task = find_task(name)
            if task.modality == modality:
                table.add_row(name, task.kind, *purpose_and_source(task))
    show(table)
    print("Options of one: selfsup tasks NAME. Your own: selfsup pretrain DATA --task mytask.py:MyTask")


def print_options(name: str) -> None:
    """What a task is and what its options mean, then each with type and default, read from its constructor."""
    from selfsup.pretext import option_classes, option_types, options_of

    task = find_task(name)
    types = option_types(task)
    own = (inspect.getdoc(task) or name).split("\n\n")
    every = [paragraph for kind in option_classes(task) for paragraph in (inspect.getdoc(kind) or "").split("\n\n")]
    print("\n\n".join(dict.fromkeys([*own, *(paragraph for paragraph in every if paragraph.startswith("Options"))])), "\n")
    table = table_of("option", "type", "default")
    for option, parameter in options_of(task).items():
        default = "must be given" if parameter.default is inspect.Parameter.empty else repr(parameter.default)
        table.add_row(option, _type_name(types[option]), default)
    show(table)
    print(f"As in: selfsup pretrain DATA --task {name} --set OPTION=VALUE")


def print_check(checked: Checked) -> None:
    """One row a place: that it is as expected, what is broken on which line, or that it was not reached; then what was tried."""
    table = table_of("", "", "", header=False)
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
    show(table)
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

    table = table_of("backbone", "parameters", "good for")
    table.add_row(Text("Pictures", style="bold"))
    for item in available():
        table.add_row(item.name, str(item.parameters), item.purpose)
    table.add_row(Text("Text", style="bold"))
    for family, purpose in FAMILIES.items():
        table.add_row(f"{family}-SIZE", "by SIZE", purpose)
    show(table)
    sizes = table_of("SIZE", "layers", "width", "parameters of the layers", f"and of a table of {USUAL_WORDS:,} words")
    for name, (layers, width) in SIZES.items():
        sizes.add_row(name, str(layers), str(width), _millions(body_parameters(name)), _millions(USUAL_WORDS * width))
    show(sizes)
    print("--backbone auto picks one by task and budget, and by the size of pictures. Any timm name works too for pictures; for text any")
    print("model type of transformers with a SIZE (roberta-mini), or the path of a config.json.")


def purpose_and_source(task: type[Pretext]) -> tuple[str, str]:
    """The first line of a task's docstring, cut after its first sentence: what it does, and where it was published."""
    line = (inspect.getdoc(task) or "").partition("\n")[0]
    purpose, _, source = line.partition(". ")
    return purpose.rstrip("."), source.rstrip(".")


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return kind.__name__ if isinstance(kind, type) else str(kind)
