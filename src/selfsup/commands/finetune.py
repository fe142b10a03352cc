"""`selfsup finetune` and `selfsup predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Data, Encoding, IdColumn, Language, RunFolder, TextColumns

KIND = typer.Option(help="What the data is: auto, image, text.")


@app.command()
def finetune(
    run: RunFolder,
    data: Data,
    labels: Annotated[str, typer.Option(help="`folder`, a table of path and label, or a column.", show_default=False)],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default a new folder in the run's.", show_default=False)] = None,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Keep the linear probe where held-back labels say that it is better.")
    ] = True,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Of the views of pictures: flip, turn, crop, jitter, … Repeatable."),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What is held back together, or none; else as the run did.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    kind: Annotated[str, KIND] = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
) -> None:
    """Make a model of RUN and the labels of DATA: fine-tuned, or its linear probe where that is better."""
    given = dict(locals())
    from selfsup.finetuning import finetune as make_model
    from selfsup.options import parse_settings
    from selfsup.terminal.models import print_model

    given["views"] = parse_settings(given.pop("options") or [])
    model = make_model(given.pop("run"), given.pop("data"), **given)
    print_model(model)
    print(f"\nModel: {model.folder}\nNext: selfsup predict {model.folder} DATA --out predictions.csv")


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The folder that `selfsup finetune` printed.", show_default=False)],
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .csv or .parquet file.", show_default=False)],
    probabilities: Annotated[str, typer.Option(metavar="all|none|CLASS", help="Classes that get a column.")] = "all",
    kind: Annotated[str, KIND] = "auto",
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
) -> None:
    """Say what class everything in DATA is of, and how sure that is."""
    given = dict(locals())
    from selfsup.finetuning import Model
    from selfsup.finetuning import predict as predict_data
    from selfsup.terminal.models import print_predictions

    loaded = Model.load(given.pop("model"))
    print_predictions(predict_data(loaded, given.pop("data"), **given), loaded)
