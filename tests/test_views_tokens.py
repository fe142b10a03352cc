"""Views of text: how many tokens are hidden, which, by what; words and spans; deletion; spans taken out; documents in packed rows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from selfsup.views.packed import mean_of_texts, positions_in, texts_in
from selfsup.views.span_corruption import corrupt_spans, span_counts
from selfsup.views.tokens import (
    LONGEST_SPAN,
    choose_tokens,
    delete_units,
    hidden_positions,
    hide_tokens,
    single_tokens,
    span_numbers,
    word_numbers,
)
from small_text import MASK, rng, rows, vocabulary

WORDS = vocabulary()


def positions(ids: Tensor, seed: int = 0, rate: float = 0.15, **how: bool) -> tuple[Tensor, Tensor]:
    chosen = hidden_positions(ids, rng(seed), rate=rate, is_special=WORDS.is_special, is_start_of_word=WORDS.is_start_of_word, **how)
    return chosen.positions, chosen.counted


def marked(ids: Tensor, places: Tensor, counted: Tensor) -> Tensor:
    return torch.zeros_like(ids, dtype=torch.bool).scatter(1, places, counted)


def within(count: int, of: int, chance: float, deviations: float = 5.0) -> bool:
    return abs(count - of * chance) <= deviations * math.sqrt(of * chance * (1 - chance))


@pytest.mark.parametrize("how", [{}, {"whole_words": True}, {"spans": True}, {"spans": True, "whole_words": True}], ids=str)
def test_a_fixed_number_a_row_and_never_a_special_token(how: dict[str, bool]) -> None:
    ids = rows(200, 128)["tokens"]
    places, counted = positions(ids, **how)
    assert places.shape == (200, round(0.15 * 128))
    assert bool((places.diff(dim=1) > 0).all())  # ascending, none twice
    assert not WORDS.is_special[ids.gather(1, places)][counted].any()
    assert float(counted.float().mean()) > (0.98 if how.get("whole_words") else 0.9999)


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_every_place_is_chosen_alike(rate: float) -> None:
    ids = torch.full((4000, 40), 7)
    places, counted = positions(ids, rate=rate)
    often = marked(ids, places, counted).sum(0)
    assert all(within(int(count), 4000, rate) for count in often)


def test_a_row_with_too_few_words_hides_those_it_has() -> None:
    ids = torch.full((3, 20), MASK)
    ids[1, 4] = 9
    places, counted = positions(ids)
    assert counted.sum(1).tolist() == [0, 1, 0]
    assert int(places[1][counted[1]]) == 4
    seen = hide_tokens(
        ids, choose_tokens(single_tokens(ids), ids == 9, 3, rng()), mask=MASK, ordinary=WORDS.ordinary, rng=rng(), masked=1.0, random=0.0
    )
    assert int((seen != ids).sum()) == 1


def test_words_are_numbered_by_their_starts() -> None:
    #                      [CLS] a   ##b  c   d   [SEP] ##e ##f  g
    special = torch.tensor([[1, 0, 0, 0, 0, 1, 0, 0, 0]]).bool()
    starts = torch.tensor([[0, 1, 0, 1, 1, 0, 0, 0, 1]]).bool()
    assert word_numbers(starts, special, longest=5).tolist() == [[0, 1, 1, 2, 3, 4, 5, 5, 6]]


def test_a_run_too_long_to_hide_is_taken_token_by_token() -> None:
    starts = torch.tensor([[1, 0, 0, 0, 0, 1, 0]]).bool()
    assert word_numbers(starts, torch.zeros_like(starts), longest=4).tolist() == [[0, 1, 2, 3, 4, 5, 5]]


@pytest.mark.parametrize("spans", [False, True])
def test_whole_words_are_never_split(spans: bool) -> None:
    ids = rows(300, 128, seed=3)["tokens"]
    places, counted = positions(ids, whole_words=True, spans=spans)
    hidden = marked(ids, places, counted)
    special = WORDS.is_special[ids]
    number = word_numbers(WORDS.is_start_of_word[ids], special, longest=round(0.15 * 128))
    share = torch.zeros(300, 128).scatter_add_(1, number, hidden.float()) / torch.zeros(300, 128).scatter_add_(
        1, number, torch.ones(300, 128)
    ).clamp(min=1)
    assert set(share.flatten().tolist()) == {0.0, 1.0}
    lengths = torch.zeros(300, 128).scatter_add_(1, number, hidden.float())
    assert float(lengths.max()) > 1  # words of several tokens are hidden, which a mask that does nothing would not show


def test_long_words_are_hidden_about_as_often_as_short_ones() -> None:
    """Words of one to four tokens in turn: filling rows with words that fit favours short ones a little, as BERT's own code does."""
    starts = torch.tensor([1, 1, 0, 1, 0, 0, 1, 0, 0, 0] * 20).bool().expand(2000, -1)
    number = word_numbers(starts, torch.zeros_like(starts), longest=30)
    chosen = choose_tokens(number, torch.ones_like(starts), 30, rng(), whole=True)
    often = marked(number, chosen.positions, chosen.counted).view(2000, 20, 10).float().mean((0, 1))
    assert float(often.max() / often.min()) < 1.35
    assert float(often.mean()) == pytest.approx(0.15, rel=0.01)


