"""Pretext: what a task is. Four places, and every line of a task has exactly one home."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, get_type_hints

import torch
from torch import Tensor, nn

from selfsup.backbones import Backbone, PairBackbone, TextBackbone
from selfsup.views import Augment, MultiCrop

Batch = Mapping[str, Tensor]
Views = dict[str, Tensor]
Output = dict[str, Tensor]


class Pretext(nn.Module):
    """A pretext task: `views` (random, no parameters), `forward` (parameters, nothing random), `loss` (neither), `after_step`.

    `Batch`, `Views` and `Output` are dicts of tensors, row first. `batch["image"]` is uint8 `(B, C, H, W)`; views are float in
    [0, 1]. `TextPretext` is for text, `PairPretext` for both. A subclass's options are its constructor's keyword-only, annotated arguments.

    Attributes:
        couples_rows: the loss compares rows with one another, so it must see the whole batch at once.
        prefers_patches: the task hides patches, which a ViT can skip, so that `--backbone auto` takes one.
        needs_color: the task learns from colours, so the backbone and the pictures have to have three channels that differ.
        draws_in_forward: while it trains, `forward` drops out at random, by torch's own generator, which the loop seeds anew each step.
        attracted: the part of its output, (B, D) or (B, V, D), that the loss draws together without comparing pictures: where its rows
            come to lie along a line, or in a point, a collapse is told.
        loss_falls: the loss falls while something is learned, so that one that does not is told; not where its targets are learned too.
        compared: `compare` takes the task where none are named. Of tasks that ask nearly the same question one is enough: each more that
            is tried leaves less time for every other.
        learning_rate: AdamW's peak rate at a batch of 128 pictures, or rows of 128 tokens, where none is asked for.
        kind: the row it has in `selfsup tasks`.
        modality: what its batches hold, pictures, text or pairs of both.
        progress: 0-d buffer the training loop fills, from 0 at the start to 1 at the end.
        steps: 0-d buffer the training loop fills with how many steps the run has, for what has to suit its length.
    """

    couples_rows: ClassVar[bool] = False
    prefers_patches: ClassVar[bool] = False
    needs_color: ClassVar[bool] = False
    draws_in_forward: ClassVar[bool] = False
    loss_falls: ClassVar[bool] = True
    learning_rate: ClassVar[float] = 2e-3
    attracted: ClassVar[str | None] = None
    compared: ClassVar[bool] = True
    kind: ClassVar[str] = "own"
    modality: ClassVar[Literal["image", "text", "pair"]] = "image"
    backbone: Backbone
    progress: Tensor
    steps: Tensor

    def __init__(self, backbone: Backbone | TextBackbone | PairBackbone) -> None:
        super().__init__()
        self.backbone = backbone  # type: ignore[assignment] # `TextPretext` and `PairPretext` say which it is
        self.register_buffer("progress", torch.zeros(()), persistent=False)
        self.register_buffer("steps", torch.tensor(1000.0), persistent=False)
        self.own_views: Callable[[Tensor, torch.Generator], Tensor] | None = None
        if isinstance(backbone, Backbone | PairBackbone):
            self.default_views = Augment(size=backbone.size)

    def augment(self, batch: Batch, rng: torch.Generator, default: Augment | None = None) -> Tensor:
        """One random view of every picture, `(B, C, size, size)` in [0, 1]: the user's own function, `default`, or the task's default."""
        if self.own_views is None:
            return (default or self.default_views)(batch["image"], rng, batch.get("aspect"))
        return _checked(self.own_views(batch["image"], rng), batch["image"], self.backbone.size)

    def crops(self, batch: Batch, rng: torch.Generator, multicrop: MultiCrop) -> Views:
        """Random views of two sizes, `global` (B, G, C, size, size) and `local` (B, L, C, s, s) in [0, 1], as `multicrop` draws them.

        With the user's own function every global view is one that it draws, and every local view a random part of a further one.
        """
        if self.own_views is None:
            return multicrop(batch["image"], rng, batch.get("aspect"))
        return multicrop.parts_of(lambda: self.augment(batch, rng), rng)

    def views(self, batch: Batch, rng: torch.Generator) -> Views:
        """What the network sees, drawn with `rng` alone."""
        raise NotImplementedError

    def forward(self, views: Views) -> Output:
        """What the loss needs, row by row."""
        raise NotImplementedError

    def loss(self, output: Output) -> dict[str, Tensor]:
        """Named scalar terms; training minimises their sum."""
        raise NotImplementedError

    def after_step(self, output: Output) -> None:
        """Change what gradients do not train: slow teachers, queues, centres."""

    def count_of(self, views: Views) -> Tensor | None:
        """How many things the loss of these views is a mean of, where that differs between batches; None where rows count alike.

        Micro-batches and ranks then weigh as much as they hold, so that every thing counts alike in the whole batch.
        """
        return None

    def blind_loss(self, rows: int) -> float | None:
        """The loss of a network that tells nothing apart, with a batch of so many rows; None where that is not known.

        Where rows are compared with each other, training has to leave it: a loss that stays there is told in words while it trains.
        """
        return None

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameters with rates and decay of their own. By default one group with all that is trained."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def show(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Pictures of what the task asked, what the network made of it and what was there, name to `(B, C, h, w)` in [0, 1].

        Tasks that hide, spoil or shuffle show them; other tasks show nothing.
        """
        return {}

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """New pictures made from nothing but what was learned, `(count, C, size, size)` in [0, 1], drawn with `rng` alone.

        Few tasks can: those that learn what pictures there are.
        """
        raise NotImplementedError


