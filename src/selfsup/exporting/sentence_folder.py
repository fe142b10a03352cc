"""Folders that `SentenceTransformer(folder)` loads."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from selfsup.exporting.exported import TOLERANCE, Written, checked, difference_of, need
from selfsup.exporting.subjects import Documents, padded
from selfsup.exporting.text_code import sentence_code
from selfsup.exporting.tokenizer_files import save_tokenizer
from selfsup.exporting.transformers_folder import long_notes
from selfsup.exporting.whole_networks import plain_model, pooled_tokens

POOLINGS = {"mean": "mean", "max": "max", "last": "lasttoken"}


def write_sentence_transformers(subject: Documents, folder: Path) -> Written:
    """Transformer, a choice of layers where the last layer is not the one, and Pooling; of a side its projection and Normalize.

    Where a network that ends with the chosen layer gives the same, the layers behind it are left out. Elsewhere (networks with a norm
    after their last layer) all are computed, and a weighting takes the chosen.
    """
    need("sentence-transformers", "sentence_transformers")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer, WeightedLayerPooling

    model, layers = shortest_model(subject)
    depth = int(model.config.num_hidden_layers)
    with tempfile.TemporaryDirectory() as place:
        model.save_pretrained(place)
        save_tokenizer(subject, Path(place))
        options = {} if layers is None else {"config_kwargs": {"output_hidden_states": True}}
        modules: list[nn.Module] = [Transformer(place, **options)]
    if layers is not None:
        weighting = WeightedLayerPooling(subject.network.width, num_hidden_layers=depth, layer_start=0)
        with torch.no_grad():
            weighting.layer_weights.zero_()[layers] = 1.0
        modules.append(weighting)
    modules.append(Pooling(subject.network.width, POOLINGS[subject.pool]))
    if subject.shared is not None:
        dense = Dense(subject.network.width, subject.width, bias=False, activation_function=nn.Identity())
        dense.linear.weight.data.copy_(subject.shared.matrix)
        modules += [dense, Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    loaded = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    texts = readable(subject)
    rows = [torch.from_numpy(subject.tokenizer.encode(text).astype("int64"))[: subject.network.context] for text in texts]
    found = torch.from_numpy(loaded.encode(texts, show_progress_bar=False))
    expected = subject.embeddings(rows)
    expected = expected if subject.shared is None else F.normalize(expected, dim=1)
    difference = checked(found, expected, "the folder for sentence-transformers")
    return Written(int(found.shape[1]), difference, sentence_code(subject), ("sentence-transformers",), long_notes(subject))


def readable(subject: Documents) -> list[str]:
    """Made-up texts of several lengths, from the words of the tokeniser."""
    texts = (subject.tokenizer.decode(row).strip() for row in subject.rows())
    return [text for text in texts if len(subject.tokenizer.encode(text))]


@torch.no_grad()
def shortest_model(subject: Documents) -> tuple[Any, list[int] | None]:
    """A model that ends with the chosen layer if that gives the same, else the whole one and which of its hidden states to average."""
    whole = plain_model(subject)
    subject = dataclasses.replace(subject, layer=f"{subject.name}/{subject.pool}", shared=None)
    rows = subject.rows()
    ids, seen = padded(rows)
    expected = subject.embeddings(rows)
    if len(subject.places) == 1:
        try:
            short = plain_model(subject, num_hidden_layers=subject.places[0])
            states = short(input_ids=ids, attention_mask=seen).last_hidden_state
        except (ValueError, RuntimeError):  # a kind whose configuration tells its layers one by one
            return whole, subject.places
        if difference_of(pooled_tokens(states, seen, subject.pool), expected) <= TOLERANCE:
            return short, None
    return whole, subject.places
