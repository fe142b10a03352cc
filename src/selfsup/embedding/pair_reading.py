"""Captioned pictures as the networks of a run of pairs read them: directions in the space that both sides share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from selfsup.backbones import PairBackbone, Vocabulary, build_from, build_text_from, read_settings, read_text_settings
from selfsup.data import open_store
from selfsup.data.pairs import Caption, Paired, PairWanted, open_pairs
from selfsup.data.pairs.corpus import captions_of, fingerprint_of
from selfsup.data.tokens.tokenizer import Tokenizer
from selfsup.embedding.grouping import remembered_groups
from selfsup.embedding.kinds import is_data_of
from selfsup.embedding.reading import parts_in
from selfsup.run import Run
from selfsup.views import plain

ROWS = 256
TOLD = ("image", "text", "language", "encoding")
"""What says how pairs are read."""


def pairs_for(run: Run, data: Any, told: Mapping[str, Any]) -> Paired:
    """`data`, or by default what the run learned from, listed. What was not told is as the run had it, if it learned from this data."""
    how = {name: told[name] for name in TOLD if told.get(name) is not None}
    if data is None or is_data_of(run, data):
        how = {name: run.reading[name] for name in TOLD if run.reading.get(name) is not None} | how
    return open_pairs(run.data if data is None else data, PairWanted(**how))


class PairReading:
    """Pictures with captions, by row. `ids` are the pictures', `captions` what is said of each, `columns` what a table said beside."""

    def __init__(self, run: Run, listing: Paired) -> None:
        self.run, self.listing = run, listing
        limit = int(run.store_limit * 1e9)
        self.store = open_store(listing.source, side=run.store_side, channels=run.channels, limit_bytes=limit)
        self.captions: list[list[Caption]] = captions_of(self.store, listing)
        self.ids, self.columns, self.name = self.store.ids, self.store.columns, listing.source.name
        self.tokenizer = Tokenizer.load(run.folder / "text")

    def fresh_network(self, seed: int) -> PairBackbone:
        """Networks like the run's, as they begin; the caller's random numbers stay as they were."""
        image, text = read_settings(self.run.folder / "image"), read_text_settings(self.run.folder / "text")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            seen, read = build_from(image), build_text_from(text, Vocabulary.of(self.tokenizer))
            width, languages = int(self.run.choices.get("shared_width", 0)), tuple(self.run.choices["captions"])
            return PairBackbone(seen, read, width=width, languages=languages)

    @torch.no_grad()
    def pictures(self, network: PairBackbone, rows: Sequence[int]) -> Float[np.ndarray, "n E"]:
        """The directions of some pictures."""
        place = next(network.parameters()).device
        parts = torch.split(torch.tensor(list(rows), dtype=torch.int64), ROWS)
        found = [network.pictures(plain(self.store.batch(some)["image"].to(place), network.size)).cpu() for some in parts]
        return np.asarray(torch.cat(found).numpy())

    @torch.no_grad()
    def texts(self, network: PairBackbone, texts: Sequence[str]) -> Float[np.ndarray, "m E"]:
        """The directions of some texts, cut as captions were in training; zeros for a text without tokens."""
        place, most = next(network.parameters()).device, min(int(self.run.choices["caption"]), network.text.context)
        ids = [torch.from_numpy(one[:most].astype("int64")) for one in self.tokenizer.encode_batch(texts)]
        order = sorted((number for number in range(len(ids)) if len(ids[number])), key=lambda number: len(ids[number]))
        result = torch.zeros(len(ids), network.width)
        for start in range(0, len(order), ROWS):
            some = order[start : start + ROWS]
            tokens: Tensor = torch.nn.utils.rnn.pad_sequence([ids[number] for number in some], batch_first=True)
            attended = torch.arange(tokens.shape[1]) < torch.tensor([len(ids[number]) for number in some])[:, None]
            result[some] = network.texts(tokens.to(place), attended.to(place)).float().cpu()
        return np.asarray(result.numpy())

    def parts(self, run: Run) -> list[str | None]:
        """What each pair was to a run: "train", "test", or None for one that it does not know."""
        return parts_in(
            run, self.ids, self.store.paths, name=self.name, root=self.listing.source.root,
            fingerprint=fingerprint_of(self.store, self.listing),
        )  # fmt: skip

    def groups(self, run: Run) -> np.ndarray | None:
        """What belongs together in the run's split, None where nothing does."""
        return remembered_groups(run, self.ids)


def is_finished(run: Run) -> bool:
    """Whether both sides of a run of pairs are there."""
    return all(Path(run.folder, side, "run.json").is_file() for side in ("image", "text"))
