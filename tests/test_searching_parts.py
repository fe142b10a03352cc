"""Indexes without any network: kills, settings that take effect, what has no direction, limits, locks, and what is written down."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexed import MAKER, Vectors, directions, fill, fill_and_say, milvus_server
from selfsup.data.tables import Table
from selfsup.searching import connection, filling, opened
from selfsup.searching.address import TOKEN, Address
from selfsup.searching.collection import Collection
from selfsup.searching.connection import connected
from selfsup.searching.ledger import Ledger
from selfsup.searching.rows import fields_of, key_of
from selfsup.searching.settings import GRAPH, MOST_BYTES, Settings, in_messages, settings_for

NUMBERS = itertools.count()
FORKED = multiprocessing.get_context("forkserver")
"""Processes that have everything imported when they begin."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with milvus_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(params=["lite", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Where an index goes, and its ledger."""
    if request.param == "lite":
        return {"to": tmp_path / "things.db", "folder": tmp_path / "things.db"}
    return {"to": request.getfixturevalue("server"), "folder": tmp_path / "ledger", "collection": f"things_{next(NUMBERS)}"}


def address_of(place: dict[str, Any]) -> Address:
    return Address.parse(place["to"], place.get("collection", "selfsup"))


def named(vectors: Vectors) -> dict[str, Vectors]:
    return {f"{number:05d}": vector for number, vector in enumerate(vectors)}


def test_rows_without_a_direction_are_named_and_left_out(place: dict[str, Any]) -> None:
    vectors = named(directions(6))
    vectors["00001"][:] = 0
    vectors["00003"][2] = np.nan
    vectors["00004"][0] = np.inf
    made = fill(vectors=vectors, **place)
    assert made.count == 3
    assert made.skipped == {
        "00001": "its embedding is zero, which is alike to nothing",
        "00003": "its embedding holds NaN or infinite numbers",
        "00004": "its embedding holds NaN or infinite numbers",
    }
    with opened(place["to"], collection=place.get("collection", "selfsup")) as searcher:
        assert searcher.collection.count() == 3
        with pytest.raises(ValueError, match="its embedding is zero"):
            searcher.nearest(np.zeros(16, dtype=np.float32), 3)
        with pytest.raises(ValueError, match=r"A vector of 5 numbers was given, and .* has vectors of 16"):
            searcher.nearest(np.ones(5, dtype=np.float32), 3)
        with pytest.raises(ValueError, match="16,385 rows were asked for; expected 1 to 16,384"):
            searcher.nearest(np.ones(16, dtype=np.float32), 16_385)