class TextPretext(Pretext):
    """A pretext task for text. `batch["tokens"]` are ids `(B, T)`, `batch["document"]` the running number of each token's document.

    Attributes:
        reads_forwards: the task needs a decoder, whose tokens see no later ones; others need an encoder.
        encoder: the family of encoders that `--backbone auto` takes one of. ModernBERT, whose norms come first, learns sooner than BERT.
    """

    reads_forwards: ClassVar[bool] = False
    encoder: ClassVar[str] = "modernbert"
    modality = "text"
    backbone: TextBackbone  # type: ignore[assignment]

    def __init__(self, backbone: TextBackbone) -> None:
        super().__init__(backbone)


class PairPretext(Pretext):
    """A pretext task for pictures with captions. `batch` holds what a task on pictures gets, and of K captions a picture `tokens`
    (B, K, T), their `length` (B, K) and what `caption` each is (B, K), `captions` (B,), how many of the K there are, and what `picture`
    each is (B,): equal numbers stand for equal texts and pixels; and the `language` (B, K) of each (`PairStore.batch`).

    Attributes:
        reads_forwards: the task needs a decoder on the side of texts; others take an encoder too.
        shares_space: the task brings embeddings of both sides into one space; otherwise the backbone has no projections to one.
        encoder: the family of text encoders that `--backbone auto` takes one of.
    """

    reads_forwards: ClassVar[bool] = False
    shares_space: ClassVar[bool] = True
    encoder: ClassVar[str] = "bert"
    modality = "pair"
    backbone: PairBackbone  # type: ignore[assignment]

    def __init__(self, backbone: PairBackbone) -> None:
        super().__init__(backbone)
        if not self.shares_space:
            backbone.part_sides()

    def pairs(self, batch: Batch, rng: torch.Generator) -> Views:
        """A random view of each picture and one of its captions, all of them alike likely: what `alike_pairs` and `sides` need.

        `image`; `tokens` (B, T), which are `attended` and in which `language` (B,); and `picture`, `drawn` and `captions`, numbers of
        pixels and texts.
        """
        chance = torch.rand(len(batch["captions"]), generator=rng, device=rng.device)
        place = (chance * batch["captions"]).long().clamp(max=batch["caption"].shape[1] - 1)[:, None]
        length = batch["length"].gather(1, place)
        tokens = batch["tokens"].gather(1, place[:, :, None].expand(-1, -1, batch["tokens"].shape[2])).squeeze(1)
        return {
            "image": self.augment(batch, rng), "tokens": tokens,
            "attended": torch.arange(tokens.shape[1], device=tokens.device) < length,
            "picture": batch["picture"].clone(), "drawn": batch["caption"].gather(1, place).squeeze(1),
            "captions": batch["caption"].clone(), "language": batch["language"].gather(1, place).squeeze(1),
        }  # fmt: skip

    def sides(self, views: Views) -> Output:
        """The directions `image` and `text` of each pair in the shared space, and what tells which pairs are alike."""
        return {
            "image": self.backbone.pictures(views["image"]),
            "text": self.backbone.texts(views["tokens"], views["attended"]),
            **{name: views[name] for name in ("picture", "drawn", "captions")},
        }


def options_of(task: type[Pretext]) -> dict[str, inspect.Parameter]:
    """The task's options, read from its constructor: the one place that names them, their types and their defaults.

    Where it hands `**others` on, as `super().__init__(backbone, **others)` does, those of the class it derives from follow.
    """
    options: dict[str, inspect.Parameter] = {}
    for kind in option_classes(task):
        parameters = inspect.signature(vars(kind)["__init__"]).parameters
        options |= {name: item for name, item in parameters.items() if item.kind is inspect.Parameter.KEYWORD_ONLY and name not in options}
    return options


def option_types(task: type[Pretext]) -> dict[str, Any]:
    """The annotated type of each option."""
    hints = {name: hint for kind in reversed(option_classes(task)) for name, hint in get_type_hints(vars(kind)["__init__"]).items()}
    return {name: hints.get(name, Any) for name in options_of(task)}


def option_classes(task: type[Pretext]) -> list[type]:
    """The classes whose constructors take the task's options: its own, and further ones as far as each hands `**others` on to the next."""
    every: list[type] = []
    for kind in task.__mro__:
        if "__init__" not in vars(kind):
            continue
        every.append(kind)
        if all(item.kind is not inspect.Parameter.VAR_KEYWORD for item in inspect.signature(vars(kind)["__init__"]).parameters.values()):
            break
    return every


def _checked(view: object, image: Tensor, size: int) -> Tensor:
    """The user's own view, or ValueError that says what it returned and what was expected."""
    expected = (image.shape[0], image.shape[1], size, size)
    if not isinstance(view, Tensor):
        raise ValueError(f"the function given by --views returned {type(view).__name__}; expected a float tensor of shape {expected}.")
    if not view.is_floating_point() or tuple(view.shape) != expected:
        raise ValueError(
            f"the function given by --views returned {view.dtype} {tuple(view.shape)}; expected float {expected} with values from 0 to 1. "
            f"Its input is uint8 {tuple(image.shape)}: divide by 255 and resize to --size."
        )
    return view
