"""Text to ids and back: a tokeniser of our own, a user's, or plain bytes, all through one small class."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray
from torch import Tensor

from selfsup.data.tokens.special import OWN, ROLES, SpecialTokens, find_special_tokens, roles_beside, sentinel_name
from selfsup.data.tokens.subwords import BYTE_OF, Subwords, read_subwords

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend
else:
    Backend = Any  # `tokenizers` is imported where it is used

Ids = NDArray[Any]
FILE = "tokenizer.json"
_AT_ONCE = 2_000_000  # characters in one call of the library, which needs up to 100 bytes a token until the call ends
_PIECE = 100_000  # characters: longer texts are cut, before a space where there is one
_CONFIG = "tokenizer_config.json"
_MAP = "special_tokens_map.json"
_EXPECTED = f"Expected a folder with a {FILE}, as `save_pretrained` of `transformers` writes it, or such a file."


class Tokenizer:
    """A tokeniser of the `tokenizers` library, and what training has to know of it.

    `pad`, `unk`, `bos`, `eos`, `cls`, `sep`, `mask` are ids, or None where it has none; `bos` stands in for `cls` and `eos` for `sep` where
    they are missing. Ids of text never are special ones: "[MASK]" written in a document is text like any other. Texts are never truncated
    or padded, and encoding draws nothing at random, whatever a user's file says.
    """

    def __init__(self, backend: Backend, *, told: dict[str, str] | None = None) -> None:
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        if getattr(backend.model, "dropout", None):
            backend.model.dropout = None
        self.backend = backend
        self._ids = backend.get_vocab(with_added_tokens=True)
        self._description = json.loads(backend.to_str())
        self.special: SpecialTokens = find_special_tokens(self._description, self._ids, told=told or {})
        self.pad, self.unk, self.mask = self.special.pad, self.special.unk, self.special.mask
        self.bos, self.eos, self.cls, self.sep = self.special.bos, self.special.eos, self.special.cls, self.special.sep
        self.size: int = max(self._ids.values()) + 1
        """How many rows an embedding of the ids needs."""
        self._plain_bytes = _is_plain_bytes(self._description, self._ids)

    @cached_property
    def subwords(self) -> Subwords:
        """What each id stands for, and where in rows of ids words begin."""
        marked = {number for number, token in self.backend.get_added_tokens_decoder().items() if token.special}
        return read_subwords(self._description, self._ids, special=marked | self.special.ids)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds every id."""
        return np.dtype(np.uint16 if self.size <= 1 << 16 else np.uint32)

    @property
    def is_start_of_word(self) -> Bool[Tensor, "V"]:
        """Whether an id begins a word; `subwords.word_starts` also looks at what stands before it."""
        return self.subwords.is_start

    @property
    def is_special(self) -> Bool[Tensor, "V"]:
        """Whether an id stands for no text: never to be hidden, never to be drawn as a word. Also those without a role, and sentinels."""
        return self.subwords.is_special

    @property
    def bytes_of(self) -> Int64[Tensor, "V"]:
        """How many bytes of text an id stands for; 0 for special ones."""
        return self.subwords.bytes_of

    @cached_property
    def fingerprint(self) -> str:
        """Equal for tokenisers that give the same ids."""
        told = json.dumps([self.backend.to_str(), [getattr(self.special, role) for role in ROLES]])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def need(self, role: str, what: str) -> int:
        """The id of a special token that `what` (a task, a store) cannot do without. Raises ValueError."""
        number = getattr(self.special, role)
        if number is None:
            raise ValueError(
                f"The tokeniser has no {role} token, which {what} needs. Expected one: leave --tokenizer out to have one trained, "
                f"choose another, or add the token with Tokenizer.load(...).extended(roles=['{role}']).save(...)."
            )
        return int(number)

    @property
    def end(self) -> int:
        """What is put behind each document: the end, or separator. Raises ValueError when there is none."""
        return self.need("eos", "joining documents")

    def sentinel(self, i: int) -> int:
        """The id of the i-th sentinel, which stands for a left-out span. Raises ValueError when there are fewer."""
        if not 0 <= i < len(self.special.sentinels):
            raise ValueError(
                f"Sentinel {i} was asked for, and the tokeniser has {len(self.special.sentinels)}. "
                f"Add them with extended(sentinels={i + 1}), or use fewer spans in a row."
            )
        return self.special.sentinels[i]

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, without special tokens, on all processors that `RAYON_NUM_THREADS` or `OMP_NUM_THREADS` allow.

        Memory is bounded also for one text of 100 MB: texts are cut every 100,000 characters, before a space, where no word is torn.
        Halves of surrogate pairs, which are no text, become U+FFFD.
        """
        if self._plain_bytes:
            return [np.frombuffer(_whole(text).encode(), dtype=np.uint8).astype(self.dtype) for text in texts]
        pieces: list[str] = []
        counts: list[int] = []
        for text in texts:
            own = list(_pieces(text))
            pieces += own
            counts.append(len(own))
        encoded = iter([ids for group in _groups(pieces) for ids in self._encode(group)])
        return [_joined([next(encoded) for _ in range(count)], self.dtype) for count in counts]

    def encode(self, text: str, *, special: bool = False) -> Ids:
        """The ids of one text; with `special`, names of special tokens in it, such as [MASK], mean these tokens (for prompts)."""
        if not special:
            return self.encode_batch([text])[0]
        self.backend.encode_special_tokens = False
        try:
            return np.array(self.backend.encode(_whole(text), add_special_tokens=False).ids, dtype=self.dtype)
        finally:
            self.backend.encode_special_tokens = True

    def decode(self, ids: Sequence[int] | Ids | Tensor, *, special: bool = False) -> str:
        """The text of some ids, without special tokens unless `special`."""
        return str(self.backend.decode(np.asarray(ids).tolist(), skip_special_tokens=not special))

    def extended(self, *, sentinels: int = 0, roles: Sequence[str] = ()) -> Tokenizer:
        """A tokeniser with at least that many sentinels, and with tokens for roles (pad, bos, eos, mask) that this one lacks.

        New ids are behind the old, which stay: an embedding has to grow to `size`.
        """
        from tokenizers import AddedToken
        from tokenizers import Tokenizer as Library

        if unknown := sorted(set(roles) - set(OWN)):
            raise ValueError(f"roles={unknown} were given. Expected some of {', '.join(OWN)}.")
        backend = Library.from_str(self.backend.to_str())
        lacking = {role: OWN[role] for role in roles if getattr(self.special, role) is None}
        names = [*lacking.values(), *(sentinel_name(i) for i in range(len(self.special.sentinels), sentinels))]
        backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        return Tokenizer(backend, told={**self._told(), **lacking})

    def save(self, folder: str | Path) -> None:
        """Write the three files that `transformers.AutoTokenizer.from_pretrained(folder)` reads; it gives the same ids."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        roles = {f"{role}_token": name for role, name in self._told().items()}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **roles}
        (folder / FILE).write_text(self.backend.to_str(pretty=True), encoding="utf-8")
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / _MAP).write_text(json.dumps(roles, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """A tokeniser from a folder or a tokenizer.json, of any model (BPE, WordPiece, Unigram, WordLevel); nothing is downloaded.

        Folders of old releases (vocab.txt, SentencePiece models) are converted by `transformers`. Raises ValueError.
        """
        share_threads()
        path = Path(path).expanduser()
        if not path.exists():
            raise ValueError(f"There is no tokeniser {path}. {_EXPECTED} Names of models are not looked up: fetch the folder first.")
        file = path / FILE if path.is_dir() else path
        folder = path if path.is_dir() else path.parent
        if file.is_file():
            return cls(_read(file), told=roles_beside(folder) if file.name == FILE else None)
        backend, told = _converted(folder)
        return cls(backend, told=told)

    @classmethod
    def bytes(cls) -> Tokenizer:
        """Each byte of UTF-8 is its own id, 0 to 255, with special tokens behind: no vocabulary to train, and rows of few words."""
        from tokenizers import AddedToken, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as Library

        backend = Library(models.BPE(vocab=dict(BYTE_OF), merges=[]))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.decoder = decoders.ByteLevel()
        backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in OWN.values()])
        return cls(backend, told=dict(OWN))

    def _encode(self, texts: list[str]) -> list[Ids]:
        try:
            encoded = self.backend.encode_batch_fast(texts, add_special_tokens=False)
        except TypeError:  # what the library says to halves of surrogate pairs
            encoded = self.backend.encode_batch_fast([_whole(text) for text in texts], add_special_tokens=False)
        return [np.array(encoding.ids, dtype=self.dtype) for encoding in encoded]

    def _told(self) -> dict[str, str]:
        """Names by role."""
        numbers = {role: getattr(self.special, role) for role in ROLES}
        return {role: str(self.backend.id_to_token(number)) for role, number in numbers.items() if number is not None}


