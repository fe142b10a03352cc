"""The command line: parse, call one function, print. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import selfsup

app = typer.Typer(
    help="Learn from data nobody labelled: pretrain a backbone on a pretext task, score it on few labels, look at all of it.",
    epilog="The first result: selfsup pretrain PICTURES --task simclr --budget 10m, then selfsup evaluate RUN PICTURES --labels folder.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

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


def _print_version(asked: bool) -> bool:
    if asked:
        print(selfsup.__version__)
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Options of `selfsup` itself. Without a text of its own in the help: that of `app` stands there."""


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
    kind: Annotated[str, typer.Option(help="What the data is: auto, image, text.", rich_help_panel="Data")] = "auto",
    views: Annotated[str | None, typer.Option(metavar="FILE.py:FN", help="Your own views.", rich_help_panel="Data")] = None,
    split: Annotated[str | None, typer.Option(metavar="FILE", help="Table of path and split.", rich_help_panel="Data")] = None,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share held out from pretraining.", rich_help_panel="Data")] = 0.0,
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Kept on one side: a column, folder, name, blocks:N, FILE.csv:COLUMN.", rich_help_panel="Data"),
    ] = None,
    store_limit: Annotated[
        float, typer.Option(metavar="GB", help="The most that decoded pictures may take on disk.", rich_help_panel="Data")
    ] = 100.0,
    text: TextColumns = None,
    id: IdColumn = None,
    language: Language = None,
    encoding: Encoding = None,
    deduplicate: Annotated[
        bool, typer.Option("--deduplicate", help="Leave out copies, quoted replies, signatures, boilerplate.", rich_help_panel="Text")
    ] = False,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="PATH|bytes", help="By default one is trained.", rich_help_panel="Text", show_default=False)
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(min=257, help="Words of the tokeniser that is trained.", rich_help_panel="Text", show_default=False)
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=2, help="Tokens of a row, 128 by default.", rich_help_panel="Text", show_default=False)
    ] = None,
    alpha: Annotated[float, typer.Option(help="Languages: 1 as they are, 0 all alike.", rich_help_panel="Text")] = 0.3,
    repeats: Annotated[float, typer.Option(help="The most a small language is repeated.", rich_help_panel="Text")] = 4.0,
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
    schedule: Annotated[str, typer.Option(help="cosine or constant.", rich_help_panel="Training")] = "cosine",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16; auto measures.", rich_help_panel="Training")] = "auto",
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
    labels = "COLUMN" if Path(data).suffix in (".csv", ".tsv", ".jsonl", ".parquet") else "folder"
    print(f"\nRun: {run.folder}\nNext: selfsup evaluate {run.folder} {data} --labels {labels}")


@app.command()
def embed(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help=DATA_HELP + " By default what the run was pretrained on.", show_default=False)
    ] = None,
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
) -> None:
    """Write an embedding of every picture or document: id, path and vector, as Parquet."""
    given = dict(locals())
    from selfsup.embedding import embed as embed_data

    found = embed_data(given.pop("run"), given.pop("data"), **given)
    print(f"{found.count} embeddings of {found.width} numbers from layer {found.layer}: {found.file}")


@app.command()
def evaluate(
    paths: Annotated[
        list[str], typer.Argument(metavar="RUN... [DATA]", help="Folders of runs, then the data to score on; by default the first run's.")
    ],
    labels: Annotated[str | None, typer.Option(help="`folder`, a table of path and label, or a column.", show_default=False)] = None,
    probes: Annotated[str, typer.Option(help="Ways to score, with commas: linear, knn.")] = "linear,knn",
    labels_per_class: Annotated[str, typer.Option(help="Numbers of labels, with commas, and `all`.")] = "1,5,10,all",
    draws: Annotated[int, typer.Option(min=5, help="Random draws of the labels.")] = 5,
    baselines: Annotated[
        str, typer.Option(help="Rows to beat, with commas: pixels (texts: tfidf, lsa), untrained, scratch (takes longest); all, or none.")
    ] = "all",
    weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="Weights you already have: one more row to beat.", show_default=False)
    ] = None,
    groups: Annotated[str | None, typer.Option(metavar="COLUMN", help="What stays on one side of the split.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default the folder the runs are in.", show_default=False)] = None,
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
    task: Annotated[str | None, typer.Option(help="A task of your own, named again, to model language.", rich_help_panel="Text")] = None,
) -> None:
    """Score runs, with intervals, beside baselines: on labels, or texts also without any. Runs of one task are seeds of one row."""
    folders, data = runs_and_data(paths)
    if labels is None and not language_modelling and parallel is None:
        raise ValueError("nothing to score on was given: expected --labels, or, for texts, --language-modelling or --parallel.")
    if across_languages and labels is None:
        raise ValueError("--across-languages says that labels count in other languages than they are in: expected --labels too.")
    counts = parse_counts(labels_per_class)
    from selfsup import evaluation, terminal

    told: dict[str, Any] = {"text": text, "id": id, "language": language, "encoding": encoding, "out": out}
    beside: dict[str, Any] = {"weights": weights, "baselines": baselines != "none"}
    if language_modelling:
        terminal.print_language_modelling(evaluation.evaluate_language_modelling(folders, data, task=task, **told))
    if parallel is not None or across_languages:
        carried: dict[str, Any] = {"labels": labels if across_languages else None, "labels_per_class": evaluation.primary_count(counts)}
        terminal.print_across_languages(evaluation.evaluate_across_languages(folders, data, parallel=parallel, **carried, **beside, **told))
    if labels is not None and not across_languages:
        asked: dict[str, Any] = {"probes": tuple(names_in(probes)), "labels_per_class": counts, "draws": draws, "seed": seed}
        beside |= {} if baselines in ("all", "none") else {"baselines": names_in(baselines)}
        terminal.print_results(evaluation.evaluate(folders, data, labels=labels, groups=groups, **asked, **beside, **told))
    print(f"\nNext: selfsup report {' '.join(folders)}")


