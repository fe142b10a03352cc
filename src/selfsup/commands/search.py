"""`selfsup search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Collection


@app.command()
def search(
    index: Annotated[str, typer.Argument(metavar="INDEX", help="What `selfsup index` had as --to.", show_default=False)],
    query: Annotated[str | None, typer.Argument(metavar="[QUERY]", help="A picture's file, or words.", show_default=False)] = None,
    row: Annotated[str | None, typer.Option(metavar="ID", help="More like this row of the index.", show_default=False)] = None,
    like: Annotated[
        str | None, typer.Option(metavar="FILE", help="More like what this file holds, a picture or a text.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many rows.")] = 10,
    filter: Annotated[
        str | None, typer.Option(metavar="EXPR", help="""Of fields, as 'label in ["cat"] and width > 100'.""", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with the pictures or texts in it.", show_default=False)
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where the index's run is now, if it was moved.", show_default=False)
    ] = None,
    collection: Collection = "selfsup",
) -> None:
    """Find what is most like a picture, a text or a row of an index, nearest first."""
    from selfsup.searching import search as find
    from selfsup.searching.page import write_page
    from selfsup.terminal.found import print_found, print_json

    found = find(index, query, row=row, like=like, k=k, filter=filter, run=run, collection=collection)
    if json:
        print_json(found)
    else:
        print_found(found)
    if html is not None:
        page = write_page(found, html)
        if not json:
            print(f"\nPage: {page}")
