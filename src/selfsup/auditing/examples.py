"""Pictures before and after: what each transform does, and which pictures became like those of another class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selfsup.auditing.findings import Finding, Pair
from selfsup.auditing.sample import Sample
from selfsup.auditing.transforms import Pictures, transforms
from selfsup.reporting.markup import Html, join, picture, tag

SHOWN, TILE, LARGEST_TILE = 8, 84, 96
"""Pictures in a line, and the least and the most pixels of the page that one takes."""


def pictures_by_transform(sample: Sample, titles: Mapping[str, tuple[str, str]]) -> Html:
    """A line for each transform, under the pictures as they are; `titles` are its verdict and the verdict's colour."""
    rows = _one_of_each(sample)
    some = _taken(sample.pictures, rows)
    lines = [_strip("as they are", "", some.whole(), [sample.classes[label] for label in sample.targets[rows]])]
    for transform in transforms(some.image.shape[1]):
        verdict, kind = titles[transform.name]
        lines.append(_strip(transform.name, tag("em", verdict, class_=kind), changed(transform.name, some), []))
    return tag("div", *lines, class_="sheet", tabindex="0")


def changed(name: str, some: Pictures) -> Tensor:
    """One view of each picture by a transform, another of its views from picture to picture, and never the unchanged one."""
    [transform] = [each for each in transforms(some.image.shape[1]) if each.name == name]
    views = transform.views(some, torch.Generator().manual_seed(7))
    views = views[1:] if len(views) > 1 and torch.equal(views[0], some.whole()) else views
    return torch.stack([views[place % len(views)][place] for place in range(len(some.image))])


def confused_pictures(finding: Finding, sample: Sample) -> list[Html]:
    """For the first pairs of classes that became alike: the pictures that show it, as they are and changed."""
    place = {name: row for row, name in enumerate(sample.ids)}
    return [
        _pair(finding, pair, sample, np.array([place[name] for name in pair.examples]))
        for pair in finding.pairs[:2]
        if pair.examples
    ]  # fmt: skip


def _pair(finding: Finding, pair: Pair, sample: Sample, rows: NDArray[np.int64]) -> Html:
    some = _taken(sample.pictures, rows)
    names = [sample.classes[label] for label in sample.targets[rows]]
    strips = (_strip("as they are", "", some.whole(), names), _strip(finding.name, "", changed(finding.name, some), names))
    return tag("div", tag("h3", f"{pair.first} and {pair.second}, {finding.words}"), tag("div", *strips, class_="sheet", tabindex="0"))


def _one_of_each(sample: Sample) -> NDArray[np.int64]:
    """Pictures of all classes in turn."""
    members = [np.flatnonzero(sample.targets == label) for label in range(len(sample.classes))]
    turns = [each[turn] for turn in range(SHOWN) for each in members if turn < len(each)]
    return np.array(turns[: max(SHOWN, min(len(sample.classes), 12))])


def _taken(pictures: Pictures, rows: NDArray[np.int64]) -> Pictures:
    some = torch.from_numpy(rows)
    return Pictures(pictures.image[some], pictures.aspect[some], pictures.size, pictures.task_size)


def _strip(name: str, detail: object, views: Tensor, labels: list[str]) -> Html:
    side = views.shape[-1]
    tile = min(LARGEST_TILE, side * max(1, TILE // side))
    pixels = views.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    tiles = [picture(each, width=tile, description=labels[i] if labels else f"{name} {i + 1}") for i, each in enumerate(pixels)]
    return tag("div", tag("span", name, detail, class_="name"), join(tiles), class_="strip")
