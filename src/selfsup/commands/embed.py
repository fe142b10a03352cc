"""`selfsup embed`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Encoding, IdColumn, Language, On, OwnData, RunFolder, TextColumns


@app.command()
def embed(
    run: RunFolder,
    data: OwnData = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.parquet", help="By default in the run's folder, for its report.", show_default=False)
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="As stage3/mean. By default the one `evaluate` chose, or the last but one.", show_default=False)
    ] = None,
    kind: Annotated[str, typer.Option(help="What the data is: auto, image.")] = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
    on: On = None,
) -> None:
    """Write an embedding of every picture or document: id, path and vector, as Parquet."""
    given = dict(locals())
    from selfsup.embedding import embed as embed_data

    found = embed_data(given.pop("run"), given.pop("data"), **given)
    if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
        print(f"{found.count} embeddings of {found.width} numbers from layer {found.layer}: {found.file}")
