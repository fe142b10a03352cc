"""`selfsup evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from selfsup.commands.application import app
from selfsup.commands.arguments import Encoding, IdColumn, ImageColumn, Language, TextColumns, names_in, parse_counts, runs_and_data
from selfsup.commands.pairs import score_pairs
from selfsup.commands.uses import score_uses


@app.command()
def evaluate(
    paths: Annotated[
        list[str], typer.Argument(metavar="RUN... [DATA]", help="Folders of runs, then the data to score on; by default the first run's.")
    ],
    labels: Annotated[str | None, typer.Option(help="`folder`, a table of path and label, or a column.", show_default=False)] = None,
    probes: Annotated[
        str, typer.Option(help="Ways to score: linear, knn, finetune (takes long), retrieval; of pairs retrieval, zero_shot.")
    ] = "linear,knn",
    labels_per_class: Annotated[str, typer.Option(help="Numbers of labels, with commas, and `all`.")] = "1,5,10,all",
    draws: Annotated[
        int | None, typer.Option(min=2, help="Random draws of the labels: 5 by default, 3 of boxes and masks.", show_default=False)
    ] = None,
    baselines: Annotated[
        str, typer.Option(help="Rows to beat, with commas: pixels (texts: tfidf, lsa), untrained, scratch (takes longest); all, or none.")
    ] = "all",
    weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="Weights you already have: one more row to beat.", show_default=False)
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What stays on one side of the split; by default as the run did; or none.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default the folder the runs are in.", show_default=False)] = None,
    boxes: Annotated[
        str | None, typer.Option(metavar="FILE.json", help="Find things: boxes in COCO's format.", rich_help_panel="Beyond classes")
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(metavar="DIR|FILE.json", help="Segment: a PNG a picture, or COCO's polygons.", rich_help_panel="Beyond classes"),
    ] = None,
    regression: Annotated[bool, typer.Option("--regression", help="--labels are numbers.", rich_help_panel="Beyond classes")] = False,
    multi_label: Annotated[
        bool,
        typer.Option(
            "--multi-label",
            help="--labels are several an item: a;b, or FILE.csv:A,B.",
            rich_help_panel="Beyond classes",
        ),
    ] = False,
    labelled: Annotated[
        str, typer.Option(help="How many items to learn from, for these, and `all`.", rich_help_panel="Beyond classes")
    ] = "10,50,all",
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="With --boxes: train the backbone too.", rich_help_panel="Beyond classes")
    ] = False,
    language_modelling: Annotated[
        bool, typer.Option("--language-modelling", help="Without labels: bits per byte, or hidden words guessed.", rich_help_panel="Text")
    ] = False,
    parallel: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Without labels: find translations, whole documents or their paragraphs, or columns of a table, de,en.",
            rich_help_panel="Text",
        ),
    ] = None,
    across_languages: Annotated[
        bool, typer.Option("--across-languages", help="Labels in one language, tests in each other.", rich_help_panel="Text")
    ] = False,
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
    image: ImageColumn = None,
    templates: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT|FILE|LANGUAGES",
            help="For --labels of pairs: 'a photo of {}', a file, or en,de.",
            rich_help_panel="Pairs",
            show_default=False,
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="A task of your own, named again, to model language.", rich_help_panel="Text")] = None,
) -> None:
    """Score runs, with intervals, beside baselines: on labels, or texts also without any. Runs of one task are seeds of one row."""
    given = dict(locals())
    folders, data = runs_and_data(paths)
    if score_pairs(folders, data, given):
        return
    if labels is None and not language_modelling and parallel is None and boxes is None and masks is None:
        raise ValueError(
            "nothing to score on was given: expected --labels, --boxes or --masks, or, for texts, --language-modelling or --parallel."
        )
    if score_uses(folders, data, given):
        labels = None
    if across_languages and labels is None:
        raise ValueError("--across-languages says that labels count in other languages than they are in: expected --labels too.")
    if weights is not None and labels is None and parallel is None:
        raise ValueError("--weights is a row of scores by embeddings, and has no task that models language: leave it out, or add --labels.")
    counts = parse_counts(labels_per_class)
    from selfsup import evaluation
    from selfsup.terminal.languages import print_across_languages, print_language_modelling
    from selfsup.terminal.scores import print_results

    told: dict[str, Any] = {"text": text, "id": id, "language": language, "encoding": encoding, "out": out}
    beside: dict[str, Any] = {"weights": weights, "baselines": baselines != "none"}
    if language_modelling:
        print_language_modelling(evaluation.evaluate_language_modelling(folders, data, task=task, **told))
    if parallel is not None or across_languages:
        carried: dict[str, Any] = {"labels": labels if across_languages else None, "labels_per_class": evaluation.primary_count(counts)}
        print_across_languages(evaluation.evaluate_across_languages(folders, data, parallel=parallel, **carried, **beside, **told))
    if labels is not None and not across_languages:
        asked: dict[str, Any] = {
            "probes": tuple(names_in(probes)),
            "labels_per_class": counts,
            "draws": 5 if draws is None else draws,
            "seed": seed,
        }
        beside |= {} if baselines in ("all", "none") else {"baselines": names_in(baselines)}
        print_results(evaluation.evaluate(folders, data, labels=labels, groups=groups, **asked, **beside, **told))
    print(f"\nNext: selfsup report {' '.join(folders)}")
