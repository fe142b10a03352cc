"""Tokens that stand for no text: which a tokeniser has, found in its files or by their usual names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROLES = ("pad", "unk", "bos", "eos", "cls", "sep", "mask")
OWN = {"pad": "[PAD]", "bos": "[BOS]", "eos": "[EOS]", "mask": "[MASK]"}  # of the tokenisers trained here
_USUAL = {
    "pad": ("[PAD]", "<pad>", "<|pad|>", "<|padding|>", "<PAD>"),
    "unk": ("[UNK]", "<unk>", "<UNK>"),
    "bos": ("[BOS]", "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"),
    "eos": ("[EOS]", "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
    "cls": ("[CLS]", "<cls>"),
    "sep": ("[SEP]", "<sep>"),
    "mask": ("[MASK]", "<mask>", "<|mask|>", "<MASK>"),
}
_SENTINEL = re.compile(r"<extra_id_(\d+)>")


@dataclass(frozen=True)
class SpecialTokens:
    """Ids by role, None where a tokeniser has none; `sentinels` stand for left-out spans (T5's names), in their order."""

    pad: int | None = None
    unk: int | None = None
    bos: int | None = None
    eos: int | None = None
    cls: int | None = None
    sep: int | None = None
    mask: int | None = None
    sentinels: tuple[int, ...] = ()

    @property
    def ids(self) -> set[int]:
        """All of them."""
        return {number for role in ROLES if (number := getattr(self, role)) is not None} | set(self.sentinels)


def sentinel_name(i: int) -> str:
    """The name of the i-th sentinel, as T5 writes it."""
    return f"<extra_id_{i}>"


def find_special_tokens(description: Mapping[str, Any], ids: Mapping[str, int], *, told: Mapping[str, str]) -> SpecialTokens:
    """Who plays which role: as `told` by the files beside a tokeniser, else by the usual names.

    A beginning or end serves as cls or sep, and the other way round, where only one of the two is there. `unk` counts only where the model
    itself uses it: byte-level models know everything.
    """
    found: dict[str, int] = {}
    for role in ROLES:
        names = [told[role]] if role in told else [] if told and role not in ("pad", "mask") else _USUAL[role]
        known = [ids[name] for name in names if name in ids]
        if known:
            found[role] = known[0]
    for one, other in (("bos", "cls"), ("eos", "sep")):
        if one in found or other in found:
            found[one], found[other] = found.get(one, found.get(other, -1)), found.get(other, found.get(one, -1))
    found.pop("unk", None)
    unknown = _unknown(description["model"], ids)
    if unknown is not None:
        found["unk"] = unknown
    return SpecialTokens(**found, sentinels=_sentinels(ids))


def roles_beside(folder: Path) -> dict[str, str]:
    """What tokenizer_config.json and special_tokens_map.json of `transformers` say: names by role."""
    told: dict[str, str] = {}
    for file in (folder / "special_tokens_map.json", folder / "tokenizer_config.json"):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        for role in ROLES if isinstance(content, dict) else ():
            entry = content.get(f"{role}_token")
            name = entry.get("content") if isinstance(entry, dict) else entry
            if isinstance(name, str):
                told[role] = name
    return told


def _unknown(model: Mapping[str, Any], ids: Mapping[str, int]) -> int | None:
    if model.get("unk_id") is not None:  # Unigram
        return int(model["unk_id"])
    name = model.get("unk_token")
    return ids.get(name) if isinstance(name, str) else None


def _sentinels(ids: Mapping[str, int]) -> tuple[int, ...]:
    """Those numbered from 0 without a gap."""
    numbered = {int(match[1]): number for name, number in ids.items() if (match := _SENTINEL.fullmatch(name))}
    found: list[int] = []
    while len(found) in numbered:
        found.append(numbered[len(found)])
    return tuple(found)