def recall(place: dict[str, Any], settings: Settings, vectors: Vectors, *, expected: set[str] | None = None) -> float:
    """The share of the true ten nearest that a search finds, once the index that is built in the background is in use."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = directions(30, vectors.shape[1], seed=1)
    with connected(address_of(place)) as client:
        collection = Collection(client, address_of(place))
        collection.build(settings)
        end, found = time.monotonic() + 60, 1.0
        while found == 1.0 and time.monotonic() < end:  # exact until it is built
            hits = [{entity["id"] for _, entity in collection.nearest(query, 10, settings=settings)} for query in queries]
            true = [{f"{row:05d}" for row in np.argsort(-(unit @ query))[:10]} for query in queries]
            found = float(np.mean([len(some & best) / 10 for some, best in zip(hits, true, strict=True)]))
            if settings.build["M"] > 8:
                time.sleep(2)
                end = min(end, time.monotonic() + 4)
        return found


def test_what_a_graph_is_built_and_searched_with_takes_effect(place: dict[str, Any]) -> None:
    vectors = directions(1500, 32)
    fill(vectors=named(vectors), **place)
    assert recall(place, GRAPH, vectors) > 0.95
    poor = recall(place, Settings("HNSW", {"M": 2, "efConstruction": 4}, breadth=10), vectors)
    assert poor < 0.7
    better = recall(place, Settings("HNSW", {"M": 2, "efConstruction": 4}, breadth=400), vectors)
    assert better > poor + 0.1, "a broader search finds more in the same graph"


def test_the_index_follows_the_number_of_rows(place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_for(49_999).kind == "FLAT"
    assert settings_for(50_000) == GRAPH
    monkeypatch.setattr("selfsup.searching.settings.FEW", 30)
    assert fill(vectors=named(directions(20)), **place).kind == "FLAT"
    grown = fill(vectors=named(directions(40)), **place)
    with connected(address_of(place)) as client:
        collection = Collection(client, address_of(place))
        assert (grown.kind, collection.kind, collection.count()) == ("HNSW", "HNSW", 40)


def killed_at(word: str, times: int, to: Path, *, seconds: float) -> list[str]:
    """What an indexing of 2,000 rows had begun when it was killed, `seconds` after it had said a word so many times."""
    ours, theirs = FORKED.Pipe()
    process = FORKED.Process(target=fill_and_say, args=(to, theirs))
    process.start()
    theirs.close()
    said: list[str] = []
    with contextlib.suppress(EOFError):  # it ended
        while said.count(word) < times:
            said.append(ours.recv())
        time.sleep(seconds)
        process.kill()
        while True:
            said.append(ours.recv())
    process.join()
    return said


def test_after_kills_every_row_is_there_once(tmp_path: Path) -> None:
    to, vectors = tmp_path / "things.db", directions(2000)
    FORKED.set_forkserver_preload(["selfsup.searching", "indexed", "pymilvus", "milvus_lite.server_manager"])
    moments = [("begun", 1, 0.02), ("create", 1, 0.01), ("insert", 1, 0.0), ("insert", 8, 0.005), ("flush", 1, 0.0)]
    killed = [killed_at(word, times, to, seconds=seconds) for word, times, seconds in moments]
    assert all(said and said[-1] != "done" for said in killed), killed
    made = fill(to, to, named(vectors), label=lambda name: name[-1])
    with opened(to) as searcher:
        keys = searcher.collection.stamps()
        assert (made.count, searcher.collection.count(), len(keys)) == (2000, 2000, 2000)
        assert set(keys) == {key_of(vector.tobytes().hex(), name) for name, vector in named(vectors).items()}
        for number in range(0, 2000, 300):
            [(_, hit)] = searcher.nearest(vectors[number], 1, filter=f'label == "{number % 10}"')
            assert hit.id == f"{number:05d}"
            assert hit.score == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("at", ["create_collection", "create_index", "insert", "flush", "delete"])
def test_a_stop_at_any_call_is_mended_by_the_next_run(place: dict[str, Any], at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moments between calls that a kill seldom meets: each call is made, and nothing after it."""
    from pymilvus import MilvusClient

    vectors = directions(50)
    if at == "delete":
        fill(vectors=named(vectors), **place)
    call = getattr(MilvusClient, at)

    def stopping(self: Any, *given: Any, **told: Any) -> None:
        call(self, *given, **told)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MilvusClient, at, stopping)
        with pytest.raises(KeyboardInterrupt):
            fill(vectors=named(vectors[10:]), **place)
    made = fill(vectors=named(vectors[5:]), **place)
    with connected(address_of(place)) as client:
        assert (made.count, Collection(client, address_of(place)).count()) == (45, 45)


def test_a_kill_inside_of_making_the_collection_is_mended(tmp_path: Path) -> None:
    """Milvus Lite makes a folder and then the schema in it; it makes no collection where the folder is."""
    to = tmp_path / "things.db"
    (to / "milvus.db" / "collections" / "selfsup").mkdir(parents=True)
    (to / "index.json").write_text(MAKER.written, encoding="utf-8")
    assert fill(to, to, named(directions(5))).count == 5


def test_embeddings_are_kept_once_and_forgotten_when_most_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfsup.searching.ledger.FILES", 3)
    vectors = directions(100)
    keys = [f"{number:032d}" for number in range(100)]
    with Ledger.opened(tmp_path / "ledger") as ledger:
        ledger.maker = MAKER
        for start in range(0, 100, 20):
            ledger.add(keys[start : start + 20], vectors[start : start + 20])
            ledger.flush()
        assert len(ledger.files) == 5
        ledger.tidy(set(keys))
        assert len(ledger.files) == 1
        ledger.tidy(set(keys[:30]))
    with Ledger.opened(tmp_path / "ledger") as ledger:
        assert ledger.known == set(keys[:30])
        [(held, found)] = ledger.vectors(set(keys[20:40]), at_once=1000)
        assert held == keys[20:30]
        np.testing.assert_array_equal(found, vectors[20:30])


