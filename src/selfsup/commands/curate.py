"""`selfsup duplicates`, `selfsup outliers`, `selfsup suggest` and `selfsup suspects`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Encoding, IdColumn, Kind, Language, OwnData, RunFolder, TextColumns

Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="For the table and the page; by default curating/ in the run's folder.", show_default=False),
]
Layer = Annotated[
    str | None, typer.Option(help="As stage3/mean. By default the one `evaluate` chose, or the last but one.", show_default=False)
]
WithoutSamples = Annotated[
    bool, typer.Option("--without-samples", help="Leave pictures, texts and their names out of the page, to pass it on.")
]


@app.command()
def duplicates(
    run: RunFolder,
    data: OwnData = None,
    out: Out = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write which of each group to keep, the largest.", show_default=False)
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Similarity from which a pair counts: .84 for pictures, .5 for texts.", show_default=False)
    ] = None,
    neighbours: Annotated[int, typer.Option(min=1, help="Of each picture, to look at.")] = 20,
    layer: Layer = None,
    without_samples: WithoutSamples = False,
    kind: Kind = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
) -> None:
    """Find near-copies: saved, sized, cropped or mirrored anew; texts that share most of their words in a row."""
    given = dict(locals())
    from selfsup.curating import duplicates as find
    from selfsup.terminal.curating import print_duplicates

    print_duplicates(find(given.pop("run"), given.pop("data"), **given))


@app.command()
def outliers(
    run: RunFolder,
    data: OwnData = None,
    out: Out = None,
    neighbours: Annotated[int, typer.Option(min=1, help="Whose distances are averaged.")] = 10,
    layer: Layer = None,
    without_samples: WithoutSamples = False,
    kind: Kind = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
) -> None:
    """Rank pictures or documents by how far they are from everything else: damaged, of another kind, rare."""
    given = dict(locals())
    from selfsup.curating import outliers as find
    from selfsup.terminal.curating import print_outliers

    print_outliers(find(given.pop("run"), given.pop("data"), **given))


@app.command()
def suggest(
    run: RunFolder,
    data: OwnData = None,
    labels: Annotated[
        str | None, typer.Option(help="Those there are: `folder`, a table of path and label, or a column.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many to label next.")] = 50,
    strategy: Annotated[str, typer.Option(help="auto, random, typical, coverage, uncertain, mixed.")] = "auto",
    out: Out = None,
    layer: Layer = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same choice.")] = 0,
    without_samples: WithoutSamples = False,
    kind: Kind = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
) -> None:
    """Choose what to label next: a table to fill in, and a contact sheet."""
    given = dict(locals())
    from selfsup.curating import suggest as choose
    from selfsup.terminal.curating import print_suggestions

    print_suggestions(choose(given.pop("run"), given.pop("data"), **given))


@app.command()
def suspects(
    run: RunFolder,
    data: OwnData = None,
    labels: Annotated[str, typer.Option(help="`folder`, a table of path and label, or a column.")] = "folder",
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Judged by what saw none of it; by default as the run did; or none.", show_default=False),
    ] = None,
    out: Out = None,
    layer: Layer = None,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
    without_samples: WithoutSamples = False,
    kind: Kind = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
) -> None:
    """Find labels that look wrong: those that a probe, which learned from the others, contradicts."""
    given = dict(locals())
    from selfsup.curating import suspects as find
    from selfsup.terminal.curating import print_suspects

    print_suspects(find(given.pop("run"), given.pop("data"), **given))
