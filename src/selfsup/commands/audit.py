"""`selfsup audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Data


@app.command()
def audit(
    data: Data,
    labels: Annotated[str, typer.Option(help="`folder`, a table of path and label, or a column.", show_default=False)],
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What is learned from or judged together.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side of a task's view in pixels; looked at in at most 64.", show_default=False)
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="The most labelled pictures to look at.")] = 1500,
    seeds: Annotated[int, typer.Option(min=2, help="Untrained networks that probes stand on.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audit.")] = 0,
    kind: Annotated[str, typer.Option(help="What the data is: auto, image.")] = "auto",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For audit.html and audit.json; by default none are written.", show_default=False)
    ] = None,
    without_samples: Annotated[bool, typer.Option("--without-samples", help="Leave pictures out of the page, to pass it on.")] = False,
) -> None:
    """Ask of your labels which flips, turns, crops and colours break them, and which options of tasks follow."""
    given = dict(locals())
    from selfsup.auditing import audit as audit_labels
    from selfsup.terminal.audit import print_audit

    print_audit(audit_labels(given.pop("data"), **given))
    if out is not None:
        print(f"\nPage: {out / 'audit.html'}")
