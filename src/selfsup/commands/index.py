"""`selfsup index`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Collection, Encoding, IdColumn, Kind, Language, On, OwnData, RunFolder, TextColumns


@app.command()
def index(
    run: RunFolder,
    to: Annotated[
        str, typer.Option(metavar="DIR|http://HOST:PORT", help="A folder, for Milvus Lite, or a Milvus server.", show_default=False)
    ],
    data: OwnData = None,
    labels: Annotated[
        str | None, typer.Option(help="For filters: `folder`, a table of path and label, or a column.", show_default=False)
    ] = None,
    layer: Annotated[str | None, typer.Option(help="As for `embed`. Stays as it is in an index.", show_default=False)] = None,
    side: Annotated[
        str | None, typer.Option(metavar="image|text", help="Of a run of pairs: what is indexed. By default pictures.", show_default=False)
    ] = None,
    collection: Collection = "selfsup",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the database anew from the embeddings kept in Parquet, without DATA or network.")
    ] = False,
    kind: Kind = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
    on: On = None,
) -> None:
    """Put embeddings into a vector database, to be searched. Again: what is new is added, what is gone is removed."""
    given = dict(locals())
    from selfsup.searching import index as index_data
    from selfsup.terminal.found import print_indexed

    made = index_data(given.pop("run"), given.pop("data"), **given)
    if os.environ.get("RANK", "0") != "0":  # of several processes one speaks
        return
    print_indexed(made)
    named = "" if collection == "selfsup" else f" --collection {collection}"
    print(f"\nNext: selfsup search {to} QUERY{named}")
