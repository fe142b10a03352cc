"""Text that goes on from a prompt, words for open places, and what of a text stands in the corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from byte_text import END, MASK, PAD, SIZE, Bytes, gpt2, language_model, llama
from selfsup.generation import LanguageModel, Sampling, fill_in, find_repeats, stream_text
from selfsup.generation import repeats as repeats_module
from selfsup.generation.characters import whole_pieces
from selfsup.generation.continuation import Continuation, LearnedFrom
from selfsup.generation.fill_in import window_around
from selfsup.generation.language_model import Reader
from selfsup.generation.text import continued, continued_together, stream_ids

PROMPT = "The cat sat"


class Endless(Bytes):
    """No token ends the text."""

    eos = None


def written(decoder: Any, start: list[int], *, tokens: int, cached: bool = True, context: int = 64, **options: Any) -> list[int]:
    """Ids that follow `start`, greedily and without end unless told otherwise."""
    sampling, tokenizer = options.get("sampling", Sampling(0.0)), options.get("tokenizer", Endless())
    reader = Reader(language_model(decoder, context), cached=cached)
    return list(stream_ids(reader, start, tokens=tokens, sampling=sampling, seed=0, tokenizer=tokenizer))


# Decoders ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [gpt2, llama])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_the_likeliest_text_is_that_of_transformers_token_for_token(make: Callable[..., Any], seed: int) -> None:
    decoder, start = make(seed=seed), list(PROMPT.encode())
    with torch.no_grad():
        expected = decoder.generate(
            torch.tensor([start]), attention_mask=torch.ones(1, len(start), dtype=torch.long), do_sample=False, max_new_tokens=50,
            suppress_tokens=[PAD, MASK],
        )[0, len(start) :].tolist()  # fmt: skip
    own = written(decoder, start, tokens=50, tokenizer=Bytes())
    assert own == [number for number in expected if number != END]
    assert len(set(own)) > 5, "a network that repeats itself would prove little"


@pytest.mark.parametrize("make", [gpt2, llama])
@pytest.mark.parametrize("sampling", [Sampling(0.0), Sampling(1.0, 20, 0.9)])
def test_kept_keys_and_values_change_nothing_within_the_window_and_beyond(make: Callable[..., Any], sampling: Sampling) -> None:
    decoder, start = make(context=24), list(PROMPT.encode())
    ways = [written(decoder, start, tokens=90, cached=cached, context=24, sampling=sampling) for cached in (True, False)]
    assert ways[0] == ways[1]
    assert len(ways[0]) == 90, "far beyond the window of 23"


def test_beyond_the_window_the_newer_half_is_read_again() -> None:
    """In a window of 8: after reading 8 tokens, the ninth is read behind the last 3 of them."""
    reader = Reader(language_model(gpt2(context=9), 9))
    reader.read(torch.arange(65, 72)[None])
    reader.read(torch.tensor([[80]]))
    assert reader.seen.tolist() == [[*range(65, 72), 80]]
    after = reader.read(torch.tensor([[90]]))
    assert reader.seen.tolist() == [[70, 71, 80, 90]]
    torch.testing.assert_close(after, Reader(language_model(gpt2(context=9), 9)).read(torch.tensor([[70, 71, 80, 90]])))


def test_a_token_costs_one_position_and_two_where_the_window_slides() -> None:
    decoder, lengths = gpt2(context=33), list[int]()
    original = decoder.base_model.forward

    def counting(input_ids: Tensor, past_key_values: Any = None, use_cache: bool = False) -> Any:
        lengths.append(input_ids.shape[1])
        return original(input_ids=input_ids, past_key_values=past_key_values, use_cache=use_cache)

    decoder.base_model.forward = counting
    written(decoder, list(PROMPT.encode()), tokens=20, context=33)
    assert lengths == [len(PROMPT)] + [1] * 19
    lengths.clear()
    written(decoder, [65], tokens=400, context=33)
    assert len(lengths) == 400
    assert sum(lengths) < 2 * 400


@pytest.mark.parametrize("make", [gpt2, llama])
def test_prompts_side_by_side_go_on_as_each_alone(make: Callable[..., Any]) -> None:
    """Greedily, so that no draw depends on the others: beyond the window, and where one ends before the others."""
    model, prompts = language_model(make(context=24), 24), [list(words.encode()) for words in (PROMPT, "A dog lay ", "It was hot.")]
    prompts = [prompt[:10] for prompt in prompts]
    alone = ["".join(continued(model, Bytes(), bytes(one).decode(), tokens=90, sampling=Sampling(0.0), seed=0)[0]) for one in prompts]
    together = continued_together(model, Bytes(), prompts, tokens=90, sampling=Sampling(0.0), seed=0)
    assert together == alone
    assert len(set(alone)) == 3, "equal texts would prove little"


def test_a_prompt_whose_text_ends_is_cut_there_and_the_others_go_on() -> None:
    class Ending(Fixed):
        """The first row says a word and ends, the second never does."""

        def forward(self, input_ids: Tensor) -> Any:
            self.rows.append(input_ids[:, 0].tolist())
            first = [*b"so", END, *b"nonsense"][min(len(self.rows) - 1, 10)]
            state = self.table(torch.tensor([[first], [ord("a")]]))

            class Output:
                last_hidden_state = state

            return Output

    network = Ending([])
    model = LanguageModel(network, network.table, 64)
    made = continued_together(model, Bytes(), [[65], [66]], tokens=5, sampling=Sampling(0.0), seed=0)
    assert made == ["so", "aaaaa"]


def test_it_is_made_while_it_is_read() -> None:
    decoder, calls = gpt2(), list[int]()
    original = decoder.base_model.forward

    def counting(past_key_values: Any = None, **given: Any) -> Any:
        calls.append(1)
        return original(past_key_values=past_key_values, **given)

    decoder.base_model.forward = counting
    pieces = stream_text(language_model(decoder), Bytes(), PROMPT, tokens=40)
    assert not calls
    next(pieces)
    assert 1 <= len(calls) < 12


class Fixed(nn.Module):
    """A decoder without memory that says what a list says, then END: its state is one-hot, its table the identity."""

    def __init__(self, says: list[int]) -> None:
        super().__init__()
        self.table = nn.Embedding(SIZE, SIZE, _weight=torch.eye(SIZE))
        self.says, self.rows = says, list[list[int]]()

    def forward(self, input_ids: Tensor) -> Any:
        self.rows.append(input_ids[0].tolist())
        following = [*self.says, END][min(len(self.rows) - 1, len(self.says))]
        state = self.table(torch.tensor([[following]]))

        class Output:
            last_hidden_state = state

        return Output


def says(ids: list[int], context: int = 64) -> Any:
    network = Fixed(ids)
    return LanguageModel(network, network.table, context)


def greedy(model: Any, prompt: str = PROMPT, **options: Any) -> list[str]:
    return list(stream_text(model, Bytes(), prompt, temperature=0.0, **options))


def test_it_stops_at_the_end_of_the_text_or_at_the_number_of_tokens() -> None:
    assert greedy(says(list(b" down."))) == [" ", "d", "o", "w", "n", "."]
    assert "".join(greedy(says(list(b" down.")), tokens=3)) == " do"
    assert greedy(says([])) == []


def test_special_tokens_are_never_written() -> None:
    """The network wants padding and a mask, then an A: each time some text comes."""
    assert len(greedy(says([PAD, MASK, 65]))) == 3
    assert greedy(says([PAD, MASK, 65]))[-1] == "A"


def test_ids_that_only_the_network_has_are_never_written() -> None:
    decoder = gpt2(size=SIZE + 200)
    made = written(decoder, [65], tokens=40, sampling=Sampling(3.0))
    assert made
    assert max(made) < 256


def test_a_character_of_several_bytes_comes_whole() -> None:
    assert greedy(says(list(" für 5 €: 🙂!".encode()))) == [" ", "f", "ü", "r", " ", "5", " ", "€", ":", " ", "🙂", "!"]


def test_bytes_that_are_no_character_come_with_the_next_whole_one_or_at_the_end() -> None:
    assert greedy(says([0xE2, 0x82, 65])) == ["\ufffdA"]
    assert greedy(says([65, 0xE2, 0x82])) == ["A", "\ufffd"]


def test_pieces_joined_are_the_text_of_all_ids_whatever_they_are() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        length = int(random.integers(0, 60))
        ids = random.integers(0, 256, length).tolist() if random.random() < 0.5 else list("aé€🙂ßñ漢字 z".encode())[: length % 20]
        before = random.integers(0, 128, int(random.integers(0, 12))).tolist()
        pieces = list(whole_pieces(iter(ids), Bytes(), after=before))
        assert "".join(pieces) == Bytes().decode(ids)
        assert all(pieces)


class Words:
    """A tokeniser that, as SentencePiece's, leaves out the space at the beginning of what it decodes."""

    eos, bos, mask = None, 0, None
    bytes_of = torch.tensor([0, 4, 4, 2])
    pieces = ("", " cat", " sat", "s.")

    def encode(self, text: str, *, special: bool = False) -> Any:
        return np.array([1 for _ in text.split()])

    def decode(self, ids: Any, *, special: bool = False) -> str:
        return "".join(self.pieces[number] for number in ids).removeprefix(" ")


