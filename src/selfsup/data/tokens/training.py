"""Training a tokeniser: byte-level BPE on a sample that mixes languages as training will."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator

from selfsup.data.tokens.hold_out import HoldOut
from selfsup.data.tokens.mixture import Mixing, shares
from selfsup.data.tokens.special import OWN
from selfsup.data.tokens.streams import TextDocument, language_of
from selfsup.data.tokens.survey import Survey
from selfsup.data.tokens.survey import survey as count_text
from selfsup.data.tokens.tokenizer import Tokenizer, share_threads

SMALLEST = 256 + len(OWN) + 1
LARGEST = 64_000
_USUAL = 8_000
_USUAL_BYTES = 100e6
_CHARACTERS_EACH = 2_500  # of text to learn from, for each word of the vocabulary
_PIECE = 10_000  # characters of a document that are taken or left together
_WORDS = r"[ '’]?[\p{L}\p{M}]{1,100}| ?\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]{1,100}|\s{1,100}(?!\S)|\s{1,100}"
"""What BPE may join: letters with their marks and the space or apostrophe before them, up to three digits, signs, white space. In the
manner of GPT-2 (Radford et al. 2019), which tears scripts with combining marks (Hindi, Thai, Arabic with vowels) apart. At most 100
characters, so that a line of a megabyte without a space neither stalls the trainer nor fills the memory."""


def vocabulary_size(text_bytes: int, languages: int) -> int:
    """How many words a vocabulary gets: 8,000 up to 100 MB in one language, more for more text and languages, 64,000 at most.

    8,000 * languages^(1/3) * (bytes / 100 MB)^(1/4). Each word costs the same in the output layer (at 4 layers of 256, 8,000 words are 39 %
    of the forward pass of a language model that predicts everywhere, 30,000 are 70 %), and spares the less the rarer it is. Below 65,536,
    ids take two bytes on disk. 26 languages: 23,700; a gigabyte of English: 14,200; 100 GB: 45,000.
    """
    size: float = _USUAL * languages ** (1 / 3) * max(1.0, text_bytes / _USUAL_BYTES) ** 0.25
    return min(LARGEST, round(size / 100) * 100)


def train_tokenizer(
    documents: Iterable[TextDocument],
    *,
    size: int | None = None,
    survey: Survey | None = None,
    mixing: Mixing | None = None,
    hold_out: HoldOut | None = None,
    characters: int | None = None,
    progress: bool = False,
) -> Tokenizer:
    """Train byte-level BPE (Sennrich et al., ACL 2016; Radford et al. 2019): no text is out of vocabulary, none is changed.

    `documents` are read twice, counted first (unless their `survey` is given) and then sampled: of each language as much as its share in
    training, in pieces of 10,000 characters drawn by a hash, so that neither one long document nor one large language is all there is.
    `size` counts all words, the 256 bytes and 4 special tokens included (default `vocabulary_size`); small texts give fewer. `characters`
    is the most text to learn from (default 2,500 a word). What is held out is not looked at. Raises ValueError: no text, a size too small.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Library

    found = survey or count_text(documents, hold_out=hold_out, progress=progress)
    if not found.languages:
        raise ValueError("There is no text to train a tokeniser on: all documents are empty or held out. Expected documents with text.")
    size = size or vocabulary_size(sum(amount.bytes for amount in found.languages.values()), len(found.languages))
    if size < SMALLEST:
        raise ValueError(f"A vocabulary of {size} was asked for. Expected at least {SMALLEST}: 256 bytes, special tokens and one word.")
    share_threads()
    backend = Library(models.BPE())
    split = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(OWN.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rates = _rates(found, mixing or Mixing(), characters or _CHARACTERS_EACH * size)
    backend.train_from_iterator(_sample(documents, rates, hold_out or HoldOut()), trainer)
    return Tokenizer(backend, told=dict(OWN))


def _rates(found: Survey, mixing: Mixing, characters: int) -> dict[str, float]:
    """How often each piece of a language is taken, on average."""
    sizes = [amount.characters for amount in found.languages.values()]
    budget = min(characters, sum(sizes))
    parts = shares(sizes, mixing, budget=budget)
    return {language: part * budget / size for language, part, size in zip(found.languages, parts, sizes, strict=True)}


def _sample(documents: Iterable[TextDocument], rates: dict[str, float], rule: HoldOut) -> Iterator[list[str]]:
    """Pieces of text, many at a time: each as often as the rate of its language says, drawn by a hash where that is no whole number."""
    batch, length = list[str](), 0
    for document in documents:
        if not document.text or rule.part(document) != "train":
            continue
        rate = rates.get(language_of(document), 0.0)
        for number, start in enumerate(range(0, len(document.text), _PIECE)):
            times = math.floor(rate) + (_chance(f"{document.id}/{number}") < rate % 1)
            batch += [_encodable(document.text[start : start + _PIECE])] * times
            length += _PIECE * times
        if length >= 100 * _PIECE:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def _chance(name: str) -> float:
    """A number in [0, 1) that follows from a name."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()[:8], "big") / 2**64


def _encodable(text: str) -> str:
    """Without halves of surrogate pairs, which the library refuses."""
    return text.encode(errors="replace").decode() if not text.isascii() else text
