"""What `pretrain` was asked for that only texts have: how they are read, tokenised and mixed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsup.data.tokens.mixture import Mixing


@dataclass(frozen=True, kw_only=True)
class TextWishes:
    """Columns `text`, `id` and `language`, `encoding` and `deduplicate` as documents are read; `tokenizer`, a path or "bytes", or the
    size of a `vocabulary` to train; `context`, the tokens of a row; `alpha` and `repeats`, how languages are mixed (`Mixing`).
    """

    text: str | None = None
    id: str | None = None
    language: str | None = None
    encoding: str | None = None
    deduplicate: bool = False
    tokenizer: str | Path | None = None
    vocabulary: int | None = None
    context: int | None = None
    alpha: float = Mixing.alpha
    repeats: float = Mixing.repeats

    def given(self) -> dict[str, Any]:
        """What differs from the default, as `Run.reading` holds it."""
        every = ((item.name, getattr(self, item.name), item.default) for item in dataclasses.fields(self))
        return {name: str(value) if isinstance(value, Path) else value for name, value, default in every if value != default}

    @property
    def columns(self) -> dict[str, str | None]:
        """How documents are read, as `open_documents` takes it."""
        return {name: getattr(self, name) for name in ("text", "id", "language", "encoding")}

    @property
    def mixing(self) -> Mixing:
        """How languages are mixed. Raises ValueError."""
        return Mixing(self.alpha, self.repeats)

    def refuse(self) -> None:
        """Raise ValueError where a run on pictures was given any of it."""
        given = self.given()
        if given:
            names = ", ".join(f"--{name}" for name in given)
            raise ValueError(f"{names} {'is' if len(given) == 1 else 'are'} for text, and the task learns from pictures; leave it out.")
