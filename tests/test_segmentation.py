"""Masks: read from files of many sorts, compared as the peer does, and told by a linear probe on maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

from selfsup.data.masks import VOID, read_masks
from selfsup.downstream.maps import Kept
from selfsup.downstream.pixels import fit_pixels
from selfsup.downstream.segmentation import Confused, _tables, shares_of
from shapes import save_shapes


def test_shares_as_the_peer_has_them() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, (4, 8, 8)).astype(np.uint8), rng.integers(0, 4, (4, 8, 8)).astype(np.uint8)
    tables = _tables(truth, said, 4)
    expected = jaccard_score(truth.ravel(), said.ravel(), average=None, labels=[0, 1, 2, 3])
    np.testing.assert_allclose(shares_of(tables.sum(0))[:3], expected[:3])
    assert Confused(tables).judge(None)["mIoU"] == pytest.approx(expected[:3].mean())  # class 3 is nowhere in truth
    some = np.array([True, False, True, False])
    assert Confused(tables).judge(some)["pixel accuracy"] == pytest.approx((truth[some] == said[some]).mean())


def test_void_is_not_counted() -> None:
    truth, said = np.full((1, 2, 2), VOID, dtype=np.uint8), np.zeros((1, 2, 2), dtype=np.uint8)
    truth[0, 0] = [0, 1]
    assert _tables(truth, said, 2).tolist() == [[[1, 0], [1, 0]]]


def test_masks_from_files_and_what_is_none(tmp_path: Path) -> None:
    save_shapes(tmp_path, count=4)
    folder = tmp_path / "masks"
    palette = Image.open(folder / "00.png").copy()
    palette.putpalette([0, 0, 0, 200, 30, 30, 30, 30, 200])  # as drawing programs save masks: the numbers stay, a mode of its own
    assert palette.mode == "P"
    palette.save(folder / "00.png")
    Image.new("RGB", (64, 32)).save(folder / "01.png")
    Image.new("L", (32, 64)).save(folder / "02.png")
    (folder / "nobody.png").write_bytes((folder / "03.png").read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    ids = ["00.png", "01.png", "02.png", "03.jpg", "broken.png"]
    found = read_masks(folder, ids, side=16, aspects=np.full(5, 2.0))
    assert found.masks[0] is not None
    assert found.masks[0].shape == (16, 16)
    assert [one is not None for one in found.masks] == [True, False, False, True, False]
    assert "RGB" in found.skipped["01.png"]
    assert "another shape" in found.skipped["02.png"]
    assert found.skipped["nobody.png"] == "means no picture there is"
    assert "broken.png" in found.skipped


def test_masks_of_0_and_255_have_two_classes(tmp_path: Path) -> None:
    """As inspection sets have them: 255 is what was drawn, names end on _mask, and a part of the pictures has no mask."""
    (tmp_path / "masks" / "hole").mkdir(parents=True)
    drawn = np.zeros((8, 8), dtype=np.uint8)
    drawn[2:5, 3:7] = 255
    Image.fromarray(drawn).save(tmp_path / "masks" / "hole" / "00_mask.PNG", format="PNG")
    Image.fromarray(drawn.T.copy()).save(tmp_path / "masks" / "hole" / "01.png")
    (tmp_path / "masks" / "hole" / "01_mask.png").write_bytes((tmp_path / "masks" / "hole" / "01.png").read_bytes())
    ids = ["test/good/00.png", "test/hole/00.JPG", "test/hole/01.PNG"]
    found = read_masks(tmp_path / "masks", ids, side=8, aspects=np.ones(3))
    assert found.classes == ["0", "255"]
    none, first, second = found.masks
    assert none is None
    assert first is not None
    assert second is not None
    assert (first == (drawn == 255)).all()
    assert (second == (drawn.T == 255)).all()
    assert "0 and 255 alone" in found.notes[0]
    assert found.skipped == {"hole/01_mask.png": "is a second mask of test/hole/01.PNG"}


def test_255_is_void_where_any_mask_has_a_class_number(tmp_path: Path) -> None:
    """Also where the one pixel of the class is lost when the mask is made smaller."""
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[:4] = VOID
    Image.fromarray(pixels).save(tmp_path / "a.png")
    pixels[7, 7] = 1
    Image.fromarray(pixels).save(tmp_path / "b.png")
    found = read_masks(tmp_path, ["a.png", "b.png"], side=8, aspects=np.ones(2))
    assert found.classes == ["0", "1"]
    assert found.notes == []
    assert found.masks[0] is not None
    assert (found.masks[0][:4] == VOID).all()
    with pytest.raises(ValueError, match="at least 2 class numbers"):
        read_masks(tmp_path, ["a.png", "b.png"], side=2, aspects=np.ones(2))


def test_polygons_lie_on_background(tmp_path: Path) -> None:
    """A square from pixel 2 to 6 of 8, in a picture twice as wide as high; one without polygon is named, and its bbox beside is void."""
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 16, "height": 8}],
        "categories": [{"id": 5, "name": "thing"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 5, "bbox": [4, 2, 8, 4], "segmentation": [[4, 2, 12, 2, 12, 6, 4, 6]]},
            {"id": 2, "image_id": 1, "category_id": 5, "bbox": [12, 0, 4, 8], "segmentation": {"counts": [1], "size": [8, 16]}},
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    found = read_masks(tmp_path / "a.json", ["a.png"], side=8, aspects=np.array([2.0]))
    expected = np.zeros((8, 8), dtype=np.uint8)
    expected[2:6, 2:6], expected[:, 6:] = 1, VOID
    assert found.classes == ["background", "thing"]
    assert found.masks[0] is not None
    assert (found.masks[0] != expected).sum() <= 17, "at most the rim of both on two sides"
    assert (found.masks[0][2:6, 2:6] == 1).all()
    assert (found.masks[0][:, 6:] == VOID).all()
    assert list(found.skipped) == ["annotation 2"]


@pytest.mark.parametrize("change", [
    {"segmentation": {"counts": [1], "size": [8, 16]}}, {"segmentation": [[4, 2, float("nan"), 2, 12, 6]]}, {"category_id": 99},
    {"segmentation": {"counts": [1], "size": [8, 16]}, "category_id": 99}, {"segmentation": [], "iscrowd": 1},
])  # fmt: skip
@pytest.mark.parametrize("bbox", [[4, 2, 8, 4], [4, 2, 0, 4], None])
def test_what_cannot_be_read_is_no_background(tmp_path: Path, change: dict[str, Any], bbox: list[float] | None) -> None:
    """A thing on the left half of one picture, that of another is broken: void where it is, or no mask, and never background."""
    corners = [[4, 2, 12, 2, 12, 6, 4, 6]]
    content: dict[str, Any] = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 16, "height": 8} for number in (0, 1, 2)],
        "categories": [{"id": 5, "name": "thing"}],
        "annotations": [{"id": number, "image_id": number, "category_id": 5, "bbox": [4, 2, 8, 4], "segmentation": corners}
                        for number in (0, 1)],
    }  # fmt: skip
    content["annotations"][1] |= {**change, "bbox": bbox}
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    whole, broken, empty = read_masks(tmp_path / "a.json", ["0.png", "1.png", "2.png"], side=8, aspects=np.full(3, 2.0)).masks
    assert whole is not None
    assert empty is not None
    assert not empty.any()
    if broken is None:
        assert bbox != [4, 2, 8, 4]
    else:
        assert (broken == np.where(whole == 1, VOID, 0)).all()


def test_outlines_lie_on_rectangles(tmp_path: Path) -> None:
    """What has no polygon is void around an outline, whichever comes first; a mask of nothing but void is none."""
    content = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 8, "height": 8} for number in (0, 1)],
        "categories": [{"id": 5, "name": "thing"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 5, "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]},
            {"id": 2, "image_id": 0, "category_id": 5, "bbox": [0, 0, 8, 8], "segmentation": {"counts": [1], "size": [8, 8]}},
            {"id": 3, "image_id": 1, "category_id": 5, "bbox": [0, 0, 8, 8], "segmentation": {"counts": [1], "size": [8, 8]}},
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    first, second = read_masks(tmp_path / "a.json", ["0.png", "1.png"], side=8, aspects=np.ones(2)).masks
    assert first is not None
    assert (first[2:6, 2:6] == 1).all()
    assert not (first == 0).any()
    assert second is None


def test_a_probe_tells_what_is_linear_in_the_maps() -> None:
    """Three classes that three channels say, at half the pixels' resolution; void pixels do not matter."""
    torch.manual_seed(0)
    kinds = torch.randint(0, 3, (6, 8, 8))
    maps = torch.nn.functional.one_hot(kinds, 3).permute(0, 3, 1, 2).float() + 0.1 * torch.randn(6, 3, 8, 8)
    masks = kinds.repeat_interleave(2, 1).repeat_interleave(2, 2).numpy().astype(np.uint8)
    learned = masks[:4].copy()
    learned[:, :2] = VOID
    kept = Kept(np.arange(6), [maps.half(), torch.zeros(6, 2, 4, 4).half()])
    probe = fit_pixels(kept, np.arange(4), learned, classes=3)
    at_middles = probe(kept, np.array([4, 5]), side=8)
    assert (at_middles == masks[4:, ::2, ::2]).mean() > 0.99
