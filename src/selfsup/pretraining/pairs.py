"""Pairs as material: decoded pictures with encoded captions, seen by two backbones that share a space."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from selfsup.backbones import PairBackbone, Vocabulary, choose, read_settings, read_text_settings, save_settings, save_text_settings
from selfsup.data.corpus import channel_statistics
from selfsup.data.pairs import PairCorpus, PairWanted, prepare_pairs
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.pretext import PairPretext, Pretext
from selfsup.pretraining.material import Material, refuse_changed
from selfsup.pretraining.pair_networks import Made, make_pair, side_in
from selfsup.pretraining.pair_samples import save_captions
from selfsup.pretraining.pair_sides import save_sides
from selfsup.pretraining.pair_wishes import SHARED_WIDTH, PairWishes
from selfsup.pretraining.text_wishes import TextWishes
from selfsup.pretraining.texts import SIZES, tokenizer_asked
from selfsup.pretraining.wishes import DEFAULT_BATCH, Wishes
from selfsup.run import Run
from selfsup.samples import save_made, save_views
from selfsup.tasks import find_task
from selfsup.train.checkpoint import newest_checkpoint
from selfsup.train.distributed import World
from selfsup.views import plain

CAPTION = 64
"""Tokens of a caption that are read, where nothing is asked for."""

WATCHED = 128  # pairs whose embeddings tell a collapse


class Pairs(Material):
    """Pictures of one size with captions in tokens of one tokeniser."""

    kind: ClassVar[str] = "pair"
    noun: ClassVar[str] = "pairs"
    usual_batch = DEFAULT_BATCH

    def __init__(self, corpus: PairCorpus, texts: TextWishes, pairs: PairWishes, *, context: int, shares_space: bool) -> None:
        self.corpus, self.texts, self.pairs, self.context = corpus, texts, pairs, context
        self.shared_width = (pairs.shared_width or SHARED_WIDTH) if shares_space else 0
        self.name, self.root, self.fingerprint = corpus.name, corpus.root, corpus.fingerprint
        self.skipped = {**corpus.listing.skipped, **corpus.store.pictures.skipped}
        self.notes = dict(corpus.listing.notes)
        self.store, self.rows = corpus.store, corpus.rows
        self.held_out = sum(part == "test" for part in corpus.split.parts_of(corpus.store.pictures.ids))

    @classmethod
    def prepared(cls, data: Any, wishes: Wishes, ranks: World, *, before: Run | None) -> Pairs:
        """List, split, decode and encode the pairs."""
        texts, pairs = asked_before(before) if before else (wishes.texts, wishes.pairs)
        kind = find_task(wishes.task if before is None else before.task)
        shares_space = not issubclass(kind, PairPretext) or kind.shares_space
        if before is None:
            _refuse(wishes)
            if pairs.shared_width is not None and not shares_space:
                raise ValueError(
                    f"--shared-width is for tasks that bring pictures and texts together, and {wishes.task} does not; leave it out."
                )
        origins = (None, None) if before else (pairs.image_from or wishes.weights, pairs.text_from or wishes.weights)
        seen = read_settings(folder) if (folder := side_in(origins[0], "image")) is not None else None
        read = side_in(origins[1], "text")
        if seen is not None and wishes.size not in (None, seen.size):
            raise ValueError(f"--size {wishes.size} was given, and the network of {folder} sees {seen.size} px; leave --size out.")
        context = before.choices["caption"] if before else _context(texts, read)
        corpus = prepare_pairs(
            data, PairWanted(pairs.image, texts.text, texts.language, texts.encoding),
            size=before.size if before else seen.size if seen is not None else wishes.size,
            channels=before.channels if before else None if seen is None else seen.channels, context=context,
            tokenizer=Tokenizer.load(before.folder / "text") if before else tokenizer_asked(texts, read), mixing=texts.mixing,
            parts={"split": before.split_file} if before else wishes.parts(), store_limit=wishes.store_limit,
            leads=ranks.leads, wait=ranks.wait,
        )  # fmt: skip
        if before is not None:
            then = f"{len(corpus.store):,} pairs now, {before.pictures + before.held_out:,} then, or others of their pictures or captions"
            refuse_changed(corpus.fingerprint, before, what=f"pairs of {corpus.name}", differs=then)
        return cls(corpus, texts, pairs, context=context, shares_space=shares_space)

    def choose_backbone(self, task: type[Pretext], *, seconds: float | None) -> tuple[str, str]:
        """The compact network for pictures, or a larger one where the budget allows it, and for captions a tiny one likewise."""
        assert issubclass(task, PairPretext)
        size = "tiny" if seconds is None else next((size for most, size in SIZES if seconds < most), "base")
        picked = choose(size=self.corpus.size, channels=self.corpus.store.pictures.channels, seconds=seconds, prefers_patches=False)
        family = "gpt2" if task.reads_forwards else task.encoder
        return f"{picked.name}+{family}-{size}", f"{picked.reason}; {family}-{size} suits the budget"

    def build(self, name: str, weights: str | Path | None) -> tuple[PairBackbone, list[str]]:
        """Two networks for these pairs, new or from where they are to come from."""
        made = Made(
            name=name, size=self.corpus.size, channels=self.corpus.store.pictures.channels,
            statistics=channel_statistics(self.corpus.store.pictures, self.corpus.rows),
            vocabulary=Vocabulary.of(self.corpus.tokenizer), context=self.context, wishes=self.pairs, weights=weights,
            languages=tuple(self.corpus.languages),
        )  # fmt: skip
        network, remarks = make_pair(made)
        self.shared_width = self.shared_width and network.width
        return network, remarks

    def rebuild(self, run: Run, weights: str | None) -> PairBackbone:
        """As at the beginning; where there is a checkpoint, its weights replace what is loaded here."""
        started = newest_checkpoint(run.checkpoints) is not None
        if not started:
            return self.build(run.backbone, weights)[0]
        made = Made(
            name=run.backbone, size=run.size, channels=run.channels, statistics=((), ()), vocabulary=Vocabulary.of(self.corpus.tokenizer),
            context=self.context, wishes=self.pairs, weights=None, languages=tuple(self.corpus.languages),
        )  # fmt: skip
        return make_pair(made, again=run)[0]

    def settings(self) -> dict[str, Any]:
        """Sizes in pixels, and how captions are read."""
        pictures = self.corpus.store.pictures
        reading = {**self.texts.given(), **self.pairs.given()}
        return {"size": self.corpus.size, "channels": pictures.channels, "store_side": pictures.side, "reading": reading}

    def choices(self) -> dict[str, Any]:
        """Tokens of a caption at most, sizes of vocabulary and shared space, and how many captions each language or column has."""
        counts = dict.fromkeys(self.corpus.languages, 0)
        for row in self.corpus.rows.tolist():
            for caption in self.corpus.captions[row]:
                counts[caption.group] += 1
        sizes = {"caption": self.context, "vocabulary": self.corpus.tokenizer.size}
        shared = {"shared_width": self.shared_width} if self.shared_width else {}
        return {**sizes, **shared, "captions": counts}

    def amount(self, run: Run) -> str:
        """Pairs, captions and languages."""
        counts = run.choices["captions"]
        told = f"{sum(counts.values()):,} captions" + (f" in {len(counts)} languages or columns" if len(counts) > 1 else "")
        return f"{run.pictures:,} pictures at {run.size} px with {told} ({run.held_out:,} held out, {len(run.skipped):,} skipped)"

    def watched(self) -> tuple[Tensor, Tensor, Tensor]:
        """Some training pictures, each with the first of its captions."""
        rows = self.corpus.rows
        some = rows[:: max(1, len(rows) // WATCHED)][:WATCHED]
        batch = self.store.batch(some)
        tokens, length = batch["tokens"][:, 0], batch["length"][:, :1]
        return plain(batch["image"], self.corpus.size), tokens, torch.arange(tokens.shape[1]) < length

    def save(self, run: Run, network: PairBackbone) -> None:
        """Which pairs are held out, the settings of both backbones, and the tokeniser."""
        self.corpus.split.save(run.split_file)
        save_settings(network.image, run.folder / "image")
        save_text_settings(network.text, run.folder / "text")
        self.corpus.tokenizer.save(run.folder / "text")

    def save_backbone(self, run: Run, network: PairBackbone) -> None:
        """Each side as a run of its own kind."""
        save_sides(run, network, self.corpus)

    def save_views(self, run: Run, task: Pretext) -> None:
        """A few pictures and their views."""
        save_views(run, task, self.corpus)

    def save_made(self, run: Run, task: Pretext) -> None:
        """What the task's `show` makes of a few pairs, or the captions that it writes."""
        save_made(run, task, self.corpus)
        save_captions(run, task, self.corpus)


