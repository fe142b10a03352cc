"""The tokeniser of a run as the three files that other libraries read."""

from __future__ import annotations

import json
from pathlib import Path

from selfsup.backbones.weights import read_json
from selfsup.data.tokens.tokenizer import FILE
from selfsup.exporting.subjects import Documents


def save_tokenizer(subject: Documents, folder: Path, *, prompts: bool = False) -> None:
    """Write the tokeniser without the step that puts special tokens around a text, which the network never saw there.

    Names of special tokens in a text are text, as in training, but for `prompts`, where "[MASK]" has to mean the token.
    """
    from selfsup.backbones.text_weights import write_json

    subject.tokenizer.save(folder)
    description = read_json(folder / FILE)
    if (description.get("post_processor") or {}).get("type") != "ByteLevel":  # which adds nothing
        description["post_processor"] = None
    (folder / FILE).write_text(json.dumps(description, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    told = read_json(folder / "tokenizer_config.json")
    padding = {} if "pad_token" in told else {"pad_token": told.get("eos_token") or next(iter(names_of(told)), None)}
    inputs = {"model_max_length": subject.network.context, "model_input_names": ["input_ids", "attention_mask"], "padding_side": "right"}
    reading = {"split_special_tokens": not prompts}
    write_json({**told, **padding, **inputs, **reading}, folder / "tokenizer_config.json")


def names_of(told: dict[str, object]) -> list[str]:
    """The special tokens that a tokeniser has."""
    return [str(name) for role, name in told.items() if role.endswith("_token") and name is not None]
