"""Text backbones on disk, in the format of `transformers`: `config.json` and `model.safetensors`, with `backbone.json` beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from selfsup.backbones.backbone import FORMAT, Attention
from selfsup.backbones.text import TextBackbone, TextSettings
from selfsup.backbones.text_names import ORIGIN, check_context, configured, created, read_configuration
from selfsup.backbones.vocabulary import Vocabulary
from selfsup.backbones.weights import read_json, read_tensors

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def save_text_backbone(backbone: TextBackbone, folder: str | Path) -> None:
    """Write `config.json`, `model.safetensors` and `backbone.json` into `folder`; each appears whole or not at all.

    `transformers.AutoModel.from_pretrained(folder)` then gives the same hidden states.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(own_tensors(backbone.model), folder / f"{WEIGHTS}.new", metadata={"format": "pt"})
    (folder / f"{WEIGHTS}.new").replace(folder / WEIGHTS)
    save_text_settings(backbone, folder)


def save_text_settings(backbone: TextBackbone, folder: str | Path) -> None:
    """Write `config.json` and `backbone.json` alone: what is needed to build the backbone again, before there are weights worth keeping."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {name: value for name, value in backbone.settings.configuration.items() if name not in ORIGIN}
    write_json({**configuration, "architectures": [type(backbone.model).__name__]}, folder / "config.json")
    content = {
        "format": FORMAT, "name": backbone.name, "context": backbone.context, "attention": backbone.settings.attention,
        "layers": backbone.layers, "width": backbone.width, "causal": backbone.causal,
    }  # fmt: skip
    write_json(content, folder / "backbone.json")


def read_text_settings(folder: str | Path) -> TextSettings:
    """What `save_text_settings` wrote, for `build_text_from`. Raises ValueError where it is missing or damaged."""
    own = read_json(Path(folder) / "backbone.json")
    entries = read_configuration(Path(folder) / "config.json")
    if own.get("format") != FORMAT or not {"name", "context", "attention"} <= set(own):
        raise ValueError(f"{folder}/backbone.json is not one of a text backbone that this release reads. Restore it, or pretrain again.")
    return TextSettings(str(own["name"]), int(own["context"]), own["attention"], entries)


def own_tensors(model: torch.nn.Module) -> dict[str, Tensor]:
    """The state of a model, each tensor under the first of its names: tied ones are one tensor under several."""
    state: dict[str, Tensor] = {}
    places = set()
    for name, value in model.state_dict().items():
        if value.data_ptr() not in places:
            state[name.removeprefix("_orig_mod.")] = value.detach().cpu().contiguous()
        places.add(value.data_ptr())
    return state


def load_text_backbone(
    folder: str | Path, vocabulary: Vocabulary, *, context: int | None = None, attention: Attention | None = None
) -> tuple[TextBackbone, list[str]]:
    """An encoder or decoder from disk: a folder of ours, or any that `transformers` wrote, with `vocabulary` from its own tokeniser.

    Only safetensors are read: nothing is unpickled, no code of the folder is run, nothing is fetched. Returns the backbone, and in
    words which of its weights the folder lacks. Raises ValueError where files are missing, damaged, or fit neither one another nor the
    vocabulary.
    """
    folder = Path(folder).expanduser()
    entries = read_configuration(folder / "config.json") if folder.is_dir() else {}
    if not entries:
        raise ValueError(
            f"{folder} is no folder: expected one with config.json and {WEIGHTS}, as save_pretrained of transformers writes it."
        )
    own = read_json(folder / "backbone.json") if (folder / "backbone.json").is_file() else {}
    words = int(entries.get("vocab_size", 0))
    if vocabulary.size > words:
        raise ValueError(
            f"the tokeniser has {vocabulary.size} words, but the network in {folder} {words}: take the tokeniser it was made with."
        )
    configuration = configured(str(entries.pop("model_type")), entries)
    most = getattr(configuration, "max_position_embeddings", None)
    settings = TextSettings(
        name=str(own.get("name", folder.name)),
        context=context or int(own.get("context", most if isinstance(most, int) else 512)),
        attention=attention or own.get("attention", "plain"),
        configuration=configuration.to_dict(),
    )
    with torch.random.fork_rng(devices=[]):  # reading a file must not change what is drawn later
        model = created(configuration, settings.attention)
    remarks = fill(model, read_all(folder), folder)
    backbone = TextBackbone(settings, model, vocabulary)
    if context is None and not own and isinstance(most, int):
        backbone.context = most - backbone.offset
        backbone.settings = replace(settings, context=backbone.context)
    check_context(backbone)
    return backbone, remarks


def read_all(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder, from one file or several. Raises ValueError where there is no safetensors file."""
    if (folder / WEIGHTS).is_file():
        return read_tensors(folder / WEIGHTS)
    if (folder / INDEX).is_file():
        parts = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        outside = [part for part in parts if Path(part).name != part]
        if outside:
            raise ValueError(f"{folder / INDEX} names {outside[0]!r}, which is not in its folder.")
        return {name: value for part in parts for name, value in read_tensors(folder / part).items()}
    pickled = next((file.name for file in folder.glob("*.bin")), None)
    hint = (
        f" {pickled} is a pickle, which could run code of a stranger: save it with save_pretrained(safe_serialization=True)."
        if pickled
        else ""
    )
    raise ValueError(f"{folder} has no {WEIGHTS}.{hint}")


def fill(model: Any, found: dict[str, Tensor], folder: Path) -> list[str]:
    """Fill a model of `transformers` with tensors from disk; in words, which it lacks. Raises ValueError where nothing or a shape fits.

    Names may begin with what the same model is called inside one with a head (`bert.`, `transformer.`, `model.`). Heads are left out.
    """
    prefix = f"{model.base_model_prefix}."
    old = {".gamma": ".weight", ".beta": ".bias"}  # norms in files of 2018
    renamed: dict[str, Tensor] = {}
    for name, value in found.items():
        bare = name.removeprefix("_orig_mod.").removeprefix(prefix)
        for before, after in old.items():
            bare = bare.removesuffix(before) + after if bare.endswith(before) else bare
        renamed.setdefault(bare, value)
    own = model.state_dict()
    fitting = {name: value.float() for name, value in renamed.items() if name in own}
    wrong = [name for name, value in fitting.items() if value.shape != own[name].shape]
    if wrong or not fitting:
        what = (
            f"{wrong[0]} has shape {tuple(fitting[wrong[0]].shape)} in it, and config.json asks for {tuple(own[wrong[0]].shape)}"
            if wrong
            else f"it has {', '.join(list(found)[:3])}, …, and config.json asks for {', '.join(list(own)[:3])}, …"
        )
        raise ValueError(f"the weights in {folder} do not fit its config.json: {what}.")
    model.load_state_dict(fitting, strict=False)
    tied = {id(parameter): name for name, parameter in model.named_parameters() if name in fitting}
    shared = {name for name, parameter in model.named_parameters(remove_duplicate=False) if id(parameter) in tied}
    return [f"{name}: not in {folder.name}, stays as initialised" for name in own if name not in fitting and name not in shared]


def write_json(content: dict[str, Any], file: Path) -> None:
    """A JSON file that appears whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    new.replace(file)
