"""Captioned pictures of every form they come in, and what is done with what is broken."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from selfsup.data.pairs import PairWanted, open_pairs, prepare_pairs
from selfsup.data.pairs.listing import MOST_CAPTIONS, identity_of
from selfsup.data.tokens.tokenizer import Tokenizer
from small_pairs import arrays, painted, rows, table


def picture(file: Path, number: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(painted("red", "bar", number)).save(file)


def said(data: object, **wanted: str) -> dict[str, list[tuple[str, str]]]:
    """Captions and their groups by the picture's name."""
    listing = open_pairs(data, PairWanted(**wanted))
    pairs = zip(listing.source.ids, listing.captions, strict=True)
    return {name.rpartition("/")[2]: [(one.text, one.group) for one in own] for name, own in pairs}


def test_rows_of_one_picture_in_several_languages_are_its_captions(tmp_path: Path) -> None:
    listing = open_pairs(table(tmp_path, 6))
    assert listing.source.ids == [f"images/{number:03d}.png" for number in range(6)]
    assert [(one.text, one.group, one.place) for one in listing.captions[1]] == [
        ("a green square", "en", "captions.jsonl#3"),
        ("grün: square", "de", "captions.jsonl#4"),
    ]
    assert listing.groups == ["en", "de"]
    assert listing.source.columns["colour"] == ["red", "green", "blue", "black", "red", "green"]
    assert "pictures from column `image`; captions from `text`; languages from `lang`" in next(iter(listing.notes.values()))


def test_columns_called_like_languages_and_columns_by_name(tmp_path: Path) -> None:
    for number in range(2):
        picture(tmp_path / f"{number}.png", number)
    with (tmp_path / "pairs.csv").open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([["bild", "en", "pt-BR", "group"], ["0.png", "a, b", "maçã", "x"], ["1.png", "c", "", "y"]])
    assert said(tmp_path / "pairs.csv") == {"0.png": [("a, b", "en"), ("maçã", "pt-BR")], "1.png": [("c", "en")]}
    assert said(tmp_path / "pairs.csv", image="bild", text="group") == {"0.png": [("x", "caption")], "1.png": [("y", "caption")]}
    assert said(tmp_path, text="en,group", language="=en")["0.png"] == [("a, b", "en"), ("x", "en")]
    with pytest.raises(ValueError, match=r"no column `fr`; the columns are bild, en, pt-BR, group"):
        open_pairs(tmp_path / "pairs.csv", PairWanted(text="fr"))


def test_lists_of_captions_in_json_and_parquet(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    line = {"file_name": "a.png", "captions": ["one", "two", "one", " "], "boxes": [[1, 2]]}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line) + "\nno JSON\n", encoding="utf-8")
    listing = open_pairs(tmp_path)  # the one table in the folder
    assert [one.text for one in listing.captions[0]] == ["one", "two"]
    assert listing.notes["captions"] == "1 are empty and left out"
    assert any("no JSON" in reason for reason in listing.skipped.values())
    (tmp_path / "metadata.jsonl").unlink()
    pq.write_table(pa.table({"path": ["a.png"], "caption": [["one", "two"]]}), tmp_path / "t.parquet")
    assert said(tmp_path / "t.parquet", text="caption") == {"a.png": [("one", "caption"), ("two", "caption")]}


def test_captions_beside_pictures(tmp_path: Path) -> None:
    for name in ("x/cat.png", "x/dog.png", "cat.png", "bare.png"):
        picture(tmp_path / name)
    (tmp_path / "x" / "cat.txt").write_text("a cat\n\nand another line\n", encoding="utf-8")
    (tmp_path / "x" / "cat.de.txt").write_text("eine Katze", encoding="utf-16")
    (tmp_path / "x" / "dog.json").write_text(json.dumps({"en": "a dog", "de": ["ein Hund", "noch einer"], "width": 20}), encoding="utf-8")
    (tmp_path / "cat.json").write_text("[1", encoding="utf-8")
    (tmp_path / "readme.txt").write_text("of no picture", encoding="utf-8")
    listing = open_pairs(tmp_path)
    found = {name: [(one.text, one.group) for one in own] for name, own in zip(listing.source.ids, listing.captions, strict=True)}
    assert found["x/cat.png"] == [("eine Katze", "de"), ("a cat", "caption"), ("and another line", "caption")]
    assert found["x/dog.png"] == [("a dog", "en"), ("ein Hund", "de"), ("noch einer", "de")]
    assert set(found) == {"x/cat.png", "x/dog.png"}
    assert listing.skipped["bare.png"] == "no caption"
    assert "cat.json" in listing.skipped


