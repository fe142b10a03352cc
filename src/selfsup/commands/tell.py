"""`selfsup report`, `tasks`, `backbones` and `doctor`: what there is and what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of runs, or of an evaluation.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="By default report.html in the folder, or in the one that holds all.", show_default=False),
    ] = None,
    without_samples: Annotated[
        bool, typer.Option("--without-samples", help="Leave out pictures, texts and names of files, to pass it on.")
    ] = False,
) -> None:
    """Make one HTML file to look at all of it, without network."""
    from selfsup.reporting import report as write_report

    print(write_report(folders, out=out, without_samples=without_samples))


@app.command()
def tasks(
    name: Annotated[
        str | None,
        typer.Argument(help="Show this task's options; also mytask.py:MyTask, and with --check myviews.py:FN.", show_default=False),
    ] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="With --check: real pictures to try too.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Try it, and say in words what is broken. Exit code 2 if anything is.")] = False,
    backbone: Annotated[str | None, typer.Option(help="With --check: what to try it on.", show_default=False)] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="With --check: an option of the task. Repeatable.")
    ] = None,
) -> None:
    """List the pretext tasks, or the options of one, or check your own task or views."""
    if check:
        _check(name, data, backbone, options or [])
        return
    if data is not None or backbone is not None or options:
        raise ValueError("DATA, --backbone and --set say what a task is tried on; expected --check with them.")
    from selfsup.terminal.tasks import print_options, print_tasks

    if name is None:
        print_tasks()
    else:
        print_options(name)


@app.command()
def backbones() -> None:
    """List the backbones that were made for this and tried. Any other name is looked up in timm."""
    from selfsup.terminal.tasks import print_backbones

    print_backbones()


@app.command()
def doctor() -> None:
    """Tell what this machine can do, and which extras are missing."""
    from selfsup.doctor import examine
    from selfsup.terminal.machine import print_machine

    print_machine(examine())


def _check(name: str | None, data: str | None, backbone: str | None, options: list[str]) -> None:
    if name is None:
        raise ValueError("--check got nothing to check; expected mytask.py:MyTask, myviews.py:function or a name from `selfsup tasks`.")
    from selfsup.contract import check
    from selfsup.options import parse_settings
    from selfsup.terminal.tasks import print_check

    checked = check(name, data, backbone=backbone, options=parse_settings(options))
    print_check(checked)
    if checked.findings:
        raise typer.Exit(2)
