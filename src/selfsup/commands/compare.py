"""`selfsup compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import (
    Context,
    Data,
    Deduplicate,
    Encoding,
    Groups,
    IdColumn,
    Kind,
    Language,
    Precision,
    Split,
    StoreLimit,
    TextColumns,
    Tokeniser,
    Vocabulary,
    names_in,
    parse_counts,
)


@app.command()
def compare(
    data: Data,
    labels: Annotated[str, typer.Option(help="`folder`, a table of path and label, or a column.", show_default=False)],
    budget: Annotated[str, typer.Option(metavar="TIME", help="For everything but decoding: 20m, 2h.")] = "20m",
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="A,B@BACKBONE,…", help="By default all for this kind of data; A+FILE.py:FN has your own views.", show_default=False
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="For every task that has it, or TASK.OPTION=VALUE for one. Repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each finalist.")] = 3,
    audit: Annotated[bool, typer.Option("--audit/--no-audit", help="Turn off views of pictures that break the labels.")] = True,
    probes: Annotated[str, typer.Option(help="Ways to score, with commas; linear decides, or the first.")] = "linear,knn",
    labels_per_class: Annotated[str, typer.Option(help="Numbers of labels, with commas, and `all`; 10 decides.")] = "1,5,10,all",
    draws: Annotated[int, typer.Option(min=5, help="Random draws of the labels.")] = 20,
    weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="Weights you already have: one more row to beat.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default a new folder under runs/.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted comparison in --out.")] = False,
    seed: Annotated[int, typer.Option(help="The first; others follow it.")] = 0,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of a view in pixels.", rich_help_panel="Training", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="By default the task's.", rich_help_panel="Training", show_default=False)
    ] = None,
    precision: Precision = "auto",
    split: Split = None,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share held out, and tested.", rich_help_panel="Data")] = 0.2,
    groups: Groups = None,
    kind: Kind = "auto",
    store_limit: StoreLimit = 100.0,
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
    deduplicate: Deduplicate = False,
    tokenizer: Tokeniser = None,
    vocabulary: Vocabulary = None,
    context: Context = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Of each training: by default all, with --on ray 1.", rich_help_panel="Training", show_default=False),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ray[:ADDRESS]", help="Train on all cores here, or on a cluster of Ray.", rich_help_panel="Training", show_default=False
        ),
    ] = None,
) -> None:
    """Pretrain with every task at the same budget, score all alike, and say which to use for your labels."""
    given = dict(locals())
    from selfsup.comparison import compare as compare_tasks
    from selfsup.options import parse_settings
    from selfsup.terminal.comparison import print_comparison

    given["options"] = parse_settings(options or [])
    given["tasks"] = names_in(tasks) if tasks else None
    given["probes"], given["labels_per_class"] = tuple(names_in(probes)), parse_counts(labels_per_class)
    print_comparison(compare_tasks(given.pop("data"), **given))
