"""The application that commands join, and the options of `selfsup` itself."""

from __future__ import annotations

from typing import Annotated

import typer

import selfsup

app = typer.Typer(
    help="Learn from data nobody labelled: pretrain a backbone on a pretext task, score it on few labels, look at all of it.",
    epilog="The first result: selfsup pretrain PICTURES --task simclr --budget 10m, then selfsup evaluate RUN PICTURES --labels folder.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> bool:
    if asked:
        print(selfsup.__version__)
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Options of `selfsup` itself. Without a text of its own in the help: that of `app` stands there."""
