"""Subjects: what of a run is exported, a network with one layer of it, and what the run itself makes of inputs to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from selfsup.backbones import Backbone, TextBackbone
from selfsup.data.documents.columns import split_names
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding import PictureReading, TextReading, chosen_layer
from selfsup.embedding.pictures import pooled_map
from selfsup.embedding.reading import SHARED
from selfsup.embedding.windows import BOTH, Pool, Window
from selfsup.exporting.exported import drawn
from selfsup.finetuning import Classifier
from selfsup.run import Run
from selfsup.views import plain

PICTURES = 4
"""How many made-up pictures an export is tried on."""


class Top(nn.Module):
    """What a model puts on the embedding: it is standardised, and a linear layer gives a score for each of `classes`.

    Scores are divided by the temperature that makes a confidence right as often as it says.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, classifier: Classifier, *, temperature: float, classes: list[str]) -> None:
        super().__init__()
        self.linear, self.temperature, self.classes = classifier.linear.requires_grad_(False), temperature, classes
        self.register_buffer("mean", classifier.mean)
        self.register_buffer("scale", classifier.scale)

    def forward(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        scores: Tensor = self.linear((vectors - self.mean) / self.scale) / self.temperature
        return scores


class Shared(nn.Module):
    """What a side of a run of pairs puts on the embedding: a projection, without bias, into the space of both sides."""

    matrix: Tensor

    def __init__(self, matrix: Float[Tensor, "E D"]) -> None:
        super().__init__()
        self.width = len(matrix)
        self.register_buffer("matrix", matrix)

    def forward(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B E"]:
        return vectors @ self.matrix.T


@dataclass(frozen=True)
class Pictures:
    """A network for pictures. `layer` is `NAME/POOL`, `side` the side in pixels at which pictures are stored, from where views are made.

    With `top`, a model's, it gives probabilities of classes in place of embeddings; with `shared` directions in the space of both sides.
    """

    network: Backbone
    layer: str
    side: int
    top: Top | None = None
    shared: Shared | None = None

    @property
    def name(self) -> str:
        return self.layer.partition("/")[0] if self.shared is None else self.network.layers[-1]

    @property
    def pool(self) -> str:
        return self.layer.partition("/")[2]

    def pixels(self) -> UInt8[Tensor, "b S S C"]:
        """Made-up pictures as the store holds them, channels last as pictures are outside."""
        return drawn(PICTURES, self.side, self.side, self.network.channels, below=256).to(torch.uint8)

    @torch.no_grad()
    def embeddings(self, pixels: UInt8[Tensor, "b S S C"]) -> Float[Tensor, "b D"]:
        """What `embed` makes of stored pictures, or `predict`."""
        maps = self.network.features(plain(pixels.permute(0, 3, 1, 2).contiguous(), self.network.size))
        return self.result(pooled_map(maps[self.name], self.pool))

    def result(self, vectors: Float[Tensor, "b D"]) -> Float[Tensor, "b R"]:
        """The embeddings themselves, or probabilities of classes, or what is shared with texts, of length 1."""
        if self.shared is not None:
            return F.normalize(self.shared(vectors), dim=1)
        return vectors if self.top is None else self.top(vectors).softmax(dim=1)

    def seen(self, pixels: UInt8[Tensor, "b S S C"]) -> Float[Tensor, "b C s s"]:
        """Stored pictures as the network's first layer sees them: at its size, normalised."""
        return self.network.normalise(plain(pixels.permute(0, 3, 1, 2).contiguous(), self.network.size))

    def preprocessing(self) -> dict[str, Any]:
        """What is done to a picture before the network sees it, step by step."""
        settings = self.network.settings
        return {
            "side": self.side, "size": settings.size, "channels": settings.channels, "mean": settings.mean, "std": settings.std,
            "layer": self.layer,
            "steps": [
                "open with Pillow; a JPEG by draft() at the smallest fraction of its size that is at least side x side",
                "what is transparent becomes white; more than eight bits are scaled from smallest to largest; one channel: L, three: RGB",
                "stretch to side x side, whatever the shape: Pillow's resize, BICUBIC, reducing_gap=2.0",
                "turn upright as EXIF says",
                "resize to size x size where that is smaller: bilinear, antialiased, in floating point",
                "divide by 255, subtract mean, divide by std, channel by channel",
                *shared_steps(self.shared),
            ],
        }  # fmt: skip


@dataclass(frozen=True)
class Documents:
    """A network for texts, with its tokeniser. `layer` is `NAME/POOL`, NAME also "first+last"; `run` is None where it is a model's.

    With `top`, a model's, it gives scores of classes in place of embeddings: before the softmax, so that those of windows can be averaged.
    With `shared` it gives projections into the space of both sides, for the same reason before they are brought to length 1.
    `columns` are those of a table that held the text, as a user named them ("subject,body"), or None where none were named.
    """

    run: Run | None
    network: TextBackbone
    tokenizer: Tokenizer
    layer: str
    top: Top | None = None
    columns: str | None = None
    shared: Shared | None = None

    @property
    def name(self) -> str:
        return self.layer.partition("/")[0] if self.shared is None else self.network.layers[-1]

    @property
    def width(self) -> int:
        """The length of an embedding."""
        return self.network.width if self.shared is None else self.shared.width

    @property
    def pool(self) -> str:
        return self.layer.partition("/")[2]

    @property
    def joined(self) -> str:
        """How a row of a table becomes a text, or nothing where no columns were named."""
        names = split_names(self.columns)
        if len(names) < 2:
            return "".join(f"the cell of column {name!r}" for name in names)
        named = f"{', '.join(map(repr, names[:-1]))} and {names[-1]!r}"
        return f"the cells of columns {named}, in this order, those that are not empty, joined by a blank line"

    @property
    def places(self) -> list[int]:
        """Which of the hidden states of `transformers` are averaged: 0 is the table of words, 1 the first layer."""
        layers = self.network.layers
        return [int(one.removeprefix("layer")) for one in ((layers[0], layers[-1]) if self.name == BOTH else (self.name,))]

    def rows(self) -> list[Int[Tensor, "_"]]:
        """Made-up texts of several lengths, up to the context."""
        words = self.network.vocabulary.ordinary
        lengths = sorted({self.network.context, max(1, self.network.context // 3), 2, 1}, reverse=True)
        return [words[drawn(length, below=len(words), seed=length)] for length in lengths]

    @torch.no_grad()
    def embeddings(self, rows: list[Int[Tensor, "_"]]) -> Float[Tensor, "b D"]:
        """What `embed` makes of texts that fit into the context, each by itself, so without padding; or scores of classes."""
        return self.result(torch.cat([self._embedding(row) for row in rows]))

    def result(self, vectors: Float[Tensor, "b D"]) -> Float[Tensor, "b R"]:
        """The embeddings themselves, or scores of classes, or what is shared with pictures, of any length."""
        if self.shared is not None:
            projected: Tensor = self.shared(vectors)
            return projected
        return vectors if self.top is None else self.top(vectors)

    def _embedding(self, row: Int[Tensor, " T"]) -> Float[Tensor, "1 D"]:
        states = self.network.features(row[None])
        layers, found = self.network.layers, []
        for layer in (layers[0], layers[-1]) if self.name == BOTH else (self.name,):
            pooling = Pool(f"{layer}/{self.pool}", 1)
            pooling.add(states, [Window(len(row), 0, 0, True)])
            found.append(pooling.result(torch.tensor([len(row)]), self.network.width))
        return torch.stack(found).mean(dim=0)

    def preprocessing(self) -> dict[str, Any]:
        """What is done to a text before the network sees it, step by step."""
        columns = {"text": split_names(self.columns)} if self.columns else {}
        return {
            "context": self.network.context, "layer": self.layer, **columns,
            "steps": [
                *([f"a text is {self.joined}"] if self.joined else []),
                "tokenizer.json gives the ids; no special tokens are added, and names of such in a text are text (encode_special_tokens)",
                "a text of more than context tokens is cut into the fewest windows of nearly equal length, none longer than context",
                "the pool runs over the tokens of all windows; a text without tokens gets zeros",
                *shared_steps(self.shared),
            ],
        }  # fmt: skip


def shared_steps(shared: Shared | None) -> list[str]:
    """What is done behind the network to meet the other side, in words."""
    return (
        [] if shared is None else [f"the last layer's mean is projected, without bias, to {shared.width} numbers and brought to length 1"]
    )


def padded(rows: list[Int[Tensor, "_"]], fill: int = 0) -> tuple[Int[Tensor, "b T"], Int[Tensor, "b T"]]:
    """Ids of several texts in one table, and which of them are of the texts."""
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=fill)
    seen = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return ids, seen


def subject_of(run: Run, layer: str | None) -> Pictures | Documents:
    """What is exported of a run: by default the layer that `evaluate` chose, else the mean of the last but one. Raises ValueError."""
    files = {"image": "backbone.safetensors", "text": "model.safetensors"}
    if run.kind not in files:
        raise ValueError(f"{run.folder} learned from {run.kind!r}; this release exports {', '.join(files)}.")
    if not (run.folder / files[run.kind]).is_file():
        raise ValueError(
            f"{run.folder} is not finished: there is no {files[run.kind]} in it. Go on with the command that began it, and --resume."
        )
    if run.kind == "image":
        backbone = PictureReading.network(run).eval()
        layer = PictureReading.checked(backbone, layer or chosen_layer(run, backbone.layers))
        return Pictures(backbone, layer, run.store_side or run.size, shared=shared_of(backbone, layer))
    network = TextReading.network(run).eval()
    layer = TextReading.checked(network, layer or chosen_layer(run, network.layers))
    shared = shared_of(network, layer)
    return Documents(run, network, Tokenizer.load(run.folder), layer, columns=run.reading.get("text"), shared=shared)


def shared_of(network: Any, layer: str) -> Shared | None:
    """The projection of a side, where the shared layer was asked for."""
    return Shared(network.projection) if layer == SHARED else None