def test_messages_stay_below_what_a_server_takes() -> None:
    sizes = [5, MOST_BYTES, 7, MOST_BYTES // 2 - 7, 1, 1]
    assert list(in_messages(sizes)) == [slice(0, 1), slice(1, 2), slice(2, 4), slice(4, 6)]
    assert list(in_messages([])) == []


def test_columns_become_fields_that_filters_can_name() -> None:
    columns: Table = {"hours": ["3", None, "12"], "share": ["0.5", "2", "-1e-3"], "label": ["7", "8", None]}
    columns |= {"post code": ["01187", "4", "5"], "id": ["a", "b", "c"], "2nd": ["x" * 2000, None, "y"]}
    fields, notes = fields_of(columns)
    assert fields["hours"] == [3, None, 12]
    assert fields["share"] == [0.5, 2.0, -0.001]
    assert fields["label"] == ["7", "8", None], "labels are words"
    assert fields["post_code"] == ["01187", "4", "5"], "a leading zero is no number's"
    assert fields["column_id"] == ["a", "b", "c"]
    assert fields["_2nd"] == ["x" * 1000, None, "y"]
    assert notes == [
        "The column 'post code' is called post_code in filters.",
        "The column 'id' is called column_id in filters.",
        "The column '2nd' is called _2nd in filters.",
        "Cells of the column '2nd' were cut to 1,000 characters.",
    ]


def test_a_locked_database_says_so_in_one_message(tmp_path: Path) -> None:
    to = tmp_path / "things.db"
    fill(to, to, named(directions(5)))
    code = "import sys; from pymilvus import MilvusClient; c = MilvusClient(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(to / "milvus.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ValueError, match=r"things.db is open in another process, and Milvus Lite lets in one at a time"), opened(to):
            pass
        other.kill()
    with opened(to) as one, opened(to) as two:
        assert one.collection.count() == two.collection.count() == 5
    code = "import sys; from selfsup.searching import opened\nwith opened(sys.argv[1]) as one: print(one.collection.count())"
    told = subprocess.run([sys.executable, "-c", code, str(to)], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("5\n", ""), "this process gave the lock back, and nothing else is said"


def test_nothing_stays_connected(place: dict[str, Any]) -> None:
    """What pymilvus would keep goes stale, and is given to the next who connects."""
    from pymilvus.client.connection_manager import ConnectionManager

    fill(vectors=named(directions(5)), **place)
    assert ConnectionManager.get_instance().get_stats()["total_connections"] == 0


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "root:hidden-word")
    with pytest.raises(ValueError, match=r"No Milvus server answered at http://127.0.0.1:9: ") as told, opened("http://127.0.0.1:9"):
        pass
    assert "hidden" not in str(told.value)


def test_addresses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"would be written down. Put NAME:PASSWORD into {TOKEN}") as told:
        Address.parse("http://root:hidden@host:19530")
    assert "hidden" not in str(told.value)
    with pytest.raises(ValueError, match="tcp:// was given"):
        Address.parse("tcp://host:19530")
    with pytest.raises(ValueError, match="'my things' was given for a collection"):
        Address.parse("http://host:19530", "my things")
    with pytest.raises(ValueError, match="The collection other was given with the folder"):
        Address.parse("things.db", "other")
    with pytest.raises(ValueError, match=r"There is no index .*none.db. Make it"), opened(tmp_path / "none.db"):
        pass
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(ValueError, match=r"is no index of selfsup, and holds other things \(letter.txt\)"):
        fill(tmp_path / "mine", tmp_path / "mine", named(directions(3)))
    assert [part.name for part in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_missing_packages_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda name: None if name == "milvus_lite" else 1)
    with pytest.raises(ModuleNotFoundError, match=r"selfsup\[search\].*not made for Windows"), connected(Address.parse(tmp_path / "a.db")):
        pass
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pymilvus: pip install 'selfsup\[search\]'"), connected(Address.parse("http://host:1")):
        pass


def test_a_damaged_database_is_made_anew_from_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = tmp_path / "things.db"
    vectors = named(directions(20))
    fill(to, to, vectors)
    for file in (to / "milvus.db").rglob("*.json"):
        file.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"things.db"), opened(to) as searcher:
        searcher.collection.count()
    with Ledger.opened(to) as ledger:
        made = filling.filled(Address.parse(to), ledger, MAKER, filling.Filling(rebuild=True))
    assert (made.count, made.added) == (20, 20)
    with opened(to) as searcher:
        assert searcher.collection.count() == 20
    assert json.loads((to / "index.json").read_text(encoding="utf-8"))["weights"] == MAKER.weights


def test_a_large_index_in_a_folder_is_advised_to_move(place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "LITE_ROWS", 4)
    advised = [note for note in fill(vectors=named(directions(5)), **place).notes if "--to http://host:19530" in note]
    assert len(advised) == (0 if address_of(place).is_server else 1)
