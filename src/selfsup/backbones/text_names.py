"""Text backbones by name: `bert-mini`, `gpt2-small`, `llama-tiny`, any model type of `transformers`, or a configuration on disk."""

from __future__ import annotations

import copy
import difflib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from selfsup.backbones.backbone import Attention
from selfsup.backbones.text import TextBackbone, TextSettings
from selfsup.backbones.text_attention import NAMES, register_attention
from selfsup.backbones.vocabulary import Vocabulary

HEAD = 64
"""Width of an attention head, as in BERT, GPT-2 and most since."""

SIZES = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768)}
"""Layers and width: the miniatures of BERT (Turc, Chang, Lee, Toutanova 2019, arXiv 1908.08962, table 1), with feed-forward layers four
times as wide. Other kinds of model get the same sizes, so that they can be compared."""

USUAL_WORDS = 8_000
"""Words of the tokeniser that is trained for a small corpus, by which sizes are told."""

FAMILIES = {
    "bert": "encoder: masked_lm, replaced_token, simcse, tsdae, span_corruption",
    "modernbert": "encoder with rotary positions and gates: the same tasks, longer rows",
    "gpt2": "decoder: causal_lm",
    "llama": "decoder with rotary positions and gates: causal_lm",
}
"""The families that were tried. Any other model type of `transformers` is taken as well, as far as its configuration allows."""

GATED = {"llama", "modernbert", "mistral", "qwen2", "qwen3", "gemma", "phi3", "olmo", "olmo2"}
"""Families with gates in their feed-forward layers, which then have three matrices in place of two: 8/3 of the width makes them as
large as four times the width does without (Shazeer 2020, arXiv 2002.05202, section 3)."""

FEED_FORWARD = ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim", "d_ff", "ffn_hidden_size")
"""Names that the width of feed-forward layers has in configurations."""

ORIGIN = ("transformers_version", "architectures", "dtype", "torch_dtype", "_name_or_path", "id2label", "label2id", "auto_map")
"""Entries of a configuration that say where it comes from, and not how the network is made."""


def body_parameters(size: str) -> int:
    """About how many parameters the layers of a size have, its table of words apart: attention has four matrices, what follows eight."""
    layers, width = SIZES[size]
    return 12 * layers * width**2


def text_backbones() -> list[str]:
    """The names that were tried: every family in every size."""
    return [f"{family}-{size}" for family in FAMILIES for size in SIZES]


def build_text(
    name: str, *, vocabulary: Vocabulary, context: int = 128, attention: Attention = "plain", arguments: dict[str, Any] | None = None
) -> TextBackbone:
    """A freshly initialised text backbone, drawn from torch's global random state. Nothing is fetched.

    `name` is FAMILY-SIZE (`text_backbones()`, or any model type of `transformers` in place of a family), or the path of a
    `config.json` or of its folder. `arguments` overrule entries of the configuration, under the names `transformers` gives them.
    Raises ValueError for unknown names, sizes and entries.
    """
    file = configuration_file(name)
    if file is not None:
        entries = {**read_configuration(file), **special_entries(vocabulary)}
        model_type = str(entries.pop("model_type"))
        configuration = configured(model_type, {**entries, **(arguments or {})})
    else:
        model_type, size = split_name(name)
        configuration = configured(model_type, {**sized(model_type, size, context, vocabulary), **(arguments or {})})
    return build_text_from(TextSettings(name, context, attention, configuration.to_dict()), vocabulary)


def build_text_from(settings: TextSettings, vocabulary: Vocabulary) -> TextBackbone:
    """A freshly initialised text backbone as `settings` say."""
    entries = dict(settings.configuration)
    model = created(configured(str(entries.pop("model_type")), entries), settings.attention)
    scale_residual_projections(model)
    backbone = TextBackbone(settings, model, vocabulary)
    check_context(backbone)
    return backbone


def check_context(backbone: TextBackbone) -> None:
    """Raise ValueError if a backbone has fewer positions than its context asks for."""
    most = getattr(backbone.model.config, "max_position_embeddings", None)
    if isinstance(most, int) and backbone.context > most - backbone.offset:
        raise ValueError(f"context is {backbone.context}, but {backbone.name!r} has {most - backbone.offset} positions: give that or less.")


def resized(backbone: TextBackbone, width: int) -> TextBackbone:
    """A freshly initialised backbone like another, of another width. Raises ValueError where its configuration does not say how."""
    entries = dict(backbone.settings.configuration)
    model_type = str(entries.pop("model_type"))
    scale = width / backbone.width
    own = configured(model_type, {}).attribute_map
    for name in ("hidden_size", "num_attention_heads", "num_key_value_heads", *FEED_FORWARD):
        actual = own.get(name, name)
        if isinstance(entries.get(actual), int):
            entries[actual] = max(1, round(entries[actual] * scale))
    configuration = configured(model_type, entries)
    settings = replace(backbone.settings, name=f"{backbone.name}, {width} wide", configuration=configuration.to_dict())
    return build_text_from(settings, backbone.vocabulary)


