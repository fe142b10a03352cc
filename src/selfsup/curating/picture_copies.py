"""Near-copies among pictures: proposed by neighbours, decided on pixels.

An embedding holds similar pictures to be alike, so it only proposes: the nearest neighbours of each picture and of its mirror image, by
embedding and by a thumbnail. A pair counts when one picture, at 64 pixels a side, is the other but for a crop (see `aligning`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from selfsup.curating.aligning import Aligned, align, smooth
from selfsup.curating.collection import Collection
from selfsup.curating.neighbours import nearest
from selfsup.curating.pairs import CROPPED, FLIPPED, IDENTICAL, RESAVED, RESIZED, Pair, chained
from selfsup.data import Store, Undecodable
from selfsup.views import plain

SIDE, FINE = 32, 64
"""Pixels a side at which pictures are compared, first and then; stores of smaller pictures have them at the size they have."""

SMOOTHED, FINELY_SMOOTHED = 1, 2
"""Times that pictures are blurred before: see `smooth`."""

DIFFERENCE_SMOOTHED = 2
"""Times that what is left between the larger pictures is blurred before it is judged: what compression changes is fine."""

THUMBNAIL = 8
"""Pixels a side of the thumbnails that propose: a crop of 5 % moves them by a fifth of a pixel."""

PROMISING = 0.4
"""Correlation of thumbnails below which a proposed pair is not looked at."""

STEPS, FINE_STEPS, HALF_WAY = 4, 5, 0.3
"""Gauss-Newton steps on the smaller and the larger pictures, and the similarity that the smaller have to reach."""

THRESHOLD = 0.84
"""Similarity from which a pair counts."""

MOVED = 0.015
"""Change of a scale from which a picture is said to be cropped: half a pixel of 32."""

AT_ONCE = 128
"""Pairs aligned together."""


def picture_pairs(collection: Collection, *, neighbours: int, threshold: float) -> list[Pair]:
    """Every near-copy that is among the nearest `neighbours` of another, one pair for two pictures."""
    small = small_pictures(collection.store)
    pairs, rest = identical(collection, small)
    proposed = candidates(collection, small, rest, neighbours=neighbours)
    sizes = Sizes(collection)
    return sorted(
        [*pairs, *verified(collection.store, small, proposed, threshold=threshold, sizes=sizes)],
        key=lambda pair: (pair.first, pair.second),
    )


def small_pictures(store: Store) -> UInt8[Tensor, "N C S S"]:
    """All pictures at `SIDE` pixels or what the store has: 3 kB each in colour."""
    side, parts = min(SIDE, store.side), list[Tensor]()
    for rows in torch.split(torch.arange(len(store)), 1024):
        parts.append((plain(store.batch(rows)["image"], side) * 255).round().to(torch.uint8))
    return torch.cat(parts)


def thumbnails(small: UInt8[Tensor, "N C S S"]) -> Float[Tensor, "N d"]:
    """Smooth pictures of 8 x 8, around their mean, of length one (zeros where they are flat)."""
    flat = F.adaptive_avg_pool2d(small.float(), THUMBNAIL).flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    length = flat.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-3, flat / length.clamp(min=1e-3), torch.zeros(()))


def identical(collection: Collection, small: UInt8[Tensor, "N C S S"]) -> tuple[list[Pair], list[int]]:
    """Pairs of pictures of the same stored pixels, and the rows of one picture of each kind of pixels."""
    store, seen = collection.store, dict[bytes, list[int]]()
    for rows in torch.split(torch.arange(len(store)), 256):
        for row, pixels in zip(rows.tolist(), store.take(rows).numpy(), strict=True):
            seen.setdefault(digest(pixels), []).append(row)
    sizes = Sizes(collection)
    pairs = [
        pair if sizes.equal(pair.first, pair.second) else Pair(pair.first, pair.second, RESIZED, 1.0)
        for rows in seen.values()
        for pair in chained(rows, IDENTICAL)
    ]
    return pairs, [rows[0] for rows in seen.values()]


def candidates(
    collection: Collection,
    small: UInt8[Tensor, "N C S S"],
    rows: list[int],
    *,
    neighbours: int,
    by: tuple[str, ...] = ("embedding", "thumbnail"),
) -> Int[Tensor, "P 2"]:
    """Pairs of some rows in which either is among the nearest of the other, or of its mirror image; smaller row first, each once."""
    chosen = torch.tensor(rows)
    found = []
    if "embedding" in by:
        unit = collection.unit[chosen]
        found += [nearest(unit, unit, count=neighbours, same=True)[1]]
        found += [nearest(collection.mirrored()[chosen], unit, count=neighbours, same=True)[1]]
    if "thumbnail" in by:
        some = small[chosen]
        unit = thumbnails(some)
        found += [
            nearest(unit, unit, count=neighbours, same=True)[1],
            nearest(thumbnails(some.flip(3)), unit, count=neighbours, same=True)[1],
        ]
    others = torch.cat(found, 1)
    each = torch.stack([chosen[:, None].expand_as(others).flatten(), chosen[others.flatten()]], 1)
    pairs: Tensor = torch.unique(each.sort(1).values, dim=0)
    return pairs


def verified(
    store: Store, small: UInt8[Tensor, "N C S S"], proposed: Int[Tensor, "P 2"], *, threshold: float, sizes: Sizes
) -> Iterator[Pair]:
    """Those of the proposed pairs that are near-copies, as they are or mirrored."""
    thumbs, mirrored = thumbnails(small), thumbnails(small.flip(3))
    for some in torch.split(proposed, 128 * AT_ONCE):
        upright = judged(store, small, some, (thumbs[some[:, 0]] * thumbs[some[:, 1]]).sum(1) >= PROMISING, flipped=False)
        turned = judged(store, small, some, (mirrored[some[:, 0]] * thumbs[some[:, 1]]).sum(1) >= PROMISING, flipped=True)
        for place in torch.nonzero(torch.maximum(upright[0], turned[0]) >= threshold).flatten().tolist():
            flipped = bool(turned[0][place] > upright[0][place] + 0.01)  # what is symmetric is not called mirrored
            alike, scale = turned if flipped else upright
            first, second = some[place].tolist()
            yield Pair(first, second, kind_of(flipped, scale[place], sizes.equal(first, second)), alike[place].item())


def judged(
    store: Store, small: UInt8[Tensor, "N C S S"], pairs: Int[Tensor, "P 2"], promising: Bool[Tensor, "P"], *, flipped: bool
) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 2"]]:
    """How alike the pictures of each pair are, 0 for pairs that do not promise, and the scales of the crop between them."""
    alike, scale = torch.zeros(len(pairs)), torch.ones(len(pairs), 2)
    for places in torch.split(promising.nonzero().flatten(), AT_ONCE) if promising.any() else ():
        first, second = (smooth(small[pairs[places, side]].float() / 255, SMOOTHED) for side in (0, 1))
        coarse = align(first.flip(3) if flipped else first, second, steps=STEPS)
        left = (similarity(coarse) >= HALF_WAY).nonzero().flatten()
        if len(left):
            first, second = (smooth(_fine(store, pairs[places[left], side]), FINELY_SMOOTHED) for side in (0, 1))
            found = align(
                first.flip(3) if flipped else first, second, steps=FINE_STEPS, smoothed=DIFFERENCE_SMOOTHED, start=coarse.some(left)
            )
            alike[places[left]], scale[places[left]] = similarity(found), found.scale
    return alike, scale


def _fine(store: Store, rows: Int[Tensor, "P"]) -> Float[Tensor, "P C S S"]:
    return plain(store.batch(rows)["image"], min(FINE, store.side))


def similarity(found: Aligned) -> Float[Tensor, "P"]:
    """From 0 to 1: one less the largest difference of any block, in units of the contrast."""
    return torch.where(found.alike > 0, (1 - found.worst).clamp(0, 1), torch.zeros(()))


def kind_of(flipped: bool, scale: Float[Tensor, "2"], same_size: bool) -> str:
    """What was done to one picture to make the other, in words."""
    done = [FLIPPED] if flipped else []
    if float((scale - 1).abs().max()) > MOVED:
        done.append(CROPPED)
    elif not same_size:
        done.append(RESIZED)
    return " and ".join(done) or RESAVED


def digest(pixels: Any) -> bytes:
    """A few bytes that stand for an array."""
    from hashlib import blake2b

    return blake2b(pixels.tobytes(), digest_size=16).digest()


class Sizes:
    """True sizes of pictures, height and width, read from the heads of files when they are asked for."""

    def __init__(self, collection: Collection) -> None:
        self.source = collection.opened
        self.ids = collection.reading.ids
        self._places = {item.id: place for place, item in enumerate(self.source.items)}
        self._known: dict[int, tuple[int, int]] = {}

    def of(self, row: int) -> tuple[int, int]:
        """Height and width of a picture; (0, 0) where its file is gone."""
        if row not in self._known:
            try:
                self._known[row] = self.source.shape(self._places[self.ids[row]])[0]
            except Undecodable:
                self._known[row] = (0, 0)
        return self._known[row]

    def equal(self, first: int, second: int) -> bool:
        """Whether two pictures are of one size."""
        return self.of(first) == self.of(second)