def test_shards(tmp_path: Path) -> None:
    pictures = io.BytesIO()
    Image.fromarray(painted("blue", "square", 1)).save(pictures, "PNG")
    members = {
        "000.png": pictures.getvalue(),
        "000.txt": b"a blue square",
        "001.json": b'{"caption": "broken"}',
        "001.jpg": b"\xff\xd8none",
    }
    for number in range(2):
        with tarfile.open(tmp_path / f"shard-{number}.tar", "w") as archive:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    whole = (tmp_path / "shard-1.tar").read_bytes()
    (tmp_path / "shard-1.tar").write_bytes(whole[: len(whole) // 4 // 512 * 512 + 100])  # cut short
    listing = open_pairs(str(tmp_path / "shard-*.tar"))
    assert listing.source.ids[0] == "shard-0.tar/000.png"
    assert [one.text for one in listing.captions[0]] == ["a blue square"]
    np.testing.assert_array_equal(listing.source.read(0).pixels, painted("blue", "square", 1))
    corpus = prepare_pairs(tmp_path, PairWanted(), size=None, context=8, tokenizer=Tokenizer.bytes())
    assert "shard-0.tar/001.jpg" in corpus.store.pictures.skipped


def test_arrays_in_memory_and_in_a_file(tmp_path: Path) -> None:
    made = arrays(6)
    listing = open_pairs(made)
    assert [one.group for one in listing.captions[0]] == ["en", "de"]
    assert listing.source.columns["colour"][1] == "green"
    np.savez(tmp_path / "pairs.npz", images=made["image"], en=np.array(made["en"]), de=np.array(made["de"]), label=np.array(made["colour"]))
    saved = open_pairs(tmp_path / "pairs.npz")
    assert saved.captions == listing.captions
    assert saved.source.columns["label"][1] == "green"
    with pytest.raises(ValueError, match="'en' has 5 entries, and there are 6 pictures"):
        open_pairs({**made, "en": made["en"][:5]})


def test_what_is_broken_is_skipped_counted_and_named(tmp_path: Path) -> None:
    file = table(tmp_path, 8)
    (tmp_path / "images" / "001.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    lines = file.read_text(encoding="utf-8").splitlines()
    missing = json.dumps({"image": "images/none.png", "text": "not there", "lang": "en"})
    empty = [json.dumps({"image": "images/002.png", "text": "  ", "lang": language}) for language in ("en", "de")]
    others = [line for line in lines if "002.png" not in line]
    file.write_text("\n".join([*others, *empty, missing, json.dumps({"text": "of nothing"})]), encoding="utf-8")
    corpus = prepare_pairs(file, PairWanted(), size=16, context=8, tokenizer=Tokenizer.bytes())
    assert len(corpus.store) == 6
    skipped = {**corpus.listing.skipped, **corpus.store.pictures.skipped}
    assert skipped["images/none.png"] == "no such file"
    assert skipped["images/002.png"] == "its caption is empty"
    assert "images/001.png" in skipped
    assert any(reason == "it names no picture file" for reason in skipped.values())
    assert corpus.listing.notes["captions"] == "2 are empty and left out"


@pytest.mark.parametrize("data", [7, [], "nowhere", {"en": ["a"]}])
def test_what_holds_no_pairs_is_refused_in_words(data: object) -> None:
    with pytest.raises(ValueError, match=r"Expected|expected"):
        open_pairs(data)


def test_a_batch_holds_all_captions_with_their_tokens() -> None:
    tokenizer = Tokenizer.bytes()
    corpus = prepare_pairs(arrays(12), PairWanted(), size=16, context=10, tokenizer=tokenizer, parts={"holdout": 0.25})
    assert len(corpus.rows) == 9
    batch = corpus.store.batch(torch.tensor([3, 0]))
    assert batch["tokens"].shape == (2, 2, 10)
    for place, row in enumerate((3, 0)):
        for number, language in enumerate(("en", "de")):
            text = rows(12)[row][language]
            length = int(batch["length"][place, number])
            assert batch["tokens"][place, number, :length].tolist() == list(text.encode()[:10])
            assert int(batch["caption"][place, number]) == identity_of(text)
    same = prepare_pairs({**arrays(4), "image": np.repeat(arrays(1)["image"], 4, 0)}, PairWanted(), size=16, context=4, tokenizer=tokenizer)
    assert len(set(same.store.batch(torch.arange(4))["picture"].tolist())) == 1


def test_many_captions_of_one_picture_are_cut_off_and_told() -> None:
    made = {"image": arrays(2)["image"], "caption": [[f"number {n}" for n in range(MOST_CAPTIONS + 5)], ["only one"]]}
    listing = open_pairs(made)
    assert [len(own) for own in listing.captions] == [MOST_CAPTIONS, 1]
    assert "5 beyond the first" in listing.notes["many captions"]


def test_captions_are_equal_whatever_their_case_and_white_space() -> None:
    assert identity_of("A  red\nBall ") == identity_of("a red ball") != identity_of("a red balls")