def test_lengths_of_spans_are_those_of_spanbert() -> None:
    """Geometric with p = .2, cut at 10 and normalised: a mean of 3.8 (section 3.1 of the paper)."""
    units = single_tokens(torch.zeros(400, 500, dtype=torch.long))
    spans = span_numbers(units, torch.zeros(400, 500, dtype=torch.bool), rng())
    lengths = torch.zeros(400, 500, dtype=torch.long).scatter_add_(1, spans, torch.ones_like(spans))
    inner = lengths[:, :80]  # none of them cut off by the end of the row
    assert int(inner.max()) == LONGEST_SPAN
    chances = 0.2 * 0.8 ** torch.arange(LONGEST_SPAN)
    expected = chances / chances.sum()
    often = torch.bincount(inner.flatten(), minlength=11)[1:]
    assert all(within(int(count), inner.numel(), float(chance)) for count, chance in zip(often, expected, strict=True))
    assert float(inner.float().mean()) == pytest.approx(3.8, abs=0.05)


def test_spans_do_not_reach_across_special_tokens() -> None:
    ids = rows(100, 64, seed=5)["tokens"]
    special = WORDS.is_special[ids]
    spans = span_numbers(single_tokens(ids), special, rng())
    inside = spans[:, 1:] == spans[:, :-1]
    assert not (inside & (special[:, 1:] | special[:, :-1])).any()


def test_eighty_ten_ten_and_random_words_from_the_whole_vocabulary() -> None:
    ids = rows(3000, 128, seed=1)["tokens"]
    chosen = choose_tokens(single_tokens(ids), ~WORDS.is_special[ids], 19, rng())
    seen = hide_tokens(ids, chosen, mask=MASK, ordinary=WORDS.ordinary, rng=rng(1))
    before, after = ids.gather(1, chosen.positions), seen.gather(1, chosen.positions)
    total, words = before.numel(), len(WORDS.ordinary)
    assert within(int((after == MASK).sum()), total, 0.8)
    # A random word may be the one that stood there.
    assert within(int(((after != MASK) & (after != before)).sum()), total, 0.1 * (1 - 1 / words))
    replaced = after[(after != MASK) & (after != before)]
    often = torch.bincount(replaced, minlength=WORDS.size)
    assert not often[WORDS.is_special].any()
    assert all(within(int(count), len(replaced), 1 / words) for count in often[~WORDS.is_special])
    untouched = torch.ones_like(ids, dtype=torch.bool).scatter(1, chosen.positions, False)
    assert torch.equal(seen[untouched], ids[untouched])


def test_the_tokens_of_a_span_fare_alike() -> None:
    ids = rows(500, 128, seed=2)["tokens"]
    special = WORDS.is_special[ids]
    chosen = choose_tokens(span_numbers(single_tokens(ids), special, rng()), ~special, 19, rng(1))
    seen = hide_tokens(ids, chosen, mask=MASK, ordinary=WORDS.ordinary, rng=rng(2), together=True)
    became_mask = (seen.gather(1, chosen.positions) == MASK).long()
    members = torch.zeros(500, 128).scatter_add_(1, chosen.unit, torch.ones(500, 19))
    share = torch.zeros(500, 128).scatter_add_(1, chosen.unit, became_mask.float()) / members.clamp(min=1)
    assert set(share.flatten().tolist()) == {0.0, 1.0}


