"""Text backbones: an encoder or decoder of `transformers` behind one interface."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from selfsup.backbones.backbone import Attention, evenly_spaced
from selfsup.backbones.text_attention import inside_documents
from selfsup.backbones.text_layers import at_positions, quicken, taken_rows
from selfsup.backbones.vocabulary import Vocabulary
from selfsup.views.packed import positions_in

SHOWN, MOST_LAYERS = 4, 6
"""How many evenly spaced layers `features` shows of a model with more than `MOST_LAYERS`; of others it shows all."""


@dataclass(frozen=True)
class TextSettings:
    """Everything needed to build a text backbone again, weights apart. `configuration` is what `config.json` of `transformers` holds.

    `context` is the most tokens a row may have.
    """

    name: str
    context: int
    attention: Attention = "plain"
    configuration: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.context < 2:
            raise ValueError(f"context is {self.context}: a row needs at least 2 tokens.")
        if self.attention not in get_args(Attention):
            raise ValueError(f"attention is {self.attention!r}: it must be one of {get_args(Attention)}.")


class TextBackbone(nn.Module):
    """The part of the network that is kept. Takes ids (B, T) of `vocabulary`, at most `context` a row, without padding between them.

    Attributes: `name`; `width`, the D of `embed`; `layers`, from shallow to deep, of which the last is what `embed` pools, after the final
    norm; `projection`, as pictures' backbones have it; `vocabulary`; `context`; `causal`, whether no token sees a later one; `settings`.
    Nothing in it draws random numbers: dropout is off. `model` is the model of `transformers`, and its state what `AutoModel` loads.
    """

    model: Any  # transformers' attributes are not typed
    projection: Tensor | None = None

    def __init__(self, settings: TextSettings, model: Any, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.settings, self.name, self.context = settings, settings.name, settings.context
        self.vocabulary = vocabulary
        self.model = model
        self.width: int = model.config.hidden_size
        depth: int = model.config.num_hidden_layers
        self.shown = list(range(depth)) if depth <= MOST_LAYERS else evenly_spaced(depth, SHOWN)
        self.layers = tuple(f"layer{number + 1}" for number in self.shown)
        self.accepts = set(inspect.signature(model.forward).parameters)
        self.offset = position_offset(model)
        quicken(model)
        self.causal, self.keeps_documents = self._probed()

    @property
    def embedding(self) -> nn.Embedding:
        """The table of words (V, E), which heads share. E is the width, but in models that project their words (ELECTRA)."""
        table: nn.Embedding = self.model.get_input_embeddings()
        return table

    @property
    def fused_attn(self) -> bool:
        """Whether torch's fused kernel computes attention: what `use_attention` switches."""
        return self.settings.attention == "fused"

    def tokens(
        self, ids: Int[Tensor, "B T"], document: Int[Tensor, "B T"] | None = None, *, at: Int[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B K D"]:
        """The last layer for each token, or only at the positions `at`, which saves most of that layer.

        With `document`, the running number of each token's document, attention stays inside documents and positions start anew in
        each; without it, a row is one text.
        """
        return self.states({"input_ids": ids}, document, at)

    def states(self, inputs: dict[str, Tensor], document: Tensor | None, at: Tensor | None) -> Float[Tensor, "B K D"]:
        """`tokens`, of `input_ids` or of `inputs_embeds`."""
        if document is not None and not self.keeps_documents:
            raise ValueError(
                f"the backbone {self.name!r} cannot keep attention inside documents: take bert-…, modernbert-…, gpt2-… or llama-…."
            )
        if document is not None and bool((document == document[:, :1]).all()):
            document = None
        with at_positions(self.model, at) as left:
            hidden: Tensor = self.run(inputs, document=document).last_hidden_state
        return hidden if left is None else taken_rows(hidden, left)

    def embed(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B D"]:
        """One embedding a row: the mean of the last layer over the attended positions, 0 where there are none."""
        if attended is None:
            return self.tokens(ids).mean(dim=1)
        longest = int(attended.any(dim=0).nonzero().max()) + 1 if bool(attended.any()) else 1
        attended = attended[:, :longest]
        hidden = self.run({"input_ids": ids[:, :longest]}, attended=attended).last_hidden_state
        return attended_mean(hidden, attended)

    def features(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"] | None = None) -> dict[str, Float[Tensor, "B T D"]]:
        """What each of `layers` gives, (B, T, D)."""
        states = self.run({"input_ids": ids}, attended=attended, output_hidden_states=True).hidden_states
        return {name: states[number + 1] for name, number in zip(self.layers, self.shown, strict=True)}

    def forward(self, ids: Int[Tensor, "B T"], attended: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B D"]:
        """The same as `embed`, so that a backbone is an ordinary module."""
        return self.embed(ids, attended)

    def run(
        self,
        inputs: dict[str, Tensor],
        *,
        attended: Bool[Tensor, "B T"] | None = None,
        document: Int[Tensor, "B T"] | None = None,
        **wishes: Any,
    ) -> Any:
        """The output of the model of `transformers` for `input_ids` or `inputs_embeds`. Masks are built only where they are needed."""
        length = next(iter(inputs.values())).shape[1]
        if length > self.context:
            raise ValueError(
                f"rows have {length} tokens, and the backbone {self.name!r} takes at most {self.context}: build it with context={length}."
            )
        given: dict[str, Any] = dict(inputs)
        if attended is not None and not bool(attended.all()):
            given["attention_mask"] = attended.long()
        if document is not None and "position_ids" in self.accepts:
            given["position_ids"] = positions_in(document) + self.offset
        if "use_cache" in self.accepts:
            given["use_cache"] = False
        inside: AbstractContextManager[None] = nullcontext() if document is None else inside_documents(document)
        with inside:
            return self.model(**given, **wishes)

    @torch.no_grad()
    def _probed(self) -> tuple[bool, bool]:
        """Whether tokens see no later ones, and whether they see none of other documents: found by changing one of four ids."""
        training, device = self.training, self.embedding.weight.device
        self.eval()
        ordinary = self.vocabulary.ordinary[[0, 0, 0, 0, -1]].to(device)
        whole, document = ordinary[None, :4], torch.tensor([[0, 0, 1, 1]], device=device)
        other_last = torch.cat([whole[:, :3], ordinary[None, 4:]], dim=1)
        other_first = other_last.flip(1)

        def first_and_last(ids: Tensor, document: Tensor | None = None) -> Tensor:
            hidden: Tensor = self.run({"input_ids": ids}, document=document).last_hidden_state
            return hidden[0, [0, -1]]

        causal = torch.equal(first_and_last(whole)[0], first_and_last(other_last)[0])
        inside = torch.equal(first_and_last(whole, document)[1], first_and_last(other_first, document)[1])
        self.train(training)
        return causal, inside


def attended_mean(hidden: Float[Tensor, "B T D"], attended: Bool[Tensor, "B T"]) -> Float[Tensor, "B D"]:
    """The mean over the attended positions of each row, 0 where there are none."""
    weight = attended.to(hidden.dtype)
    return (weight[:, None] @ hidden).squeeze(1) / weight.sum(dim=1, keepdim=True).clamp(min=1)


def position_offset(model: nn.Module) -> int:
    """The number of the first position: 0, but in the family of RoBERTa, which counts on from its padding id."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0