@app.command()
def generate(
    run: RunFolder,
    prompt: Annotated[
        str | None, typer.Option(help="Text to go on from, or with [MASK] where words are to be filled in.", show_default=False)
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="The most to write.", rich_help_panel="Text")] = 200,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest, 1 draws as was learned.", rich_help_panel="Text")] = 1.0,
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
    count: Annotated[
        int | None, typer.Option(min=1, help="Pictures, 16 by default.", rich_help_panel="Pictures", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="By default in the run.", rich_help_panel="Pictures", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same.")] = 0,
    task: Annotated[str | None, typer.Option(help="A task of your own, named again.", show_default=False)] = None,
) -> None:
    """Let a trained task make something new: pictures on a sheet, text that goes on, or words for [MASK]."""
    given = dict(locals())
    from selfsup.generation import generate as generate_from
    from selfsup.terminal import print_made

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
    from selfsup.terminal import print_reconstruction

    print_reconstruction(reconstruct_from(given.pop("run"), given.pop("data"), **given))


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of runs, or of an evaluation.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="By default report.html in the folder, or in the one that holds all.", show_default=False),
    ] = None,
    without_samples: Annotated[
        bool, typer.Option("--without-samples", help="Leave out pictures, texts and names of files, to pass it on.")
    ] = False,
) -> None:
    """Make one HTML file to look at all of it, without network."""
    from selfsup.reporting import report as write_report

    print(write_report(folders, out=out, without_samples=without_samples))


@app.command()
def tasks(
    name: Annotated[
        str | None,
        typer.Argument(help="Show this task's options; also mytask.py:MyTask, and with --check myviews.py:FN.", show_default=False),
    ] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="With --check: real pictures to try too.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Try it, and say in words what is broken. Exit code 2 if anything is.")] = False,
    backbone: Annotated[str | None, typer.Option(help="With --check: what to try it on.", show_default=False)] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="With --check: an option of the task. Repeatable.")
    ] = None,
) -> None:
    """List the pretext tasks, or the options of one, or check your own task or views."""
    if check:
        _check(name, data, backbone, options or [])
        return
    if data is not None or backbone is not None or options:
        raise ValueError("DATA, --backbone and --set say what a task is tried on; expected --check with them.")
    from selfsup.terminal import print_options, print_tasks

    if name is None:
        print_tasks()
    else:
        print_options(name)


@app.command()
def backbones() -> None:
    """List the backbones that were made for this and tried. Any other name is looked up in timm."""
    from selfsup.terminal import print_backbones

    print_backbones()


@app.command()
def doctor() -> None:
    """Tell what this machine can do, and which extras are missing."""
    from selfsup.doctor import examine
    from selfsup.terminal import print_machine

    print_machine(examine())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Errors a user can mend are one message on stderr and exit code 2; SELFSUP_DEBUG=1 shows the traceback."""
    try:
        app(args=arguments, prog_name="selfsup")
    except InterruptedError as stopped:  # saved; the message says how to go on
        print(f"selfsup: {stopped}", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        if os.environ.get("SELFSUP_DEBUG", "0") != "0":
            raise
        print(f"selfsup: {_message(error)}", file=sys.stderr)
        sys.exit(2)


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


def parse_counts(text: str) -> tuple[int | str, ...]:
    """`"1,5,all"` as `(1, 5, "all")`. Raises ValueError for anything but whole numbers from 1 and `all`."""
    words = names_in(text)
    wrong = [word for word in words if word != "all" and not (word.isascii() and word.isdigit() and int(word) > 0)]
    if wrong:
        raise ValueError(f"--labels-per-class got {wrong[0]!r}; expected whole numbers and `all`, with commas: 1,5,10,all.")
    return tuple(word if word == "all" else int(word) for word in words)


def _check(name: str | None, data: str | None, backbone: str | None, options: list[str]) -> None:
    if name is None:
        raise ValueError("--check got nothing to check; expected mytask.py:MyTask, myviews.py:function or a name from `selfsup tasks`.")
    from selfsup.contract import check
    from selfsup.options import parse_settings
    from selfsup.terminal import print_check

    checked = check(name, data, backbone=backbone, options=parse_settings(options))
    print_check(checked)
    if checked.findings:
        raise typer.Exit(2)


def _message(error: Exception) -> str:
    """The error in words. One that did not come from our own code says how to see where it came from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "selfsup"
    if isinstance(error, OSError) and error.filename is not None:
        words = f"{error.strerror}: {error.filename}"
    else:
        words = str(error) or type(error).__name__
    return words if ours else f"{words} (SELFSUP_DEBUG=1 shows where this came from)"
