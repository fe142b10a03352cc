"""`selfsup generate` and `selfsup reconstruct`: what a trained task makes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import DATA_HELP, RunFolder


@app.command()
def generate(
    run: RunFolder,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PICTURE...]", help="Pictures, or a folder of them, to write captions for.", show_default=False),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Text to go on from, or with [MASK] where words are to be filled in.", show_default=False)
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="The most to write.", rich_help_panel="Text")] = 200,
    temperature: Annotated[
        float | None,
        typer.Option(help="0 takes the likeliest (captions do), 1 draws as was learned.", rich_help_panel="Text", show_default=False),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Draw from so many; for [MASK], how many to show.", rich_help_panel="Text", show_default=False)
    ] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest that have this probability together.", rich_help_panel="Text")
    ] = 0.95,
    repeats: Annotated[
        bool | None,
        typer.Option(
            help="Warn of 50 tokens that stand in the corpus; by default if it is small.", rich_help_panel="Text", show_default=False
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of captions, if the run knows several.", rich_help_panel="Text", show_default=False),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Pictures, 16 by default.", rich_help_panel="Pictures", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A .png, by default in the run; captions: a .jsonl.", rich_help_panel="Pictures", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same.")] = 0,
    task: Annotated[str | None, typer.Option(help="A task of your own, named again.", show_default=False)] = None,
) -> None:
    """Let a trained task make something new: pictures on a sheet, text that goes on, words for [MASK], or captions of pictures."""
    given = dict(locals())
    given["pictures"] = pictures[0] if pictures and len(pictures) == 1 else pictures or None
    from selfsup.generation import generate as generate_from
    from selfsup.terminal.made import print_made

    print_made(generate_from(given.pop("run"), **given))


@app.command()
def reconstruct(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help=DATA_HELP + " By default what the run was pretrained on.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Pictures from all over the data.")] = 16,
    seed: Annotated[int, typer.Option(help="Of what is hidden or spoiled.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE.png", help="By default in the run.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="A task of your own, named again.", show_default=False)] = None,
    kind: Annotated[str, typer.Option(help="What the data is: auto, image.")] = "auto",
) -> None:
    """Show what a trained task makes of pictures: what it was asked, what it answered, what was there."""
    given = dict(locals())
    from selfsup.generation import reconstruct as reconstruct_from
    from selfsup.terminal.made import print_reconstruction

    print_reconstruction(reconstruct_from(given.pop("run"), given.pop("data"), **given))
