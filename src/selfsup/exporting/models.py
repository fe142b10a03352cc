"""Models as subjects: the fine-tuned network with its classifier on top."""

from __future__ import annotations

from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.exporting.subjects import Documents, Pictures, Top
from selfsup.finetuning import Model
from selfsup.finetuning.kinds import kind_of


def subject_of_model(model: Model, layer: str | None = None) -> Pictures | Documents:
    """What is exported of a model. Raises ValueError where another layer is asked for than it classifies."""
    if layer not in (None, model.layer):
        raise ValueError(f"layer is {layer!r}, and the model in {model.folder} classifies {model.layer}. Leave it out.")
    how = kind_of(model.kind, model.folder)
    classifier = model.classifier(how.network(model.network, model.folder), how.reads)
    top = Top(classifier, temperature=model.calibration.temperature, classes=model.classes)
    if model.kind == "image":
        return Pictures(classifier.backbone, model.layer, int(model.reading["side"]), top)
    columns = model.reading.get("told", {}).get("text")
    return Documents(None, classifier.backbone, Tokenizer.load(model.folder), model.layer, top, columns=columns)
