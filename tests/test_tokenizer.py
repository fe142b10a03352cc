"""Tokenisers: nothing is lost, nothing is special by accident, words are found for every make, `transformers` reads what is saved."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.mixture import Mixing
from selfsup.data.tokens.special import ROLES
from selfsup.data.tokens.subwords import begins_word, ends_word
from selfsup.data.tokens.survey import Amount, Survey, survey
from selfsup.data.tokens.tokenizer import _PIECE, Tokenizer, _pieces
from selfsup.data.tokens.training import _rates, _sample, train_tokenizer, vocabulary_size
from texts import Text, Texts, any_text, corpus

TRAINED = train_tokenizer(corpus({"en": 300, "de": 200, "ru": 200, "hi": 100, "zh": 100}), size=1000)
AWKWARD = (
    "",
    " ",
    "  leading and trailing  ",
    "\n\n\tx\r\n",
    "\x00\x01\x7f",
    "a\u0301 e\u0301 \u200d \ufeff",
    "👩‍👩‍👧‍👦 🇩🇪 ❤️",
    "[MASK] [PAD]<extra_id_0></s>",
    "l’homme don't ''",
    "\ufffd",
    "नमस्ते दुनिया",
    "我们去东京，然后回家。",
    "x" * 1000,
)


@pytest.mark.parametrize("tokenizer", [TRAINED, Tokenizer.bytes(), TRAINED.extended(sentinels=3)], ids=["trained", "bytes", "extended"])
def test_every_text_comes_back(tokenizer: Tokenizer) -> None:
    chance = random.Random(1)
    texts = [*AWKWARD, *(any_text(chance, chance.randrange(1, 60)) for _ in range(500))]
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert tokenizer.decode(ids) == text
        assert tokenizer.bytes_of[torch.from_numpy(ids.astype(np.int64))].sum() == len(text.encode())
        assert not tokenizer.is_special[ids.astype(np.int64)].any(), "no text is a special token"


def test_halves_of_surrogates_are_no_text() -> None:
    for tokenizer in (TRAINED, Tokenizer.bytes()):
        first, second, third = tokenizer.encode_batch(["a\ud83dz", "a\ud83c\udf89z", "plain"])
        assert tokenizer.decode(first) == "a\ufffdz"
        assert tokenizer.decode(second) == "a🎉z", "two halves that belong together are one character"
        assert tokenizer.decode(third) == "plain"


def test_bytes_are_the_bytes() -> None:
    tokenizer = Tokenizer.bytes()
    text = "naïve 🎉\x00"
    assert tokenizer.encode(text).tolist() == list(text.encode())
    assert tokenizer.backend.encode(text).ids == list(text.encode()), "the library agrees"
    assert tokenizer.size == 260
    assert tokenizer.dtype == np.uint16


def test_special_tokens() -> None:
    for tokenizer in (TRAINED, Tokenizer.bytes()):
        ids = {tokenizer.pad, tokenizer.bos, tokenizer.eos, tokenizer.mask}
        assert None not in ids
        assert len(ids) == 4
        assert (tokenizer.cls, tokenizer.sep, tokenizer.unk) == (tokenizer.bos, tokenizer.eos, None)
        table = tokenizer.subwords
        assert set(table.is_special.nonzero().flatten().tolist()) == ids
        for special in ids:
            assert special is not None
            assert not table.is_start[special]
            assert table.bytes_of[special] == 0
        assert tokenizer.end == tokenizer.eos
        with pytest.raises(ValueError, match=r"Sentinel 0 was asked for, and the tokeniser has 0"):
            tokenizer.sentinel(0)
    prompt = TRAINED.encode("of the [MASK] of", special=True)
    assert (prompt == TRAINED.mask).sum() == 1
    assert TRAINED.mask not in TRAINED.encode("of the [MASK] of"), "and back to text again"
    assert TRAINED.decode(prompt, special=True) == "of the [MASK] of"
    assert TRAINED.decode(torch.from_numpy(prompt.astype(np.int64))) == "of the  of"


def test_sentinels_are_added_when_asked_for() -> None:
    extended = TRAINED.extended(sentinels=5)
    assert [extended.sentinel(i) for i in range(5)] == list(range(TRAINED.size, TRAINED.size + 5))
    assert extended.is_special[-5:].all()
    texts = [item.text for item in corpus({"en": 5, "ru": 5}).items]
    for old, new in zip(TRAINED.encode_batch(texts), extended.encode_batch(texts), strict=True):
        assert np.array_equal(old, new)
    assert extended.extended(sentinels=3).size == extended.size
    assert extended.mask == TRAINED.mask
    with pytest.raises(ValueError, match="Sentinel 5"):
        extended.sentinel(5)


def test_long_texts_are_cut_where_no_word_is_torn() -> None:
    chance = random.Random(2)
    words = [any_text(chance, chance.randrange(1, 9)) for _ in range(200)]
    long = "".join(chance.choice([" ", "  ", "\n", " \n ", " ", " "]) + chance.choice(words) for _ in range(80_000))
    assert len(long) > 3 * _PIECE
    pieces = list(_pieces(long))
    assert "".join(pieces) == long
    assert max(map(len, pieces)) <= _PIECE
    assert TRAINED.encode(long).tolist() == TRAINED.backend.encode(long).ids
    unbroken = "汉" * (2 * _PIECE + 5)
    assert [len(piece) for piece in _pieces(unbroken)] == [_PIECE, _PIECE, 5]
    assert TRAINED.decode(TRAINED.encode(unbroken)) == unbroken


def test_a_line_without_a_space_does_not_stall_the_trainer() -> None:
    chance = random.Random(3)
    line = "".join(chance.choices("ACGT", k=300_000))
    tokenizer = train_tokenizer([Text("dna", line)], size=2000)
    assert tokenizer.size == 2000
    assert tokenizer.decode(tokenizer.encode(line)) == line


def test_the_vocabulary_learns_the_words() -> None:
    pieces = TRAINED.backend.get_vocab()
    assert {"Ġwhich", "Ġthat", "Ġnicht"} & set(pieces) == {"Ġthat", "Ġnicht"}
    for language, words in (("hi", " किया"), ("ru", " который"), ("zh", "我们")):
        assert len(TRAINED.encode(words)) == 1, f"{language}: marks and letters are joined"
    one = corpus({"en": 50})
    assert train_tokenizer(one, size=300).fingerprint == train_tokenizer(one, size=300).fingerprint
    assert train_tokenizer(one, size=300).size == 300
    assert train_tokenizer([Text("a", "ab ab")], size=8000).size < 270, "small texts give small vocabularies"


def test_the_size_grows_with_text_and_languages() -> None:
    assert vocabulary_size(5_000_000, 1) == 8_000
    assert vocabulary_size(100_000_000, 1) == 8_000
    assert vocabulary_size(1_600_000_000, 1) == 16_000, "16 times the text, twice the words"
    assert vocabulary_size(5_000_000, 8) == 16_000, "8 languages, twice the words"
    assert vocabulary_size(10**12, 100) == 64_000
    with pytest.raises(ValueError, match=r"A vocabulary of 256 was asked for\. Expected at least 261"):
        train_tokenizer([Text("a", "text")], size=256)
    with pytest.raises(ValueError, match="no text to train a tokeniser on"):
        train_tokenizer([Text("a", "")])


def test_what_is_learned_from_is_mixed_and_bounded() -> None:
    """1000 : 300 : 10 : 1 documents of one piece each, a fifth of it all (262.2 pieces) asked for.

    By hand, with weights 1000^.3 = 7.943, 5.535, 1.995 and 1: d would get 15.9 of its one piece, and may have 4; of the 258.2 left, c gets
    1.995 / 15.474, which is 33.3, and a 132.5.
    """
    sizes = {"a": 1000, "b": 300, "c": 10, "d": 1}
    items = [Text(f"{name}/{number}", name * 10_000, name) for name, count in sizes.items() for number in range(count)]
    rates = _rates(survey(items), Mixing(), 2_622_000)
    assert rates == pytest.approx({"a": 0.13254, "b": 0.30787, "c": 3.3293, "d": 4.0}, rel=1e-3)
    taken = [piece[0] for batch in _sample(items, rates, HoldOut()) for piece in batch]
    assert taken.count("d") == 4
    assert 30 <= taken.count("c") <= 40
    assert abs(taken.count("a") - 132.5) < 3 * (1000 * 0.1325 * 0.8675) ** 0.5
    assert abs(taken.count("b") - 92.4) < 3 * (300 * 0.308 * 0.692) ** 0.5
    everything = _rates(survey(items), Mixing(alpha=1), 10**9)
    assert set(everything.values()) == {1.0}
    held = HoldOut(0.3)
    seen = {piece for batch in _sample(corpus({"en": 100}), {"en": 1.0}, held) for piece in batch}
    assert seen == {item.text for item in corpus({"en": 100}).items if held.part(item) == "train"}


def test_a_long_document_gives_more_than_its_beginning() -> None:
    half = "apple " * 3000, "zebra " * 3000
    tokenizer = train_tokenizer([Text("book", "".join(half))], size=300)
    assert len(tokenizer.encode(" zebra")) == 1


def test_survey() -> None:
    items = [Text("1", "abc", "en"), Text("2", "äö", None), Text("3", "", "fr"), Text("4", "日本", "ja"), Text("5", "d", "en")]
    assert survey(items) == Survey({"en": Amount(2, 4, 4), "unknown": Amount(1, 2, 4), "ja": Amount(1, 2, 6)}, Amount())
    held = survey(items, hold_out=HoldOut(given={"1": "test", "4": "train"}))
    assert held.held_out == Amount(1, 3, 3)
    assert held.characters == 8


def wordpiece() -> Library:
    backend = Library(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=45, special_tokens=names, show_progress=False))
    return backend


def unigram() -> Library:
    backend = Library(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=names, unk_token="<unk>", show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    return backend


def fallback() -> Library:
    """As Llama 2 has it: spaces become ▁, unknown characters their bytes."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = sorted({sign for text in TEXTS for sign in text.replace(" ", "▁") if sign.isascii() or sign == "▁"} | {"▁"})
    merges = [("▁", "t"), ("▁t", "h"), ("▁th", "e"), ("i", "n"), ("in", "g")]
    ids = {piece: number for number, piece in enumerate([*pieces, *letters, *("".join(pair) for pair in merges)])}
    backend = Library(models.BPE(vocab=ids, merges=merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    strips = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(strips)
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in ("<unk>", "<s>", "</s>")])
    return backend


