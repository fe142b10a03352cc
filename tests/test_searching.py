"""Indexing and searching pictures and texts: what is found, what a second run does, and what is refused."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selfsup
from finetuning_fixture import picture_run, text_run
from indexed import milvus_server, save_digits
from selfsup.embedding import PictureReading
from selfsup.run import Run

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(params=["lite", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Where an index goes: a folder, or a collection of its own at a server."""
    if request.param == "lite":
        return {"to": tmp_path / "things.db"}
    return {"to": request.getfixturevalue("server"), "collection": f"things_{next(NUMBERS)}"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pictures and one on texts, of no training, and another on the same pictures."""
    root = tmp_path_factory.mktemp("runs")
    save_digits(root / "digits", range(40))
    lines = (f"T{n},{'the bill for order' if n % 2 else 'lamp'} {n},{'bills' if n % 2 else 'lamps'},{n}" for n in range(12))
    (root / "tickets.csv").write_text("\n".join(["id,body,queue,hours", *lines]), encoding="utf-8")
    picture_run(root / "first", root / "digits")
    picture_run(root / "vit", root / "digits", backbone="compact_vit")
    text_run(root / "tickets", root / "tickets.csv")
    return root


def asked(place: dict[str, Any], **question: Any) -> selfsup.Found:
    where = {"index": place["to"], **({"collection": place["collection"]} if "collection" in place else {})}
    return selfsup.search(**where, **question)


def test_pictures_are_found_by_file_by_row_and_with_filters(runs: Path, place: dict[str, Any], tmp_path: Path) -> None:
    made = selfsup.index(runs / "first", runs / "digits", labels="folder", **place)
    assert (made.count, made.added, made.embedded, made.kind) == (40, 40, 40, "FLAT")
    file = runs / "digits" / "7" / "17.png"
    found = asked(place, query=file, k=5)
    assert [found.hits[0].id, found.hits[0].path] == ["7/17.png", str(file)]
    assert found.hits[0].score == pytest.approx(1, abs=1e-5)
    expected = nearest_by_hand(runs / "first", made.layer, "7/17.png")
    assert [hit.id for hit in found.hits] == [name for name, _ in expected[:5]]
    np.testing.assert_allclose([hit.score for hit in found.hits], [score for _, score in expected[:5]], atol=1e-4)
    by_row = asked(place, row="7/17.png", k=4)
    assert [hit.id for hit in by_row.hits] == [hit.id for hit in found.hits[1:]]
    only = asked(place, like=str(file), k=40, filter='label in ["3", "4"]').hits
    assert [hit.id for hit in only] == [name for name, _ in expected if name[0] in "34"]
    assert {hit.fields["label"] for hit in only} == {"3", "4"}


def nearest_by_hand(folder: Path, layer: str, name: str) -> list[tuple[str, float]]:
    """By the embeddings themselves, without a database."""
    run = Run.open(folder)
    reading = PictureReading.of(run, PictureReading.opened(run.data))
    vectors = reading.embeddings(PictureReading.network(run), range(len(reading.ids)), layers=[layer])[layer]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[reading.ids.index(name)]
    return [(reading.ids[row], float(cosines[row])) for row in np.argsort(-cosines, kind="stable")]


def test_a_second_run_embeds_what_is_new_and_removes_what_is_gone(runs: Path, place: dict[str, Any], tmp_path: Path) -> None:
    data = tmp_path / "digits"
    shutil.copytree(runs / "digits", data)
    selfsup.index(runs / "first", data, **place)
    again = selfsup.index(runs / "first", data, **place)
    assert (again.count, again.embedded, again.added, again.updated, again.removed) == (40, 0, 0, 0, 0)
    save_digits(data, range(40, 43))
    (data / "0" / "0.png").unlink()
    shutil.copy(data / "1" / "1.png", data / "2" / "2.png")  # another content under the same name
    changed = selfsup.index(runs / "first", data, **place)
    assert (changed.count, changed.embedded, changed.added, changed.updated, changed.removed) == (42, 4, 4, 0, 2)
    labelled = selfsup.index(runs / "first", data, labels="folder", **place)
    assert (labelled.count, labelled.embedded, labelled.added, labelled.updated) == (42, 0, 0, 42)
    assert asked(place, row="2/2.png", k=1).hits[0].id == "1/1.png"
    assert asked(place, row="2/2.png", k=1, filter='label == "7"').hits[0].fields == {"label": "7"}
    bare = selfsup.index(runs / "first", data, **place)
    assert bare.updated == 42
    assert asked(place, row="2/2.png", k=1).hits[0].fields == {}, "old fields stay"


def test_a_rebuild_needs_neither_data_nor_network(
    runs: Path, place: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "digits"
    shutil.copytree(runs / "digits", data)
    selfsup.index(runs / "first", data, labels="folder", **place)
    before = asked(place, row="7/17.png", k=40).hits
    shutil.rmtree(data)
    monkeypatch.setattr(PictureReading, "network", lambda run: pytest.fail("the network was asked"))
    made = selfsup.index(runs / "first", rebuild=True, **place)
    assert (made.count, made.added, made.embedded) == (40, 40, 0)
    assert asked(place, row="7/17.png", k=40).hits == before
    with pytest.raises(ValueError, match="reads no data or labels"):
        selfsup.index(runs / "first", runs / "digits", rebuild=True, **place)


def test_texts_are_found_by_words_by_file_and_by_numbers_in_their_table(runs: Path, place: dict[str, Any], tmp_path: Path) -> None:
    made = selfsup.index(runs / "tickets", runs / "tickets.csv", labels="queue", id="id", text="body", **place)
    assert made.count == 12
    found = asked(place, query="the bill for order 7", k=3)
    assert (found.hits[0].id, found.hits[0].fields["text"]) == ("T7", "the bill for order 7")
    assert found.hits[0].score == pytest.approx(1, abs=1e-4)
    (tmp_path / "mail.txt").write_text("lamp 4", encoding="utf-8")
    assert asked(place, like=tmp_path / "mail.txt", k=1).hits[0].id == "T4"
    few = asked(place, query="lamp", k=12, filter='hours > 5 and label == "lamps"').hits
    assert sorted(hit.id for hit in few) == ["T10", "T6", "T8"]


def test_another_runs_index_is_refused_by_both(runs: Path, place: dict[str, Any]) -> None:
    selfsup.index(runs / "first", runs / "digits", **place)
    with pytest.raises(ValueError, match="has other weights: their embeddings cannot be compared"):
        selfsup.index(runs / "vit", runs / "digits", **place)
    with pytest.raises(ValueError, match="has other weights"):
        asked(place, query=runs / "digits" / "0" / "0.png", run=runs / "vit")
    with pytest.raises(ValueError, match="holds embeddings of layer stage3/mean, and stage1/mean was asked for"):
        selfsup.index(runs / "first", runs / "digits", layer="stage1", **place)
    shutil.copytree(runs / "first", runs / "moved", dirs_exist_ok=True)
    assert asked(place, query=runs / "digits" / "0" / "0.png", run=runs / "moved", k=1).hits[0].id == "0/0.png"


def test_what_cannot_be_asked(runs: Path, place: dict[str, Any], tmp_path: Path) -> None:
    selfsup.index(runs / "first", runs / "digits", labels="folder", **place)
    with pytest.raises(ValueError, match=r'The filter label in \["3" was refused: .*such as label in \["cat"\]'):
        asked(place, row="0/0.png", filter='label in ["3"')
    with pytest.raises(ValueError, match=r"has no row 'none' among its 40. Expected an id, such as '\d/\d+.png'"):
        asked(place, row="none")
    with pytest.raises(ValueError, match="0 rows were asked for; expected 1 to 16,384"):
        asked(place, query=runs / "digits" / "0" / "0.png", k=0)
    with pytest.raises(ValueError, match="row and like came to search with; expected one"):
        asked(place, row="none", like="some.png")
    with pytest.raises(ValueError, match="There is no picture a cat"):
        asked(place, query="a cat")
    assert asked(place, row="0/0.png", filter="nothing == 3").notes == ["No row passes the filter. Fields are id, label, path."]
    other = save_digits(tmp_path / "other", range(100, 103))
    with pytest.raises(ValueError, match=r"None of the 40 rows of the index is in .*so all would be removed"):
        selfsup.index(runs / "first", other, **place)
