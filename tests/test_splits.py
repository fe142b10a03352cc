"""Splits: shares, groups that stay whole, files, and the way to the disk and back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from selfsup.data import Split, make_split

IDS = [f"p{patient}/{number}.png" for patient in range(10) for number in range(patient + 1)]


def test_shares() -> None:
    ids = [f"{number}.png" for number in range(200)]
    assert make_split(ids).parts == ["train"] * 200
    split = make_split(ids, holdout=0.2)
    assert len(split.rows("test")) == 40
    assert sorted(split.rows("test") + split.rows("train")) == list(range(200))
    assert make_split(ids, holdout=0.2).parts == split.parts
    assert make_split(ids, holdout=0.2, seed=1).parts != split.parts
    turned = make_split(ids[::-1], holdout=0.2)
    assert turned.by_id() == split.by_id(), "the order of the files does not matter"
    assert len(make_split(["a", "b"], holdout=0.01).rows("test")) == 1
    assert len(make_split(["a", "b"], holdout=0.99).rows("train")) == 1


def test_new_pictures_hardly_move_the_old() -> None:
    before = make_split([f"{number}.png" for number in range(1000)], holdout=0.2).by_id()
    after = make_split([f"{number}.png" for number in range(1050)], holdout=0.2).by_id()
    assert sum(before[name] != after[name] for name in before) < 20


@pytest.mark.parametrize("groups", ["folder", "folder:1", "blocks:5", "Patient", [name.split("/")[0] for name in IDS]])
@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole(groups: str | list[str], seed: int) -> None:
    columns: dict[str, list[str | None]] = {"patient": [name.split("/")[0] for name in IDS]}
    split = make_split(IDS, holdout=0.3, groups=groups, seed=seed, columns=columns)
    assert split.groups is not None
    sides: dict[str, set[str]] = {}
    for group, part in zip(split.groups, split.parts, strict=True):
        sides.setdefault(group, set()).add(part)
    assert all(len(own) == 1 for own in sides.values())
    assert len(sides) == (11 if groups == "blocks:5" else 10)
    assert abs(len(split.rows("test")) / len(IDS) - 0.3) < 0.1


def test_random_groups_come_near_the_share() -> None:
    chance = random.Random(1)
    for _ in range(50):
        groups = [str(chance.randrange(12)) for _ in range(100)]
        held = len(make_split([str(n) for n in range(100)], holdout=0.25, groups=groups).rows("test"))
        assert 15 <= held <= 35


def test_blocks_count_as_people_do() -> None:
    split = make_split(["x10", "x9", "x2", "x1"], groups="blocks:2")
    assert split.groups == ["block 000001", "block 000001", "block 000000", "block 000000"]


def test_group_files_and_pictures_without_a_group(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("path;camera\np1\\0.png;left\np1\\1.png;left\n")
    split = make_split(["p1/0.png", "p1/1.png", "p2/0.png"], groups=f"{tmp_path / 'g.csv'}:camera")
    assert split.groups == ["left", "left", "alone: p2/0.png"]


def test_split_files(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("path,split\np0/0.png,TRAIN\np1/0.png,val\np1/1.png,Holdout\np2/0.png,test\nx.png,test\n")
    split = make_split(IDS, split=tmp_path / "s.csv")
    assert [IDS[row] for row in split.rows("test")] == ["p1/0.png", "p1/1.png", "p2/0.png"]
    assert split.unmatched == ["x.png"]
    columns: dict[str, list[str | None]] = {"Part": ["test", *[None] * (len(IDS) - 1)]}
    assert make_split(IDS, split="part", columns=columns).rows("test") == [0]


def test_saved_and_loaded(tmp_path: Path) -> None:
    for groups in (None, "folder"):
        split = make_split(IDS, holdout=0.3, groups=groups)
        split.save(tmp_path / "split.parquet")
        assert Split.load(tmp_path / "split.parquet") == split
    assert split.parts_of([IDS[0], "new.png"]) == [split.parts[0], None]
    again = make_split(IDS, split=tmp_path / "split.parquet")
    assert again.parts == split.parts, "a run's split can be given to another run"


def test_messages(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("path,split\np0/0.png,perhaps\n")
    (tmp_path / "other.csv").write_text("path,split\nz/9.png,train\n")
    (tmp_path / "torn.csv").write_text("path,split\np1/0.png,train\np1/1.png,test\n")
    (tmp_path / "twice.csv").write_text("path,split\np1/0.png,train\np1/0.png,test\n")
    for share in (1.0, -0.1, 20):
        with pytest.raises(ValueError, match="Expected a share"):
            make_split(IDS, holdout=share)
    with pytest.raises(ValueError, match="both given"):
        make_split(IDS, holdout=0.2, split="s.csv")
    with pytest.raises(ValueError, match="all 2 pictures are in one group"):
        make_split(["a/1", "a/2"], holdout=0.2, groups="folder")
    with pytest.raises(ValueError, match=r"groups='camera' was given. Expected a column \(kind\)"):
        make_split(IDS, groups="camera", columns={"kind": [None] * len(IDS)})
    with pytest.raises(ValueError, match="2 groups were given"):
        make_split(IDS, groups=["a", "b"])
    with pytest.raises(ValueError, match="says 'perhaps'"):
        make_split(IDS, split=tmp_path / "odd.csv")
    with pytest.raises(ValueError, match="names none of the pictures"):
        make_split(IDS, split=tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"same group on both sides, in 1 of 10 groups, for example 'p1'"):
        make_split(IDS, split=tmp_path / "torn.csv", groups="folder")
    with pytest.raises(ValueError, match="twice"):
        make_split(IDS, split=tmp_path / "twice.csv")
    with pytest.raises(ValueError, match="There is no table"):
        make_split(IDS, split="nowhere.csv")