def split_name(name: str) -> tuple[str, str]:
    """Family and size of a name. Raises ValueError with what there is."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    family, _, size = name.rpartition("-")
    if size not in SIZES or family not in CONFIG_MAPPING:
        near = difflib.get_close_matches(name, [*text_backbones(), *(f"{kind}-mini" for kind in CONFIG_MAPPING)], n=2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"there is no text backbone {name!r}.{hint} Expected a family ({', '.join(FAMILIES)}, or a model type of transformers), a "
            f"hyphen, and a size ({', '.join(SIZES)}); or the path of a config.json."
        )
    return family, size


def configuration_file(name: str) -> Path | None:
    """The `config.json` that a name means, if it is a path."""
    path = Path(name).expanduser()
    meant = len(path.parts) > 1 or path.suffix == ".json"  # a bare word is a name, whatever folders there are
    file = path / "config.json" if path.is_dir() else path
    if file.is_file() and (meant or path.is_dir()):
        return file
    if meant:
        raise ValueError(f"there is no file {file}: expected the config.json of a model of transformers, or a name such as bert-mini.")
    return None


def read_configuration(file: Path) -> dict[str, Any]:
    """What a `config.json` says of a network. Raises ValueError where it is damaged or says nothing of its kind."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("model_type"), str):
        raise ValueError(f"{file} does not say its model_type: expected the config.json of a model of transformers.")
    return {name: value for name, value in content.items() if name not in ORIGIN}


def sized(model_type: str, size: str, context: int, vocabulary: Vocabulary) -> dict[str, Any]:
    """Layers, width, heads, context and vocabulary of a configuration, under the names they have in it."""
    layers, width = SIZES[size]
    wide = -(-width * 8 // 3 // HEAD) * HEAD if model_type in GATED else 4 * width
    heads = width // HEAD
    # RoBERTa and its kin count positions on from the padding id.
    longer = context + (vocabulary.pad or 0) + 1 if "roberta" in model_type or model_type == "camembert" else context
    return {
        "num_hidden_layers": layers, "num_decoder_layers": layers, "hidden_size": width, "num_attention_heads": heads,
        "num_key_value_heads": heads, "head_dim": HEAD, "max_position_embeddings": longer, **dict.fromkeys(FEED_FORWARD, wide),
        **special_entries(vocabulary),
    }  # fmt: skip


def special_entries(vocabulary: Vocabulary) -> dict[str, Any]:
    """The vocabulary's size and special ids, as entries of a configuration."""
    return {"vocab_size": vocabulary.size, **vocabulary.ids}


def configured(model_type: str, entries: dict[str, Any]) -> Any:
    """The configuration of a kind of model with those of `entries` that it has. Raises ValueError where they do not fit together."""
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if model_type not in CONFIG_MAPPING:
        raise ValueError(f"transformers knows no model type {model_type!r}.")
    default = AutoConfig.for_model(model_type)
    own = {**{name: name for name in default.to_dict()}, **default.attribute_map}
    given = {own[name]: value for name, value in entries.items() if name in own and name not in ORIGIN}
    try:
        return AutoConfig.for_model(model_type, **given)
    except Exception as error:  # what transformers raises here differs from kind to kind
        raise ValueError(f"transformers cannot configure {model_type!r} that way: {' '.join(str(error).split())}") from error


def created(configuration: Any, attention: Attention) -> Any:
    """A model of `transformers` without heads and without dropout, in fp32. Raises ValueError for kinds that read no text."""
    from transformers import AutoModel, AutoModelForTextEncoding

    register_attention()
    kind: Any = AutoModelForTextEncoding if configuration.is_encoder_decoder else AutoModel
    quiet = without_dropout(configuration)
    try:
        model = kind.from_config(quiet, attn_implementation=NAMES[attention], dtype=torch.float32)
    except ValueError as error:
        raise ValueError(f"transformers has no text encoder or decoder of type {configuration.model_type!r}: {error}") from error
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # a layer on the first token, which nothing here uses
    return model


def without_dropout(configuration: Any) -> Any:
    """The same configuration with every probability of dropout at 0."""
    quiet = copy.deepcopy(configuration)
    for name, value in configuration.to_dict().items():
        if ("drop" in name or name.endswith("_pdrop")) and isinstance(value, float):
            setattr(quiet, name, 0.0)
    return quiet


@torch.no_grad()
def scale_residual_projections(model: Any) -> None:
    """Let the projections of a gated decoder that add to its residual stream start smaller by the root of their number.

    GPT-2 (Radford et al. 2019, section 2.3); `transformers` does so for GPT-2 and ModernBERT, and not for Llama and its kin.
    """
    names = ("self_attn.o_proj.weight", "mlp.down_proj.weight")
    layers: int = model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        if name.endswith(names):
            parameter.mul_((2 * layers) ** -0.5)
