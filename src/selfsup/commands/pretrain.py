"""`selfsup pretrain`."""

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
    Freeze,
    Groups,
    IdColumn,
    ImageColumn,
    ImageFrom,
    Kind,
    Language,
    Precision,
    SharedWidth,
    Split,
    StoreLimit,
    TextColumns,
    TextFrom,
    Tokeniser,
    Vocabulary,
)


@app.command()
def pretrain(
    data: Data,
    task: Annotated[str, typer.Option(help="A name from `selfsup tasks`, or mytask.py:MyTask.", show_default=False)],
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the task, see `selfsup tasks NAME`. Repeatable.")
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="A name from `selfsup backbones` or of timm; auto goes by picture size and budget.")
    ] = "auto",
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of a view in pixels. By default from the pictures.", show_default=False)
    ] = None,
    kind: Kind = "auto",
    views: Annotated[str | None, typer.Option(metavar="FILE.py:FN", help="Your own views.", rich_help_panel="Data")] = None,
    split: Split = None,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share held out from pretraining.", rich_help_panel="Data")] = 0.0,
    groups: Groups = None,
    store_limit: StoreLimit = 100.0,
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
    deduplicate: Deduplicate = False,
    tokenizer: Tokeniser = None,
    vocabulary: Vocabulary = None,
    context: Context = None,
    alpha: Annotated[float, typer.Option(help="Languages: 1 as they are, 0 all alike.", rich_help_panel="Text")] = 0.3,
    repeats: Annotated[float, typer.Option(help="The most a small language is repeated.", rich_help_panel="Text")] = 4.0,
    image: ImageColumn = None,
    image_from: ImageFrom = None,
    text_from: TextFrom = None,
    freeze: Freeze = None,
    shared_width: SharedWidth = None,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Time to train for: 90s, 10m, 2h.", rich_help_panel="Training")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of a time.", rich_help_panel="Training")] = None,
    epochs: Annotated[float | None, typer.Option(help="Instead of a time.", rich_help_panel="Training")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Pictures a step, over all processes.", rich_help_panel="Training")] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Parts a batch is computed in, to save memory.", rich_help_panel="Training")] = 1,
    learning_rate: Annotated[
        float | None, typer.Option(help="By default the optimiser's, by batch size.", rich_help_panel="Training")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="By default the optimiser's.", rich_help_panel="Training")] = None,
    optimizer: Annotated[str, typer.Option(help="adamw or lars.", rich_help_panel="Training")] = "adamw",
    schedule: Annotated[
        str, typer.Option(help="cosine, or constant until a cool-down: then --resume --steps can lengthen it.", rich_help_panel="Training")
    ] = "cosine",
    precision: Precision = "auto",
    weights: Annotated[
        str | None, typer.Option(metavar="PATH|RUN", help="Start from a run, a .safetensors or a timm folder.", rich_help_panel="Training")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.", rich_help_panel="Training")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default a new folder under runs/.", show_default=False)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")] = False,
) -> None:
    """Pretrain a backbone on DATA with one pretext task. Labels are never read."""
    given = dict(locals())  # one keyword of the function for each option of the command
    from selfsup.options import parse_settings
    from selfsup.pretraining import pretrain as pretrain_run

    given["options"] = parse_settings(options or [])
    run = pretrain_run(given.pop("data"), **given)
    if run.kind == "pair":
        print(f"\nRun: {run.folder}\nNext: selfsup evaluate {run.folder} {data}")
        return
    labels = "COLUMN" if Path(data).suffix in (".csv", ".tsv", ".jsonl", ".parquet") else "folder"
    print(f"\nRun: {run.folder}\nNext: selfsup evaluate {run.folder} {data} --labels {labels}")
