"""`selfsup export`: a trained network for other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app


@app.command()
def export(
    run: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="A folder of `selfsup pretrain` or `selfsup finetune`.", show_default=False)
    ],
    format: Annotated[str, typer.Option(help="timm, torchvision, transformers, sentence-transformers, onnx or torch.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.", show_default=False)],
    layer: Annotated[
        str | None,
        typer.Option(help="As stage3/mean, or shared. By default the one `evaluate` chose, or the last but one.", show_default=False),
    ] = None,
) -> None:
    """Write a run's network, or a model, as another library loads it, checked to be the same, with code that uses it."""
    from selfsup.exporting import export as export_run

    made = export_run(run, format=format, out=out, layer=layer)
    print(f"{made.format} folder with {made.width} numbers an item, from layer {made.layer}: {made.folder}")
    for note in made.notes:
        print(f"- {note}")
    print(f"Next: the code in {made.folder / 'README.md'}")
