"""Documents as networks read them: streamed texts, ids on disk, windows without padding, and pools over all tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selfsup.embedding import TextReading, windows
from selfsup.embedding.encoded import Encoded
from selfsup.embedding.texts import Texts
from selfsup.embedding.windows import TextNetwork, batches, cut
from text_stand_ins import Bag, ListOfTexts, Text, WordEncoder

LENGTHS = (3, 8, 9, 40, 1, 0, 17, 8)


def some_texts() -> list[Text]:
    return [
        Text(f"d{number}", " ".join(f"w{number}x{place}" for place in range(length)), "de" if number % 2 else None)
        for number, length in enumerate(LENGTHS)
    ]


def reading_of(texts: list[Text]) -> TextReading:
    held = Texts(ListOfTexts(texts))
    return TextReading(held, Encoded(held, WordEncoder()), key="words")


def network(*, causal: bool = False, context: int = 8) -> Bag:
    torch.manual_seed(0)
    return Bag(causal=causal, context=context).eval()


def ids_of(text: Text) -> torch.Tensor:
    return torch.from_numpy(WordEncoder().encode_batch([text.text])[0].astype(np.int64))


def test_windows_cover_every_token_once_and_are_nearly_equal() -> None:
    assert cut(17, 8) == [(0, 5), (5, 6), (11, 6)]
    assert cut(8, 8) == [(0, 8)]
    assert cut(0, 8) == []
    for length in range(1, 100):
        pieces = cut(length, 8)
        assert [place for start, size in pieces for place in range(start, start + size)] == list(range(length))
        assert max(size for _, size in pieces) <= 8
        assert max(size for _, size in pieces) - min(size for _, size in pieces) <= 1


def test_batches_hold_windows_of_one_length_and_no_more_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "TOKENS", 20)
    found = list(batches(np.array(LENGTHS), 8))
    assert all(len({window.length for window in batch}) == 1 for batch in found)
    assert all(sum(window.length for window in batch) <= 20 for batch in found)
    assert sum(window.length for batch in found for window in batch) == sum(LENGTHS)


@pytest.mark.parametrize("causal", [False, True])
def test_pools_equal_those_of_each_document_by_itself(causal: bool) -> None:
    """Window by window in a plain loop: the mean over all tokens, the largest of each column, the very last token."""
    texts, net = some_texts(), network(causal=causal)
    found = reading_of(texts).embeddings(net, range(len(texts)))
    pools = ("mean", "max", "last") if causal else ("mean", "max")
    assert list(found) == ["first+last/mean", *(f"{layer}/{pool}" for layer in net.layers for pool in pools)]
    for row, text in enumerate(texts):
        ids = ids_of(text)
        if not len(ids):
            assert all((found[name][row] == 0).all() for name in found)
            continue
        states = [net.features(ids[None, start : start + size]) for start, size in cut(len(ids), 8)]
        means = []
        for layer in net.layers:
            tokens = torch.cat([state[layer][0] for state in states]).detach().numpy()
            expected = {"mean": tokens.mean(0), "max": tokens.max(0), "last": tokens[-1]}
            means.append(expected["mean"])
            for pool in pools:
                np.testing.assert_allclose(found[f"{layer}/{pool}"][row], expected[pool], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["first+last/mean"][row], (means[0] + means[1]) / 2, rtol=1e-4, atol=1e-5)


def test_rows_stay_in_order_however_many_are_pooled_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, net = some_texts(), network()
    whole = reading_of(texts).embeddings(net, [1, 3, 6])["layer2/mean"]
    monkeypatch.setattr("selfsup.embedding.text_reading.DOCUMENTS", 2)
    monkeypatch.setattr(windows, "TOKENS", 8)
    np.testing.assert_allclose(reading_of(texts).embeddings(net, [1, 3, 6])["layer2/mean"], whole, rtol=1e-5)


def test_the_stand_in_is_what_is_asked_of_a_network() -> None:
    assert isinstance(network(), TextNetwork)


def test_each_text_is_encoded_once_and_read_from_a_stream() -> None:
    texts = some_texts()
    documents = ListOfTexts(texts)
    held = Texts(documents)
    encoded = Encoded(held, WordEncoder())
    reading = TextReading(held, encoded, key="words")
    assert documents.passes == 1
    for _ in range(3):
        reading.embeddings(network(), [0, 3])
    assert documents.passes == 2
    reading.embeddings(network(), [0, 2, 3])
    assert documents.passes == 3
    assert encoded.lengths(np.arange(len(texts))).tolist() == list(LENGTHS)
    assert encoded.read(3, 10, 5).tolist() == ids_of(texts[3])[10:15].tolist()
    assert encoded.read(0, 0, 3).tolist() == ids_of(texts[0]).tolist()


def test_data_that_changes_between_passes_is_said() -> None:
    documents = ListOfTexts(some_texts())
    held = Texts(documents)
    documents.texts = documents.texts[::-1]
    with pytest.raises(ValueError, match="changed while it was read: 'd7' stands where 'd0' stood"):
        list(held.some(np.array([0])))
    documents.texts = []
    with pytest.raises(ValueError, match="'d0' is gone"):
        list(held.some(np.array([0])))


def test_columns_of_tables_are_as_long_as_the_texts_whatever_rows_lack() -> None:
    held = Texts(
        ListOfTexts([Text("a", "x", None, {"one": "1"}), Text("b", "x  ", "fr", {"two": "2"}), Text("c", "y", None, {"one": None})])
    )
    assert held.columns == {"one": ["1", None, None], "two": [None, "2", None], "language": [None, "fr", None]}
    assert held.hashes[0] == held.hashes[1] != held.hashes[2]


def test_a_view_is_a_stretch_of_the_document_and_shows_all_of_it_in_time() -> None:
    texts, net = some_texts(), network()
    reading, rng = reading_of(texts), torch.Generator().manual_seed(0)
    starts = set()
    for _ in range(600):
        ids, attended = reading.view(net, torch.tensor([0, 3, 5]), augment=None, rng=rng)
        assert ids.shape == (3, 8)
        assert attended.sum(1).tolist() == [3, 8, 0]
        assert torch.equal(ids[0, :3], ids_of(texts[0]))
        begin = int((ids_of(texts[3]).unfold(0, 8, 1) == ids[1]).all(1).nonzero()[0])
        starts.add(begin)
    assert starts == set(range(33))


def test_whole_documents_are_embedded_as_the_mean_of_the_last_layer() -> None:
    texts, net = some_texts(), network()
    reading = reading_of(texts)
    (vectors,) = reading.embedded(net, torch.arange(len(texts)))
    np.testing.assert_allclose(vectors.numpy(), reading.embeddings(net, range(len(texts)))["layer2/mean"], rtol=1e-6)
    np.testing.assert_allclose(vectors[0].numpy(), net.embed(ids_of(texts[0])[None])[0].detach().numpy(), rtol=1e-4, atol=1e-6)


def test_layers_are_checked() -> None:
    assert TextReading.checked(network(), "first+last") == "first+last/mean"
    assert TextReading.checked(network(), "layer1/max") == "layer1/max"
    assert TextReading.checked(network(causal=True), "layer1/last") == "layer1/last"
    with pytest.raises(ValueError, match="has layer1, layer2, each with /mean, /max"):
        TextReading.checked(network(), "layer1/last")