def test_draws_come_from_the_generator_alone() -> None:
    ids = rows()["tokens"]
    state = torch.get_rng_state()
    once, again, other = (positions(ids, seed, spans=True, whole_words=True)[0] for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_rates_outside_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        positions(rows()["tokens"], rate=rate)


# Deletion -------------------------------------------------------------------------------------------------------------------------


def test_sixty_per_cent_of_the_words_are_deleted() -> None:
    """Of the words, not of what stays: public scripts delete 40 %."""
    ids = torch.randint(5, 60, (200, 100), generator=rng())
    number = word_numbers(WORDS.is_start_of_word[ids], torch.zeros_like(ids, dtype=torch.bool), longest=100)
    places, kept = delete_units(number, torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids), 0.6, rng())
    for row in range(200):
        total = int(number[row].max()) + 1
        stays = number[row, places[row][kept[row]]]
        assert len(set(stays.tolist())) == round(0.4 * total)
        whole = torch.isin(number[row], stays)
        assert torch.equal(whole.nonzero().squeeze(1), places[row][kept[row]])  # in order, whole words


def test_something_is_left_of_every_text() -> None:
    text = torch.arange(50).div(5, rounding_mode="floor").expand(20, -1).contiguous()
    units = single_tokens(text).contiguous()
    places, kept = delete_units(units, torch.ones_like(text, dtype=torch.bool), text, 0.95, rng())
    for row in range(20):
        assert set(text[row, places[row][kept[row]]].tolist()) == set(range(10))


# Span corruption -------------------------------------------------------------------------------------------------------------------


def test_corrupted_spans_can_be_put_back() -> None:
    ids = torch.randint(0, 100, (50, 64), generator=rng())
    sentinels = torch.arange(100, 110)
    made = corrupt_spans(ids, sentinels, rate=0.15, length=3.0, rng=rng(1))
    hidden, count = span_counts(64, rate=0.15, length=3.0)
    assert (hidden, count) == (10, 3)
    assert made.seen.shape == (50, 64 - hidden + count)
    assert made.target.shape == (50, hidden + count + 1)
    for row in range(50):
        spans: dict[int, list[int]] = {}
        for word in made.target[row].tolist():
            if word >= 100:
                current = spans.setdefault(word, [])
            else:
                current.append(word)
        assert list(spans) == [100, 101, 102, 103]
        assert spans.pop(103) == []  # the last sentinel ends the target
        assert all(spans.values())  # no span is empty
        back = [word for seen in made.seen[row].tolist() for word in (spans[seen] if seen >= 100 else [seen])]
        assert back == ids[row].tolist()
        assert int(made.seen[row, 0]) < 100  # text comes first


def test_spans_lie_everywhere() -> None:
    ids = torch.arange(40).expand(5000, -1)
    made = corrupt_spans(ids, torch.arange(40, 60), rate=0.15, length=3.0, rng=rng())
    often = torch.bincount(made.target[made.target < 40], minlength=40)
    assert int(often[0]) == 0  # text comes first
    assert int(often[-1]) == 5000  # and a span last, as in T5
    assert int(often[1:].min()) > 0
    assert int(often.sum()) == 5000 * 6


def test_too_few_sentinels_are_refused() -> None:
    with pytest.raises(ValueError, match="4 sentinels"):
        corrupt_spans(torch.zeros(2, 64, dtype=torch.long), torch.arange(3), rate=0.15, length=3.0, rng=rng())


# Packed rows -----------------------------------------------------------------------------------------------------------------------


def test_positions_start_anew_in_each_document() -> None:
    assert positions_in(torch.tensor([[5, 5, 5, 6, 7, 7], [7, 7, 7, 7, 7, 8]])).tolist() == [[0, 1, 2, 0, 0, 1], [0, 1, 2, 3, 4, 0]]


def test_texts_are_the_pieces_long_enough() -> None:
    texts = texts_in(torch.tensor([[5, 5, 5, 6, 7, 7, 7, 7], [1, 2, 3, 4, 5, 6, 7, 8]]), shortest=3)
    assert texts.number.tolist() == [[0, 0, 0, 2, 1, 1, 1, 1], [0] * 8]
    assert texts.counted.tolist() == [[True, True], [True, False]]


def test_means_of_texts_by_hand() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [10.0], [7.0]]])
    assert mean_of_texts(hidden, torch.tensor([[0, 0, 2, 1]]), 2).tolist() == [[[2.0], [7.0]]]
    assert mean_of_texts(hidden, torch.tensor([[0, 0, 0, 0]]), 2)[0, 1].tolist() == [0.0]