def clip() -> Library:
    backend = Library(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    backend.normalizer = normalizers.Lowercase()
    split = pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=45, end_of_word_suffix="</w>", special_tokens=["<|endoftext|>"], show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    return backend


def gpt2() -> Library:
    backend = Library(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=265, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    return backend


def words() -> Library:
    backend = Library(models.WordLevel(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.train_from_iterator(TEXTS, trainers.WordLevelTrainer(special_tokens=["[UNK]", "[EOS]"], show_progress=False))
    return backend


TEXTS = ["the king, the thing and the singing ring", "the bringing of things (all) is king's", "don't sing; bring 12 things"] * 3
MAKES: dict[str, Callable[[], Library]] = {
    "wordpiece": wordpiece,
    "unigram": unigram,
    "fallback": fallback,
    "clip": clip,
    "gpt2": gpt2,
}


def test_words_in_every_make() -> None:
    """Where words begin, told by ids alone, against the spaces and signs of the text itself."""
    text = "the king, bringing (all) things; the ring"
    expected = ["the", "king", ",", "bringing", "(", "all", ")", "things", ";", "the", "ring"]
    for make, build in MAKES.items():
        tokenizer = Tokenizer(build())
        assert tokenizer.subwords.marked
        ids = tokenizer.encode(text).astype(np.int64)
        assert len(ids) > len(expected), f"{make}: some words are in pieces, or nothing is tested"
        starts = tokenizer.subwords.word_starts(torch.from_numpy(ids)[None])[0].tolist()
        found: list[list[int]] = []
        for number, start in zip(ids.tolist(), starts, strict=True):
            if start:
                found.append([])
            found[-1].append(number)
        spelled = ["".join(spell(tokenizer, number) for number in word).strip() for word in found]
        assert spelled == expected, make


def spell(tokenizer: Tokenizer, number: int) -> str:
    """A piece as a person would read it."""
    name = tokenizer.backend.id_to_token(number)
    return str(name).replace("Ġ", " ").replace("▁", " ").removeprefix("##").removesuffix("</w>")


def test_what_each_piece_stands_for() -> None:
    for make, build in MAKES.items():
        tokenizer = Tokenizer(build())
        ids = torch.from_numpy(tokenizer.encode("the king, bringing (all) things; the ring").astype(np.int64))
        spaces = 6 if make in ("wordpiece", "clip") else -1 if make in ("unigram", "fallback") else 0
        assert int(tokenizer.bytes_of[ids].sum()) == len("the king, bringing (all) things; the ring") - spaces, make
        for special in tokenizer.special.ids:
            assert tokenizer.bytes_of[special] == 0
            assert not tokenizer.is_start_of_word[special]


def test_bytes_of_a_character_in_pieces() -> None:
    tokenizer = Tokenizer(fallback())
    ids = torch.from_numpy(tokenizer.encode("the 🎉ring").astype(np.int64))
    names = [tokenizer.backend.id_to_token(number) for number in ids.tolist()]
    assert names[:6] == ["▁the", "▁", "<0xF0>", "<0x9F>", "<0x8E>", "<0x89>"]
    starts = tokenizer.subwords.word_starts(ids[None])[0].tolist()
    assert starts[:6] == [True, True, False, False, False, False], "the space and the four bytes behind it are a word"
    assert tokenizer.bytes_of[ids].tolist()[:6] == [4, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("piece", "begins"),
    [
        (" a", True),
        ("a", False),
        ("é", False),
        (",", True),
        ("\n", True),
        ("12", False),
        ("'t", False),
        ("’homme", False),
        ("'", True),
        ("'' ", True),
        ("_", True),
        ("我们", True),
        ("の", True),
        ("ー", False),
        ("ก", True),
        ("ั", False),
        ("한", False),
        ("न", False),
        ("े", False),
        ("🎉", True),
        ("。", True),
        ("\u0301", False),
        ("", False),
        (b"\xe6", True),  # begins a Chinese character
        (b"\xe6\x88", True),
        (b"\x88\x91", False),  # goes on with one
        (b"\xe0\xb8", True),  # Thai
        (b"\xe0", False),  # Thai or Hindi
        (b"\xd0", False),  # Russian
        (b"\xf0\x9f", True),  # a pictograph
        (b"\xe2\x80", True),  # quotation marks and dashes
        (b"\xed", False),  # Korean
        (b" \xe6", True),
    ],
)
def test_begins_word(piece: str | bytes, begins: bool) -> None:
    assert begins_word(piece if isinstance(piece, bytes) else piece.encode()) is begins


@pytest.mark.parametrize(
    ("piece", "ends"),
    [("(", True), (" ", False), ("\n", False), (" (", True), ("a", False), ("'", False), ("。", True), ("1", False), ("", False)],
)
def test_ends_word(piece: str, ends: bool) -> None:
    assert ends_word(piece.encode()) is ends
    assert ends_word(b"a\xe6") is False


def test_a_vocabulary_that_does_not_mark_words() -> None:
    backend = Library(models.BPE(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=60, special_tokens=["[UNK]", "[EOS]"], show_progress=False))
    subwords = Tokenizer(backend).subwords
    assert not subwords.marked
    assert (subwords.is_start | subwords.is_special).all()
    assert Tokenizer(words()).subwords.marked


def test_special_tokens_in_rows_of_ids() -> None:
    the, x = int(TRAINED.encode(" the")[0]), int(TRAINED.encode("x")[0])
    rows = torch.tensor([[x, the, x, TRAINED.end, x, x]])
    assert TRAINED.subwords.word_starts(rows).tolist() == [[True, True, False, False, True, False]]


@pytest.mark.parametrize("config", [None, "bert", "gpt2", "llama", "modernbert", "t5", "distilbert", "roberta"])
def test_transformers_reads_what_is_saved(tmp_path: Path, config: str | None) -> None:
    """Also beside the config.json of a model, whose own class of tokenisers must not take over."""
    from transformers import AutoConfig, AutoTokenizer

    chance = random.Random(4)
    texts = [text for text in [*AWKWARD, *(any_text(chance, 40) for _ in range(50))] if "[MASK]" not in text]
    for name, tokenizer in {"trained": TRAINED.extended(sentinels=2), "bytes": Tokenizer.bytes()}.items():
        folder = tmp_path / name
        tokenizer.save(folder)
        if config is not None:
            AutoConfig.for_model(config).save_pretrained(folder)
        theirs = AutoTokenizer.from_pretrained(folder)
        for text in texts:
            assert theirs(text)["input_ids"] == tokenizer.encode(text).tolist()
            assert theirs.decode(tokenizer.encode(text).tolist()) == text
        for role in ROLES:
            assert getattr(theirs, f"{role}_token_id") == getattr(tokenizer, role), role
        assert theirs("of [MASK]")["input_ids"] == tokenizer.encode("of [MASK]", special=True).tolist()
        assert len(theirs) == tokenizer.size


@pytest.mark.parametrize("make", MAKES)
def test_saved_and_loaded(tmp_path: Path, make: str) -> None:
    from transformers import AutoTokenizer

    first = Tokenizer(Library.from_str(MAKES[make]().to_str()))  # reading scores back changes their last digit, once
    first.save(tmp_path)
    second = Tokenizer.load(tmp_path)
    third = Tokenizer.load(tmp_path / "tokenizer.json")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert first.fingerprint == second.fingerprint == third.fingerprint
    assert first.special == second.special == third.special
    for text in TEXTS:
        assert first.encode(text).tolist() == second.encode(text).tolist() == theirs(text, add_special_tokens=False)["input_ids"]
        assert first.decode(first.encode(text)) == theirs.decode(first.encode(text).tolist(), skip_special_tokens=True)


def test_roles_are_found() -> None:
    bert, roberta, llama, gpt = (Tokenizer(build()) for build in (wordpiece, unigram, fallback, gpt2))
    assert (bert.pad, bert.unk, bert.cls, bert.sep, bert.mask) == (0, 1, 2, 3, 4)
    assert (bert.bos, bert.eos, bert.end) == (2, 3, 3)
    assert (roberta.bos, roberta.pad, roberta.eos, roberta.unk, roberta.mask) == (0, 1, 2, 3, 4)
    assert (llama.unk, llama.bos, llama.eos, llama.pad, llama.mask) == (0, 1, 2, None, None)
    assert (gpt.bos, gpt.eos, gpt.unk, gpt.mask) == (0, 0, None, None)
    with pytest.raises(ValueError, match=r"no mask token, which masked_lm needs.*roles=\['mask'\]"):
        gpt.need("mask", "masked_lm")
    extended = gpt.extended(roles=["mask", "pad", "eos"], sentinels=1)
    assert extended.need("mask", "masked_lm") == gpt.size
    assert extended.size == gpt.size + 3
    assert extended.eos == gpt.eos, "what is there stays"
    with pytest.raises(ValueError, match=r"roles=\['hat'\] were given"):
        gpt.extended(roles=["hat"])


def test_what_a_folder_of_transformers_says_counts(tmp_path: Path) -> None:
    """Names that nobody could guess, as text or as a dict; and T5's sentinels."""
    backend = gpt2()
    backend.add_special_tokens(["<stop>", "<hole>", "<extra_id_0>", "<extra_id_1>", "<extra_id_3>"])
    (tmp_path / "tokenizer.json").write_text(backend.to_str())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<stop>", "mask_token": {"content": "<hole>"}}))
    tokenizer = Tokenizer.load(tmp_path)
    assert (tokenizer.eos, tokenizer.sep, tokenizer.mask) == (265, 265, 266)
    assert tokenizer.special.sentinels == (267, 268)


def test_a_users_file_neither_truncates_nor_pads_nor_draws(tmp_path: Path) -> None:
    backend = gpt2()
    backend.enable_truncation(4)
    backend.enable_padding(length=16)
    backend.model.dropout = 0.5
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path)
    text = " ".join(TEXTS)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len({tuple(tokenizer.encode(text).tolist()) for _ in range(5)}) == 1
    assert len(tokenizer.encode("the")) < 4


def test_old_folders_are_converted(tmp_path: Path) -> None:
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "king", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocab))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("The kings").tolist() == [5, 6, 7]
    assert (tokenizer.mask, tokenizer.end, tokenizer.unk) == (4, 3, 1)


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no tokeniser .*bert-base-uncased.*fetch the folder first"):
        Tokenizer.load("bert-base-uncased")
    (tmp_path / "readme.md").write_text("hello")
    with pytest.raises(ValueError, match=r"holds no tokeniser \(readme.md\)"):
        Tokenizer.load(tmp_path)
    for content in ("{", "[]", '{"a": 1}', "\x00"):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(ValueError, match="is no tokeniser that the `tokenizers` library reads"):
            Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is no tokeniser"):
        Tokenizer.load(tmp_path)


def test_large_ids_take_four_bytes() -> None:
    ids: dict[str, Any] = {f"w{number}": number for number in range(70_000)}
    backend = Library(models.WordLevel(vocab={**ids, "[EOS]": 70_000}, unk_token="w0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = Tokenizer(backend)
    assert tokenizer.dtype == np.uint32
    assert tokenizer.encode("w69999 w3").tolist() == [69_999, 3]


def test_texts_are_read_twice_and_no_more() -> None:
    texts = Texts(corpus({"en": 20}).items)
    train_tokenizer(texts, size=300)
    assert texts.read == 40
    train_tokenizer(texts, size=300, survey=survey(texts))
    assert texts.read == 80