def asked_before(run: Run) -> tuple[TextWishes, PairWishes]:
    """What a run was asked for of texts and of pairs, as `Run.reading` has it."""
    own = {item.name for item in dataclasses.fields(PairWishes)}
    texts = {name: value for name, value in run.reading.items() if name not in own}
    return TextWishes(**texts), PairWishes(**{name: value for name, value in run.reading.items() if name in own})


def _refuse(wishes: Wishes) -> None:
    """Raise ValueError for what pairs have no use for, and for what does not go together."""
    wishes.pairs.check(wishes.weights)
    for name, value in (("id", wishes.texts.id), ("deduplicate", wishes.texts.deduplicate or None)):
        if value is not None:
            raise ValueError(f"--{name} is for texts alone, and task {wishes.task} learns from pairs; leave it out.")
    if wishes.weights is not None and wishes.backbone != "auto":
        raise ValueError("--weights brings its own backbones; leave --backbone out.")
    brings = wishes.pairs.text_from or wishes.weights
    if brings is not None and (wishes.texts.tokenizer is not None or wishes.texts.vocabulary is not None):
        raise ValueError(f"the texts' network comes from {brings} with its own tokeniser; leave --tokenizer and --vocabulary out.")


def _context(texts: TextWishes, folder: Path | None) -> int:
    """Tokens of a caption that are read, at most as many as a network that is given takes."""
    asked = texts.context or CAPTION
    if asked < 2:
        raise ValueError(f"--context {asked} was given; expected at least 2 tokens a caption.")
    own = read_text_settings(folder).context if folder is not None and (folder / "backbone.json").is_file() else asked
    if texts.context is not None and texts.context > own:
        raise ValueError(f"--context {texts.context} was given, and the network in {folder} takes {own} tokens; give less.")
    return min(asked, own)