def _is_plain_bytes(description: Mapping[str, Any], ids: Mapping[str, int]) -> bool:
    """Whether ids 0 to 255 are the bytes, and nothing is merged, normalised or added before them: then encoding is copying."""
    first = description.get("pre_tokenizer") or {}
    alone = first.get("type") == "ByteLevel" and not first.get("add_prefix_space") and description.get("normalizer") is None
    texts = [token for token in description.get("added_tokens") or [] if not token["special"]]
    same = all(ids.get(sign) == byte for sign, byte in BYTE_OF.items())
    return alone and same and not texts and description["model"].get("merges") == []


def share_threads() -> None:
    """Make the library keep to `OMP_NUM_THREADS`, as everything else does: two processes with a thread each for all cores ruin each other.

    Where `torchrun` set it, one process tokenises while the others wait, and may use all cores.
    """
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) == 1:
        os.environ.setdefault("RAYON_NUM_THREADS", threads)


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that the library can take: cut before a space, where tokenisers begin a new word."""
    start = 0
    while len(text) - start > _PIECE:
        space = text.rfind(" ", start + _PIECE // 2, start + _PIECE)
        end = space if space > 0 else start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def _groups(pieces: list[str]) -> Iterator[list[str]]:
    group, length = list[str](), 0
    for piece in pieces:
        group.append(piece)
        length += len(piece)
        if length >= _AT_ONCE:
            yield group
            group, length = [], 0
    if group:
        yield group


def _joined(pieces: list[Ids], dtype: np.dtype[Any]) -> Ids:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, dtype=dtype)


def _whole(text: str) -> str:
    """Text without halves of surrogate pairs, which JSON can smuggle in; two halves that belong together are joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _read(file: Path) -> Backend:
    from tokenizers import Tokenizer as Library

    try:
        return Library.from_str(file.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises nothing more telling
        raise ValueError(f"{file} is no tokeniser that the `tokenizers` library reads ({error}). {_EXPECTED}") from None


def _converted(folder: Path) -> tuple[Backend, dict[str, str]]:
    """The tokeniser of a folder without tokenizer.json, as `transformers` makes it of what is there, and its names by role."""
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        backend = loaded.backend_tokenizer
    except Exception as error:  # whatever a converter trips over
        there = ", ".join(sorted(file.name for file in folder.iterdir())[:8]) or "nothing"
        raise ValueError(f"{folder} holds no tokeniser ({there}). {_EXPECTED} `transformers` says: {error}") from None
    names = {role: getattr(loaded, f"{role}_token", None) for role in ROLES}
    return backend, {role: str(name) for role, name in names.items() if name is not None}
