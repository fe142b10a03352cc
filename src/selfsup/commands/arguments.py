"""Arguments that several commands share, and words on the command line read into values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

DATA_HELP = "A folder, a file or a glob of pictures or texts, .npz/.npy, or a table (.csv, .jsonl, .parquet)."
RUN_HELP = "The folder that `selfsup pretrain` printed."
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP, show_default=False)]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
TextColumns = Annotated[str | None, typer.Option(metavar="COLUMNS", help="Columns of a table that hold text.", rich_help_panel="Text")]
IdColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that names documents.", rich_help_panel="Text")]
Language = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="A column, folder, name (page.de.txt), or =de for all.", rich_help_panel="Text")
]
Encoding = Annotated[str | None, typer.Option(help="Of all files; by default told from each.", rich_help_panel="Text")]
Split = Annotated[str | None, typer.Option(metavar="FILE", help="Table of path and split.", rich_help_panel="Data")]
Groups = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Kept on one side: a column, folder, name, blocks:N, FILE.csv:COLUMN.", rich_help_panel="Data"),
]
OwnData = Annotated[
    str | None, typer.Argument(metavar="[DATA]", help=DATA_HELP + " By default what the run was pretrained on.", show_default=False)
]
Kind = Annotated[str, typer.Option(help="What the data is: auto, image, text, pair.", rich_help_panel="Data")]
ImageColumn = Annotated[
    str | None, typer.Option("--image", metavar="COLUMN", help="Column that names pictures.", rich_help_panel="Pairs", show_default=False)
]
ImageFrom = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="The pictures' network goes on from this run.", rich_help_panel="Pairs", show_default=False),
]
TextFrom = Annotated[
    str | None, typer.Option(metavar="RUN", help="The captions' network and tokeniser.", rich_help_panel="Pairs", show_default=False)
]
Freeze = Annotated[
    str | None, typer.Option(metavar="image|text", help="The side that stays as it is.", rich_help_panel="Pairs", show_default=False)
]
SharedWidth = Annotated[
    int | None, typer.Option(min=1, help="Of the shared space, 256 by default.", rich_help_panel="Pairs", show_default=False)
]
StoreLimit = Annotated[float, typer.Option(metavar="GB", help="The most that decoded pictures may take on disk.", rich_help_panel="Data")]
Deduplicate = Annotated[
    bool, typer.Option("--deduplicate", help="Leave out copies, quoted replies, signatures, boilerplate.", rich_help_panel="Text")
]
Tokeniser = Annotated[
    str | None, typer.Option(metavar="PATH|bytes", help="By default one is trained.", rich_help_panel="Text", show_default=False)
]
Vocabulary = Annotated[
    int | None, typer.Option(min=257, help="Words of the tokeniser that is trained.", rich_help_panel="Text", show_default=False)
]
Context = Annotated[int | None, typer.Option(min=2, help="Tokens of a row, 128 by default.", rich_help_panel="Text", show_default=False)]
Collection = Annotated[str, typer.Option(metavar="NAME", help="Of a server's collections, which.")]
On = Annotated[
    str | None, typer.Option(metavar="ray[:ADDRESS]", help="Embed on all cores here, or on a cluster of Ray.", show_default=False)
]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16; auto measures.", rich_help_panel="Training")]


def runs_and_data(paths: Sequence[str]) -> tuple[list[str], str | None]:
    """Folders of runs, and the data behind them, None where the last path holds a run too. Raises ValueError where there is no run."""
    if Path(paths[-1], "run.json").is_file():
        return list(paths), None
    *folders, data = paths
    if not folders:
        raise ValueError(
            f"evaluate got one path, {data}, which is no run; expected at least two: folders of runs, then the data to score on."
        )
    return folders, data


def names_in(text: str) -> list[str]:
    """`"linear, knn"` as a list."""
    return [name.strip() for name in text.split(",")]


def parse_counts(text: str, option: str = "--labels-per-class") -> tuple[int | str, ...]:
    """`"1,5,all"` as `(1, 5, "all")`. Raises ValueError for anything but whole numbers from 1 and `all`."""
    words = names_in(text)
    wrong = [word for word in words if word != "all" and not (word.isascii() and word.isdigit() and int(word) > 0)]
    if wrong:
        raise ValueError(f"{option} got {wrong[0]!r}; expected whole numbers and `all`, with commas: 1,5,10,all.")
    return tuple(word if word == "all" else int(word) for word in words)
