"""The head that predicts words, under the names that models of `transformers` give it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from selfsup.backbones.text_names import configured
from selfsup.exporting.exported import difference_of
from selfsup.exporting.subjects import Documents
from selfsup.exporting.whole_networks import plain_model
from selfsup.heads import WordHead
from selfsup.tasks import TASKS
from selfsup.trained import load_task

LOGITS = 1e-3
"""The most that scores of words may differ, in parts of the largest. More than embeddings may: BERT's own head adds 1e-12 to the variance
that its norm divides by, ours, as PyTorch does, 1e-5."""

MASKED = {
    "bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
    "roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    "xlm-roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    "camembert": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    "modernbert": ("head.dense", "head.norm", "decoder.bias"),
}
"""By model type: the layer, the norm, and the bias of each word."""


def with_head(subject: Documents) -> tuple[Any, float] | str:
    """A model of `transformers` with the head of the run's task, and how far its scores are from the task's; or why there is none."""
    run = subject.run
    assert run is not None, "models, which have no run, are not written here"
    if run.task not in TASKS:
        return f"The head of {run.row}, a task of your own, was left out."
    try:
        task: Any = load_task(run).cpu()
    except ValueError as error:  # a run that lost its head still has its backbone
        return f"The head of {run.row} was left out: {error}"
    if not hasattr(task, "logits"):
        return f"The head of {run.row} was left out: it does not predict words."
    forwards = task.reads_forwards
    if not forwards and not isinstance(getattr(task, "head", None), WordHead):
        return f"The head of {run.row} was left out: transformers has none like it."
    kind = subject.network.model.config.model_type
    if not forwards and kind not in MASKED:
        return f"The head of {run.row} was left out: where it belongs in a {kind} of transformers is not known here."
    model = causal(subject) if forwards else masked(subject, task.head, *MASKED[kind])
    row = subject.rows()[0][None]
    with torch.no_grad():
        expected = task.logits(row) if forwards else task.logits(row, torch.arange(row.shape[1])[None])
        difference = difference_of(model(input_ids=row).logits, expected)
    if not difference <= LOGITS:
        return f"The head of {run.row} was left out: in transformers its scores differ by {difference:.2g} of the largest."
    return model, difference


def causal(subject: Documents) -> Any:
    """A decoder that scores words with the table of its input."""
    from transformers import AutoModelForCausalLM

    return plain_model(subject, kind=AutoModelForCausalLM, tie_word_embeddings=True)


def masked(subject: Documents, head: WordHead, dense: str, norm: str, bias: str) -> Any:
    """An encoder that scores words as `head` does. A norm that has no shift in `transformers` leaves it to the bias of the words."""
    from transformers import AutoModelForMaskedLM

    own = configured(subject.network.model.config.model_type, {}).to_dict()
    entries = {name: True for name in ("classifier_bias", "decoder_bias") if name in own}  # ModernBERT's, and nothing but the head's
    model = plain_model(subject, kind=AutoModelForMaskedLM, tie_word_embeddings=True, **entries)
    table = subject.network.embedding.weight.detach().cpu()
    target: nn.LayerNorm = model.get_submodule(norm)
    shift = torch.zeros(len(table)) if target.bias is not None else table @ head.norm.bias.detach()
    values: dict[str, Tensor] = {
        f"{dense}.weight": head.dense.weight, f"{dense}.bias": head.dense.bias, f"{norm}.weight": head.norm.weight,
        bias: head.bias + shift,
    } | ({f"{norm}.bias": head.norm.bias} if target.bias is not None else {})  # fmt: skip
    with torch.no_grad():
        parameters = dict(model.named_parameters(remove_duplicate=False))
        for name, value in values.items():
            parameters[name].copy_(value.detach())
    return model
