"""selfsup: learn from data nobody labelled. The public names, and nothing else.

They are loaded when they are first used, so that `import selfsup` and `selfsup --help` cost next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfsup.auditing import Audit as Audit
    from selfsup.auditing import audit as audit
    from selfsup.comparison import Compared as Compared
    from selfsup.comparison import compare as compare
    from selfsup.curating import Duplicates as Duplicates
    from selfsup.curating import Outliers as Outliers
    from selfsup.curating import Suggestions as Suggestions
    from selfsup.curating import Suspects as Suspects
    from selfsup.curating import duplicates as duplicates
    from selfsup.curating import outliers as outliers
    from selfsup.curating import suggest as suggest
    from selfsup.curating import suspects as suspects
    from selfsup.downstream import evaluate_detection as evaluate_detection
    from selfsup.downstream import evaluate_multi_label as evaluate_multi_label
    from selfsup.downstream import evaluate_regression as evaluate_regression
    from selfsup.downstream import evaluate_segmentation as evaluate_segmentation
    from selfsup.embedding import Embeddings as Embeddings
    from selfsup.embedding import embed as embed
    from selfsup.evaluation import Results as Results
    from selfsup.evaluation import evaluate as evaluate
    from selfsup.evaluation import evaluate_across_languages as evaluate_across_languages
    from selfsup.evaluation import evaluate_captions as evaluate_captions
    from selfsup.evaluation import evaluate_language_modelling as evaluate_language_modelling
    from selfsup.evaluation import evaluate_pairs as evaluate_pairs
    from selfsup.exporting import Exported as Exported
    from selfsup.exporting import export as export
    from selfsup.finetuning import Model as Model
    from selfsup.finetuning import Predictions as Predictions
    from selfsup.finetuning import finetune as finetune
    from selfsup.finetuning import predict as predict
    from selfsup.generation import generate as generate
    from selfsup.generation import reconstruct as reconstruct
    from selfsup.pretext import PairPretext as PairPretext
    from selfsup.pretext import Pretext as Pretext
    from selfsup.pretext import TextPretext as TextPretext
    from selfsup.pretraining import pretrain as pretrain
    from selfsup.reporting.report import report as report
    from selfsup.run import Run as Run
    from selfsup.searching import Found as Found
    from selfsup.searching import Indexed as Indexed
    from selfsup.searching import index as index
    from selfsup.searching import search as search
    from selfsup.tasks import TASKS as TASKS

__version__ = "0.1.0"

_HOMES = {
    "Audit": "selfsup.auditing",
    "Compared": "selfsup.comparison",
    "Duplicates": "selfsup.curating",
    "Embeddings": "selfsup.embedding",
    "Exported": "selfsup.exporting",
    "Found": "selfsup.searching",
    "Indexed": "selfsup.searching",
    "Model": "selfsup.finetuning",
    "Outliers": "selfsup.curating",
    "Predictions": "selfsup.finetuning",
    "PairPretext": "selfsup.pretext",
    "Pretext": "selfsup.pretext",
    "Results": "selfsup.evaluation",
    "Run": "selfsup.run",
    "Suggestions": "selfsup.curating",
    "Suspects": "selfsup.curating",
    "TASKS": "selfsup.tasks",
    "TextPretext": "selfsup.pretext",
    "audit": "selfsup.auditing",
    "compare": "selfsup.comparison",
    "duplicates": "selfsup.curating",
    "embed": "selfsup.embedding",
    "evaluate": "selfsup.evaluation",
    "evaluate_detection": "selfsup.downstream",
    "evaluate_multi_label": "selfsup.downstream",
    "evaluate_regression": "selfsup.downstream",
    "evaluate_segmentation": "selfsup.downstream",
    "evaluate_across_languages": "selfsup.evaluation",
    "evaluate_captions": "selfsup.evaluation",
    "evaluate_language_modelling": "selfsup.evaluation",
    "evaluate_pairs": "selfsup.evaluation",
    "export": "selfsup.exporting",
    "finetune": "selfsup.finetuning",
    "generate": "selfsup.generation",
    "index": "selfsup.searching",
    "outliers": "selfsup.curating",
    "predict": "selfsup.finetuning",
    "pretrain": "selfsup.pretraining",
    "reconstruct": "selfsup.generation",
    "report": "selfsup.reporting",
    "search": "selfsup.searching",
    "suggest": "selfsup.curating",
    "suspects": "selfsup.curating",
}


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'selfsup' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion in a shell or notebook."""
    return sorted([*_HOMES, "__version__"])