def test_decoders_that_drop_the_first_space_keep_those_between_words() -> None:
    assert list(whole_pieces([1, 2, 3], Words(), after=[1])) == [" cat", " sat", "s."]
    assert list(whole_pieces([1, 2, 3], Words(), after=[0])) == ["cat", " sat", "s."]


def test_of_a_long_prompt_the_end_is_read_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    model = says([65], context=9)
    greedy(model, "0123456789abcdef")
    assert model.network.rows[0] == list(b"89abcdef")
    assert "The prompt has 16 tokens, and the network reads 8 at once: only the last 8 are read." in capsys.readouterr().err
    greedy(says([65], context=17), "0123456789abcdef")
    assert capsys.readouterr().err == ""


def test_without_a_prompt_a_new_document_begins() -> None:
    model = says([65])
    assert greedy(model, "") == ["A"]
    assert model.network.rows[0] == [END]

    class Nameless(Bytes):
        eos = None

    with pytest.raises(ValueError, match="no prompt"):
        stream_text(says([65]), Nameless(), "")


def test_the_seed_decides() -> None:
    model = language_model(gpt2())
    one, same, other = ("".join(stream_text(model, Bytes(), PROMPT, tokens=40, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("option", "words"), [({"tokens": 0}, "tokens is 0"), ({"temperature": -1.0}, "temperature"), ({"top_p": 2.0}, "top-p")]
)
def test_options_are_refused_before_anything_is_written(option: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stream_text(says([65]), Bytes(), PROMPT, **option)


# Open places ------------------------------------------------------------------------------------------------------------------------


class Guess(nn.Module):
    """Guesses by a rule: what is likely at a place depends on the ids to its left and right."""

    def __init__(self, rule: Callable[[int, int], dict[int, float]]) -> None:
        super().__init__()
        self.rule, self.anchor = rule, nn.Parameter(torch.zeros(()))
        self.asked: list[list[int]] = []

    def logits(self, ids: Tensor, positions: Tensor) -> Tensor:
        row = ids[0].tolist()
        self.asked.append(row)
        found = torch.full((1, positions.shape[1], SIZE), -30.0)
        for number, place in enumerate(positions[0].tolist()):
            left, right = (row[side] if 0 <= side < len(row) else -1 for side in (place - 1, place + 1))
            for word, chance in self.rule(left, right).items():
                found[0, number, word] = float(np.log(chance))
        return found


A, B, C = b"ABC"


def test_the_likeliest_words_and_their_probabilities() -> None:
    """.6, .3 and .1 are what is left when the mask itself, which is no word, is not counted."""
    filled = fill_in(Guess(lambda left, right: {A: 0.06, B: 0.03, C: 0.01, MASK: 0.9}), Bytes(), "x[MASK]y", context=8, candidates=2)
    assert filled.text == "xAy"
    assert [(item.word, round(item.probability, 6)) for item in filled.blanks[0].candidates] == [("A", 0.6), ("B", 0.3)]


def test_the_surest_place_is_filled_first_and_the_others_fit_it() -> None:
    """Left alone, the first would be A (.5); the second is surer of B (.9), and next to B the first is C (.8)."""

    def rule(left: int, right: int) -> dict[int, float]:
        if right == MASK:
            return {A: 0.5, C: 0.3, B: 0.2}
        if right == B:
            return {C: 0.8, A: 0.2}
        return {B: 0.9, A: 0.1}

    filled = fill_in(Guess(rule), Bytes(), "x[MASK][MASK]y", context=8, candidates=2)
    assert filled.text == "xCBy"
    assert [blank.order for blank in filled.blanks] == [2, 1]
    assert [item.word for item in filled.blanks[0].candidates] == ["C", "A"]
    assert [round(item.probability, 6) for item in filled.blanks[1].candidates] == [0.9, 0.1]


def test_the_leftmost_of_equally_sure_places_is_first() -> None:
    filled = fill_in(Guess(lambda left, right: {A: 0.7, B: 0.3}), Bytes(), "[MASK] x [MASK] y [MASK]", context=32)
    assert [blank.order for blank in filled.blanks] == [1, 2, 3]


def test_a_space_before_an_open_place_is_part_of_the_word() -> None:
    guess = Guess(lambda left, right: {A: 1.0})
    fill_in(guess, Bytes(), "x [MASK] y", context=8)
    assert guess.asked[0] == [*b"x", MASK, *b" y"]


def test_probabilities_are_those_of_berts_own_head() -> None:
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=SIZE, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, initializer_range=0.4
    )
    bert = BertForMaskedLM(config).train(False)

    class Task(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def logits(self, ids: Tensor, positions: Tensor) -> Tensor:
            found: Tensor = self.bert(input_ids=ids).logits.gather(1, positions[:, :, None].expand(-1, -1, SIZE))
            return found

    filled = fill_in(Task(), Bytes(), "The [MASK] sat", context=64)
    with torch.no_grad():
        scores = bert(input_ids=torch.tensor([[*b"The", MASK, *b" sat"]])).logits[0, 3, :256]
    best = scores.softmax(0).topk(5)
    assert [item.probability for item in filled.blanks[0].candidates] == pytest.approx(best.values.tolist(), rel=1e-5)
    assert filled.blanks[0].candidates[0].word == (bytes([best.indices[0]]).decode(errors="replace").strip() or " ")


@pytest.mark.parametrize(
    ("places", "length", "context", "window"),
    [
        ([3], 8, 8, (0, 8)),
        ([50], 100, 10, (45, 55)),
        ([0], 100, 10, (0, 10)),
        ([99], 100, 10, (90, 100)),
        ([40, 49], 100, 10, (40, 50)),
        ([40, 45], 100, 10, (38, 48)),
    ],
)
def test_what_is_read_around_open_places(places: list[int], length: int, context: int, window: tuple[int, int]) -> None:
    assert window_around(places, length, context) == window


def test_a_long_prompt_is_cut_around_its_open_place_and_stays_whole_in_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    guess = Guess(lambda left, right: {A: 1.0})
    filled = fill_in(guess, Bytes(), "0123456789x[MASK]y0123456789", context=5)
    assert guess.asked[0] == [*b"9x", MASK, *b"y0"]
    assert filled.text == "0123456789xAy0123456789"
    assert "reads 5 at once" in capsys.readouterr().err


def test_prompts_that_cannot_be_filled() -> None:
    guess = Guess(lambda left, right: {A: 1.0})
    with pytest.raises(ValueError, match=r"leaves no place open; expected \[MASK\]"):
        fill_in(guess, Bytes(), "nothing open", context=8)
    with pytest.raises(ValueError, match="9 tokens apart"):
        fill_in(guess, Bytes(), "[MASK]12345678[MASK]", context=8)
    with pytest.raises(ValueError, match="top-k is 0"):
        fill_in(guess, Bytes(), "[MASK]", context=8, candidates=0)
    with pytest.raises(ValueError, match="weights of this run are broken"):
        fill_in(Guess(lambda left, right: {A: float("nan")}), Bytes(), "[MASK]", context=8)

    class Maskless(Bytes):
        mask = None

    with pytest.raises(ValueError, match="no mask token"):
        fill_in(guess, Maskless(), "[MASK]", context=8)


# What stands in the corpus ----------------------------------------------------------------------------------------------------------


def looked_up(text: list[int], corpus: list[int], length: int) -> list[tuple[int, int]]:
    """Start and length of stretches, by comparing every window with every place of the corpus."""
    places = {tuple(corpus[start : start + length]) for start in range(len(corpus) - length + 1)}
    found = [tuple(text[start : start + length]) in places for start in range(len(text) - length + 1)]
    stretches, start = [], 0
    while start < len(found):
        end = start
        while end < len(found) and found[end]:
            end += 1
        if end > start:
            stretches.append((start, end - start + length - 1))
        start = end + 1
    return stretches


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("words", [1, 2, 4, 50])
def test_repeats_are_those_that_comparing_everything_finds(
    words: int, dtype: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Few words repeat by chance, many by pieces copied in; chunks are so small that windows lie across their edges."""
    monkeypatch.setattr(repeats_module, "CHUNK", 40)
    monkeypatch.setattr(repeats_module, "AROUND", 3)
    random = np.random.default_rng(words)
    some = 0
    for trial in range(60):
        length = int(random.integers(1, 14))
        corpus: np.ndarray[Any, Any] = random.integers(0, words, int(random.integers(0, 300))).astype(dtype)
        text = random.integers(0, words, int(random.integers(0, 80)))
        for _ in range(int(random.integers(0, 3))):
            size = min(len(corpus), len(text), int(random.integers(0, 30)))
            begin, place = (int(random.integers(0, len(of) - size + 1)) for of in (text, corpus))
            text[begin : begin + size] = corpus[place : place + size]
        if trial % 2 and len(corpus):
            corpus.tofile(tmp_path / "ids")
            corpus = np.memmap(tmp_path / "ids", dtype=dtype, mode="r")
        found = find_repeats(text.tolist(), corpus, length=length)
        assert [(item.start, item.length) for item in found] == looked_up(text.tolist(), corpus.tolist(), length)
        for item in found:
            assert corpus[item.place : item.place + length].tolist() == text[item.start : item.start + length].tolist()
        some += bool(found)
    assert some > 5


def test_fifty_tokens_in_a_row_and_not_one_less() -> None:
    random = np.random.default_rng(0)
    corpus = random.integers(0, 8000, 500_000).astype(np.uint16)
    text = random.integers(8000, 9000, 400)
    text[10:59] = corpus[1234:1283]
    text[100:150] = corpus[77_777:77_827]
    text[200:263] = corpus[-63:]
    text[300:350] = corpus[:50]
    found = find_repeats(text.tolist(), corpus)
    assert [(item.start, item.length, item.place) for item in found] == [(100, 50, 77_777), (200, 63, 499_937), (300, 50, 0)]


def test_a_corpus_of_one_word_is_searched_as_fast_as_any() -> None:
    """Every block is a candidate: the search ends with the first, since nothing more can be found."""
    found = find_repeats([7] * 300, np.full(2_000_000, 7, dtype=np.uint16))
    assert [(item.start, item.length) for item in found] == [(0, 300)]


def test_a_continuation_is_streamed_once_and_warns_of_what_it_repeats() -> None:
    corpus = np.frombuffer(b"--" * 40 + bytes(range(65, 125)) + b"--" * 40, dtype=np.uint8)
    pieces, ids = continued(says([*b"so ", *range(65, 125), *b"!"]), Bytes(), PROMPT, tokens=100, sampling=Sampling(0.0), seed=0)
    made = Continuation(PROMPT, pieces, ids, LearnedFrom(corpus, lambda place: f"the document at {place}"))
    stream = iter(made)
    assert next(stream) == "s"
    assert made.text == "so " + bytes(range(65, 125)).decode() + "!"
    assert "".join(made) == made.text
    [words] = made.warnings()
    assert "60 tokens from token 4 on" in words
    assert "the document at 80" in words
    assert Continuation(PROMPT, iter(["a"]), [65]).warnings() == []


# A run, once the parts for text are there ---------------------------------------------------------------------------------------------


@pytest.fixture
def text_run(tmp_path: Path) -> Callable[[str, str], Any]:
    """Makes a run of a task on a backbone for text, with a tokeniser of bytes and untrained weights."""
    data, tasks = pytest.importorskip("selfsup.data.tokens.tokenizer"), pytest.importorskip("selfsup.tasks")
    if "causal_lm" not in tasks.TASKS:
        pytest.skip("there are no tasks for text yet")
    from selfsup.run import Run
    from selfsup.trained import save_heads

    backbones: Any = pytest.importorskip("selfsup.backbones")

    def make(task: str, backbone: str) -> Any:
        tokenizer = data.Tokenizer.bytes()
        tokenizer.save(tmp_path)
        torch.manual_seed(0)
        net = backbones.build_text(backbone, vocabulary=backbones.Vocabulary.of(tokenizer), context=64)
        with torch.no_grad():
            net.embedding.weight.mul_(20)  # so that not all is equally likely
        module = tasks.find_task(task)(net)
        backbones.save_text_backbone(net, tmp_path)
        save_heads(module, tmp_path)
        run = Run(
            folder=tmp_path, data="texts", kind="text", task=task, options={}, backbone=backbone, size=64, channels=1, store_side=1,
            batch_size=4, steps=1, learning_rate=1e-3, weight_decay=0.0,
        )  # fmt: skip
        run.save()
        return run, module.eval(), tokenizer

    return make


@pytest.mark.parametrize("backbone", ["gpt2-tiny", "llama-tiny"])
def test_a_run_goes_on_with_text(backbone: str, text_run: Callable[[str, str], Any]) -> None:
    import selfsup

    run, module, tokenizer = text_run("causal_lm", backbone)
    made = selfsup.generate(run.folder, prompt=PROMPT, tokens=50, temperature=0.0)
    assert isinstance(made, Continuation)
    expected = tokenizer.encode(PROMPT).tolist()
    with torch.no_grad():
        for _ in range(50):
            scores = module.logits(torch.tensor([expected]))[0, -1]
            scores[torch.as_tensor(tokenizer.bytes_of) == 0] = float("-inf")
            expected.append(int(scores.argmax()))
    assert made.text == tokenizer.decode(expected)[len(PROMPT) :]


def test_a_run_fills_in_hidden_words(text_run: Callable[[str, str], Any]) -> None:
    import selfsup
    from selfsup.generation import FilledIn

    run, module, tokenizer = text_run("masked_lm", "bert-tiny")
    made = selfsup.generate(run.folder, prompt="The [MASK] sat", top_k=3)
    assert isinstance(made, FilledIn)
    ids = torch.tensor([[*b"The", tokenizer.mask, *b" sat"]])
    with torch.no_grad():
        chances = module.logits(ids, torch.tensor([[3]]))[0, 0, :256].softmax(0)
    assert [item.probability for item in made.blanks[0].candidates] == pytest.approx(chances.topk(3).values.tolist(), rel=1e-4)
    with pytest.raises(ValueError, match="expected a prompt"):
        selfsup.generate(run.folder)
    with pytest.raises(ValueError, match="--count is for pictures"):
        selfsup.generate(run.folder, prompt="x", count=3)
