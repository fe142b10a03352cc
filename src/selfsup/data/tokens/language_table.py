"""What each language has, and what it gets: the rows of the report's table of languages."""

from __future__ import annotations

from dataclasses import dataclass

from selfsup.data.tokens.mixture import Mixture
from selfsup.data.tokens.store import TokenStore


@dataclass(frozen=True)
class LanguageShare:
    """One language of a training part.

    `share` is its part of all rows, `sampled` of the rows that are trained on, `repeats` how often each of its rows is seen while as many
    rows are seen as there are in all. `bytes_per_token` says how well the tokeniser knows it (end tokens not counted), `unknown` which
    share of its tokens it does not know. A language with fewer tokens than a row has is never seen: 0 rows.
    """

    language: str
    documents: int
    bytes: int
    tokens: int
    rows: int
    share: float
    sampled: float
    repeats: float
    bytes_per_token: float
    unknown: float


def language_table(store: TokenStore, mixture: Mixture | None = None) -> list[LanguageShare]:
    """What each language of a store has, and what it gets in a mixture (without one, what it has); the largest first."""
    table: list[LanguageShare] = []
    for language, count in store.counts.items():
        if not count.documents:
            continue
        rows = len(store.groups.get(language, ()))
        share = rows / max(1, len(store))
        sampled = share if mixture is None else mixture.shares.get(language, 0.0)
        text_tokens = count.tokens - count.documents
        table.append(
            LanguageShare(
                language=language,
                documents=count.documents,
                bytes=count.bytes,
                tokens=count.tokens,
                rows=rows,
                share=share,
                sampled=sampled,
                repeats=sampled / share if rows else 0.0,
                bytes_per_token=count.bytes / text_tokens,
                unknown=count.unknown / text_tokens,
            )
        )
    return sorted(table, key=lambda row: -row.bytes)
