"""The sides of a run of pairs, each saved as a run of its own kind: what embeds, scores, exports and searches then knows of no pairs."""

from __future__ import annotations

import dataclasses

from selfsup.backbones import PairBackbone, Side, save_backbone, save_projection, save_text_backbone
from selfsup.data.pairs import PairCorpus
from selfsup.data.splits import Part, Split
from selfsup.pretraining.text_wishes import TextWishes
from selfsup.run import Run

READ = {item.name for item in dataclasses.fields(TextWishes)} - {"tokenizer", "vocabulary", "context"}
"""Of `Run.reading`, what says how texts are read."""


def save_sides(run: Run, network: PairBackbone, corpus: PairCorpus) -> None:
    """Write `image/` and `text/`: weights, projection, split, and last the run file that makes each a run."""
    image = dataclasses.replace(
        run, folder=run.folder / "image", side="image", kind="image", backbone=network.image.name, reading={},
        fingerprint=corpus.store.pictures.fingerprint,
    )  # fmt: skip
    save_backbone(network.image, image.folder)
    _save_projection(network, "image", image)
    corpus.split.save(image.split_file)
    image.save()
    text = dataclasses.replace(
        run, folder=run.folder / "text", side="text", kind="text", backbone=network.text.name, size=network.text.context, channels=0,
        store_side=0, reading={name: value for name, value in run.reading.items() if name in READ}, fingerprint="",
    )  # fmt: skip
    save_text_backbone(network.text, text.folder)
    _save_projection(network, "text", text)
    _save_caption_split(text, corpus)
    text.save()


def _save_projection(network: PairBackbone, side: Side, run: Run) -> None:
    """The projection of one side, where there is a shared space."""
    projection = network.projection(side)
    if projection is not None:
        save_projection(projection.weight, run.folder)


def _save_caption_split(text: Run, corpus: PairCorpus) -> None:
    """The part of each caption, under the name it has where the file is read as documents: that of its picture."""
    part, said = corpus.split.by_id(), dict[str, Part]()
    listing = corpus.listing
    for name, captions in zip(listing.source.ids, listing.captions, strict=True):
        said |= {caption.place: part[name] for caption in captions if caption.place}
    if said:
        Split(list(said), list(said.values())).save(text.split_file)
