"""Folders of texts' networks that `transformers` loads, with the head that predicts words where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from selfsup.exporting.exported import Written, checked
from selfsup.exporting.subjects import Documents, padded
from selfsup.exporting.text_code import transformers_text_code
from selfsup.exporting.tokenizer_files import save_tokenizer
from selfsup.exporting.whole_networks import plain_model, pooled_tokens
from selfsup.exporting.word_heads import with_head


def write_transformers(subject: Documents, folder: Path) -> Written:
    """`AutoModel`, `AutoTokenizer`, and `AutoModelForMaskedLM` or `AutoModelForCausalLM` where the run's task predicts words."""
    found = with_head(subject)
    model = plain_model(subject) if isinstance(found, str) else found[0]
    model.save_pretrained(folder)
    save_tokenizer(subject, folder, prompts=not isinstance(found, str))
    kind = "AutoModelForTextEncoding" if subject.network.settings.configuration.get("is_encoder_decoder") else "AutoModel"
    loaded, pooling = loaded_model(folder, kind)
    width, difference = compared(subject, loaded)
    notes = long_notes(subject)
    if isinstance(found, str):
        notes.append(found)
    else:
        predicts = "AutoModelForCausalLM" if subject.network.causal else "AutoModelForMaskedLM"
        notes.append(
            f"`{predicts}.from_pretrained(FOLDER)` predicts words; its scores differ from the run's by {found[1]:.1g} of the largest."
        )
    code = transformers_text_code(subject, kind, without_pooling=pooling)
    return Written(width, difference, code, ("transformers", "torch"), notes)


def loaded_model(folder: Path, kind: str) -> tuple[Any, bool]:
    """The model as a class of `transformers` loads it, and whether that had to be told to leave out the pooling layer of BERT."""
    import transformers

    load = getattr(transformers, kind).from_pretrained
    try:
        return load(folder, local_files_only=True, add_pooling_layer=False).eval(), True
    except TypeError:  # a kind of model that has no such layer
        return load(folder, local_files_only=True).eval(), False


@torch.no_grad()
def compared(subject: Documents, model: Any) -> tuple[int, float]:
    """The width of what a model of transformers gives for padded rows, and how far it is from the run's."""
    rows = subject.rows()
    ids, seen = padded(rows)
    states = model(input_ids=ids, attention_mask=seen, output_hidden_states=True).hidden_states
    found = pooled_tokens(torch.stack([states[place] for place in subject.places]).mean(dim=0), seen, subject.pool)
    return int(found.shape[1]), checked(found, subject.embeddings(rows), "the model of transformers")


def long_notes(subject: Documents) -> list[str]:
    """What is otherwise for texts that are longer than the context."""
    return [
        f"Texts of more than {subject.network.context} tokens are cut off there; `selfsup embed` reads all of them, window by window, as "
        "the README of an export with --format onnx or torch shows."
    ]
