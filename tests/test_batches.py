"""Batches: each picture once an epoch, the same at the same step, cut into equal slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selfsup.data import Batches, open_source, open_store

STORE = open_store(open_source(np.arange(23 * 16, dtype=np.uint8).reshape(23, 4, 4)), side=4, progress=False)
ROWS = [row for row in range(23) if row != 7]


def test_each_row_once_an_epoch() -> None:
    batches = Batches(STORE, ROWS, batch_size=5, seed=3)
    assert batches.steps_per_epoch == 4
    epochs = [torch.cat([batches.rows_at(epoch * 4 + step) for step in range(4)]) for epoch in range(30)]
    for rows in epochs:
        assert len(set(rows.tolist())) == 20
        assert set(rows.tolist()) <= set(ROWS)
    assert len({tuple(rows.tolist()) for rows in epochs}) == 30, "another order each epoch"
    seen = torch.cat(epochs).bincount(minlength=23)
    assert seen[7] == 0
    assert seen[ROWS].min() >= 20, "what an epoch leaves out changes"


def test_a_step_is_a_pure_function() -> None:
    forward = [Batches(STORE, ROWS, batch_size=4, seed=1).rows_at(step) for step in range(40)]
    other = Batches(STORE, torch.tensor(ROWS), batch_size=4, seed=1)
    torch.manual_seed(99)
    for step in torch.randperm(40).tolist():
        assert torch.equal(other.rows_at(step), forward[step])
    assert not torch.equal(Batches(STORE, ROWS, batch_size=4, seed=2).rows_at(0), forward[0])


def test_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    Batches(STORE, ROWS, batch_size=4, seed=1).at(3)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_slices_make_up_the_batch(count: int) -> None:
    batches = Batches(STORE, ROWS, batch_size=6, seed=0)
    whole = batches.at(5)
    parts = [batches.at(5, part=(index, count)) for index in range(count)]
    for name in whole:
        assert torch.equal(torch.cat([part[name] for part in parts]), whole[name])
    assert torch.equal(whole["image"], STORE.pixels[whole["index"]])


def test_messages() -> None:
    with pytest.raises(ValueError, match=r"batch size of 64 was given for 22 rows"):
        Batches(STORE, ROWS, batch_size=64, seed=0)
    with pytest.raises(ValueError, match="batch size of 0"):
        Batches(STORE, ROWS, batch_size=0, seed=0)
    with pytest.raises(ValueError, match="Part 0 of 4 of a batch of 6"):
        Batches(STORE, ROWS, batch_size=6, seed=0).at(0, part=(0, 4))
