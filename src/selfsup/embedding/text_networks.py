"""Text backbones, tokenisers and documents as they lie on disk: of a run, or of anything that `transformers` wrote."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from selfsup.embedding.encoded import Encoder
from selfsup.embedding.texts import Documents


def documents_of(data: Any) -> Documents:
    """The documents of whatever a user calls their texts. Raises ValueError."""
    from selfsup.data.documents import open_documents

    return open_documents(data)


def encoder_in(folder: str | Path) -> Encoder:
    """The tokeniser in a folder. Raises ValueError."""
    from selfsup.data.tokenizer import Tokenizer

    return Tokenizer.load(folder)


def network_in(folder: str | Path) -> tuple[Any, list[str]]:
    """The backbone in a folder, for the tokeniser beside it, and in words which of its weights are missing. Raises ValueError."""
    from selfsup.backbones import Vocabulary, load_text_backbone
    from selfsup.data.tokenizer import Tokenizer

    return load_text_backbone(folder, Vocabulary.of(Tokenizer.load(folder)))


def fresh_network(folder: str | Path) -> tuple[Callable[[], Any], dict[str, Any]]:
    """What makes a backbone like that in a folder from torch's global random numbers, and all that decides how."""
    from selfsup.backbones import build_text_from

    network, _ = network_in(folder)
    told = dataclasses.asdict(network.settings) | {"tokenizer": tokenizer_digest(folder)}
    return partial(build_text_from, network.settings, network.vocabulary), told


def tokenizer_digest(folder: str | Path) -> str:
    """Equal for folders with the same tokeniser."""
    file = Path(folder) / "tokenizer.json"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else f"none in {folder}"
