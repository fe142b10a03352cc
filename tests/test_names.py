"""Names held in one block are the words that a list holds."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from selfsup.data.names import Names

WORDS = ["a/1.png", "", "ü 12\n", "a/1.png", "x" * 300]


def test_they_are_what_went_in() -> None:
    names = Names(iter(WORDS))
    assert len(names) == 5
    assert list(names) == WORDS
    assert [names[place] for place in range(-5, 5)] == WORDS * 2
    assert names[1:4] == WORDS[1:4]
    assert names[::-2] == WORDS[::-2]
    assert names[np.int64(2)] == WORDS[2]
    assert names.index("ü 12\n") == 2
    assert "none" not in names
    assert names == WORDS
    assert names == WORDS
    assert names == Names(WORDS)
    assert names != WORDS[:-1]
    assert hash(names) == hash(Names(WORDS))


def test_none_stays_none() -> None:
    paths: Names[str | None] = Names([None, "/p", None])
    assert list(paths) == [None, "/p", None]
    assert paths[0] is None
    assert len(Names[str]([])) == 0


def test_many_are_gone_through_in_order_and_take_little() -> None:
    words = [f"{number // 1000:04d}/{number:07d}.png" for number in range(20_000)]
    before = pa.total_allocated_bytes()
    names = Names(words)
    assert list(names) == words
    taken = pa.total_allocated_bytes() - before
    assert taken < 20_000 * (16 + 8 + 8)
    assert taken < sum(map(sys.getsizeof, words)) / 2
