"""Text backbones and tokenisers as they lie on disk: of a run, or of anything that `transformers` wrote."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from selfsup.backbones import TextBackbone, Vocabulary, build_text_from, load_text_backbone, read_projection
from selfsup.data.tokens.tokenizer import FILE, Tokenizer


def network_in(folder: str | Path) -> tuple[TextBackbone, list[str]]:
    """The backbone in a folder, for the tokeniser beside it, and in words which of its weights are missing. Raises ValueError."""
    network, remarks = load_text_backbone(folder, Vocabulary.of(Tokenizer.load(folder)))
    network.projection = read_projection(folder)
    return network, remarks


def fresh_network(folder: str | Path) -> tuple[Callable[[], TextBackbone], dict[str, Any]]:
    """What makes a backbone like that in a folder from torch's global random numbers, and all that decides how."""
    network, _ = network_in(folder)
    told = dataclasses.asdict(network.settings) | {"tokenizer": tokenizer_digest(folder)}
    return partial(build_text_from, network.settings, network.vocabulary), told


def tokenizer_digest(folder: str | Path) -> str:
    """Equal for folders with the same tokeniser."""
    file = Path(folder) / FILE
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else f"none in {folder}"
