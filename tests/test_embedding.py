"""Pooling of layers into one vector a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from selfsup.backbones import build
from selfsup.data import open_source, open_store
from selfsup.embedding import POOLS, PictureReading
from selfsup.views import plain

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


def pictures() -> PictureReading:
    source = open_source(PICTURES)
    return PictureReading(source, open_store(source, side=28, channels=1))


@pytest.mark.parametrize("name", ["compact_convnet", "compact_vit"])
def test_every_pool_of_every_layer_equals_torchs_adaptive_pooling(name: str) -> None:
    """28 px give maps of 28, 14, 7 and 4 positions a side: odd ones too, whose middle belongs to both halves."""
    backbone = build(name, size=28, channels=1).eval()
    reading = pictures()
    found = reading.embeddings(backbone, range(5))
    with torch.no_grad():
        maps = backbone.features(plain(reading.store.batch(torch.arange(5))["image"], 28))
    assert list(found) == [f"{layer}/{pool}" for layer in backbone.layers for pool in POOLS]
    for layer, grid in maps.items():
        expected = {
            "mean": F.adaptive_avg_pool2d(grid, 1).flatten(1),
            "max": F.adaptive_max_pool2d(grid, 1).flatten(1),
            "quarters": F.adaptive_avg_pool2d(grid, 2).flatten(2).transpose(1, 2).flatten(1),  # quarter by quarter, then channels
        }
        for pool, rows in expected.items():
            np.testing.assert_allclose(found[f"{layer}/{pool}"], rows.numpy(), rtol=1e-4, atol=1e-5)


def test_a_map_of_one_position_is_its_own_quarters() -> None:
    backbone = build("resnet18", size=8, channels=1).eval()
    last = backbone.layers[-1]
    found = pictures().embeddings(backbone, range(5), layers=[f"{last}/mean", f"{last}/quarters"])
    np.testing.assert_allclose(found[f"{last}/quarters"], np.tile(found[f"{last}/mean"], 4), rtol=1e-5)


def test_an_unknown_layer_or_pool_is_refused_with_what_there_is() -> None:
    backbone = build("compact_convnet", size=28)
    assert PictureReading.checked(backbone, "stage3") == "stage3/mean"
    with pytest.raises(ValueError, match=r"'stage3/sum'; this backbone has stage1, .*, each with /mean, /max, /quarters"):
        PictureReading.checked(backbone, "stage3/sum")
