"""Folders of timm, which `transformers` reads as well: `config.json` and `model.safetensors` under timm's names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from selfsup.backbones.text_weights import write_json
from selfsup.backbones.timm_backbone import TimmBackbone
from selfsup.backbones.transformer import TransformerBackbone
from selfsup.embedding.pictures import pooled_map
from selfsup.exporting.exported import Written, checked
from selfsup.exporting.picture_code import model_code
from selfsup.exporting.subjects import Pictures

WEIGHTS = "model.safetensors"


def write_timm(subject: Pictures, folder: Path) -> Written:
    """A folder that timm loads by `create_model` and `load_state_dict`."""
    architecture, arguments = constructor_of(subject)
    changes, (number, norm) = stem_changes(subject), chosen(subject)
    notes = write_weights(subject, folder)
    model = built(subject)
    model.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    width, difference = compared(subject, model, "the model of timm")
    told = ", ".join(f"{name}={value!r}".replace("'", '"') for name, value in arguments.items())
    code = model_code(
        subject,
        imports=["import timm", "from safetensors.torch import load_file"],
        model=[
            "model = timm.create_model(",
            *(f"    {line}" for line in wrap(f'"{architecture}", num_classes=0, {told},', 100)),
            ")",
            *(change.line for change in changes),
            f'model.load_state_dict(load_file("@FOLDER@/{WEIGHTS}"))',
        ],
        grid=f"model.forward_intermediates(images, indices=[{number}], norm={norm}, intermediates_only=True)[-1]",
    )
    if changes:
        notes.append("The first layers keep the resolution of small pictures; timm has no name for that, so the code changes its model.")
    else:
        notes.append('`timm.create_model("local-dir:FOLDER", pretrained=True, num_classes=0)` loads the folder in one line.')
    return Written(width, difference, code, ("pillow", "timm"), notes)


def write_transformers(subject: Pictures, folder: Path) -> Written:
    """The same folder, as `AutoModel` and `AutoImageProcessor` of `transformers` load it."""
    from transformers import AutoModel

    if stem_changes(subject):
        raise ValueError(
            f"transformers cannot build {subject.network.name!r} with first layers for small pictures: expected --format timm, torchvision "
            "(ResNets), onnx or torch, which can."
        )
    notes = write_weights(subject, folder)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    width, difference = compared(subject, model.timm_model, "the model of transformers")
    number, norm = chosen(subject)
    code = model_code(
        subject,
        imports=["from transformers import AutoModel"],
        model=['model = AutoModel.from_pretrained("@FOLDER@")'],
        grid=f"model(images, output_hidden_states=[{number}], norm={norm}).hidden_states[-1]",
    )
    return Written(width, difference, code, ("pillow", "transformers", "timm"), [*notes, *processor_notes(subject)])


def constructor_of(subject: Pictures) -> tuple[str, dict[str, Any]]:
    """The name that timm knows a backbone by, and what its constructor is given. Raises ValueError for networks that are not timm's."""
    network, settings = subject.network, subject.network.settings
    if not isinstance(network, (TimmBackbone, TransformerBackbone)):
        raise ValueError(
            f"{network.name!r} is a network of selfsup, which neither timm, torchvision nor transformers has: "
            "expected --format onnx or torch, each one file without code."
        )
    arguments = {"in_chans": settings.channels, **settings.arguments}
    if isinstance(network, TransformerBackbone):
        arguments |= {"img_size": settings.size, "patch_size": settings.patch, "global_pool": "avg", "fc_norm": False}
    return ("vit_tiny_patch16_224" if network.name == "compact_vit" else network.name), arguments


@dataclass(frozen=True)
class Change:
    """One part of a model that is put in place of another: `line` says in code what `value` as attribute `name` of module `path` does."""

    path: str
    name: str
    value: Any
    line: str


def stem_changes(subject: Pictures) -> list[Change]:
    """Parts of a timm model that were exchanged for small pictures: see `timm_backbone.shrink_stem`."""
    network = subject.network
    if not isinstance(network, TimmBackbone) or network.settings.stem != "small":
        return []
    model = network.model
    if hasattr(model, "conv_stem"):
        return [Change("conv_stem", "stride", (1, 1), "model.conv_stem.stride = (1, 1)")]
    if not hasattr(model, "maxpool"):
        return []  # a ConvNeXt, whose constructor is told
    pool = Change("", "maxpool", nn.Identity(), "model.maxpool = torch.nn.Identity()")
    if isinstance(model.conv1, nn.Sequential):
        return [Change("conv1.0", "stride", (1, 1), "model.conv1[0].stride = (1, 1)"), pool]
    inputs, outputs = model.conv1.in_channels, model.conv1.out_channels
    first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [Change("", "conv1", first, f"model.conv1 = torch.nn.Conv2d({inputs}, {outputs}, 3, padding=1, bias=False)"), pool]


def built(subject: Pictures) -> Any:
    """A fresh model of timm, changed as the code that the folder tells changes it."""
    architecture, arguments = constructor_of(subject)
    model: Any = timm.create_model(architecture, pretrained=False, num_classes=0, **arguments)
    for change in stem_changes(subject):
        setattr(model.get_submodule(change.path), change.name, change.value)
    return model.eval()


def write_weights(subject: Pictures, folder: Path) -> list[str]:
    """Write the weights and timm's configuration; in words, what of timm's model was never trained."""
    architecture, arguments = constructor_of(subject)
    fresh = built(subject)
    weights: Any = subject.network.model
    own: dict[str, Tensor] = {name.removeprefix("_orig_mod."): value.detach().cpu() for name, value in weights.state_dict().items()}
    state = fresh.state_dict()
    untrained = sorted({name.rpartition(".")[0] for name in state if name not in own})
    save_file({name: own.get(name, value).contiguous() for name, value in state.items()}, folder / WEIGHTS, metadata={"format": "pt"})
    settings = subject.network.settings
    known = {name: fresh.pretrained_cfg.get(name) for name in ("first_conv", "classifier", "pool_size")}
    pretrained = {
        **known, "num_classes": 0, "input_size": [settings.channels, settings.size, settings.size], "mean": settings.mean,
        "std": settings.std, "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash",
        "fixed_input_size": "img_size" in arguments,
    }  # fmt: skip
    write_json(
        {
            "architecture": architecture, "num_classes": 0, "num_features": fresh.num_features, "model_args": arguments,
            "pretrained_cfg": pretrained,
        },
        folder / "config.json",
    )  # fmt: skip
    if not untrained:
        return []
    return [f"Never trained, and as timm makes them: {', '.join(untrained)}. The embedding does not pass through them."]


def chosen(subject: Pictures) -> tuple[int, bool]:
    """Which of timm's maps the layer is, and whether it is normed: in a ViT, the last norm belongs to the last block alone."""
    network: Any = subject.network
    place = network.layers.index(subject.name)
    return network.shown[place], isinstance(network, TimmBackbone) or place == len(network.layers) - 1


@torch.no_grad()
def compared(subject: Pictures, model: Any, what: str) -> tuple[int, float]:
    """The width of what a model of timm gives, and how far it is from the run's."""
    (number, norm), pixels = chosen(subject), subject.pixels()
    [grid] = model.forward_intermediates(subject.seen(pixels), indices=[number], norm=norm, intermediates_only=True)
    found = pooled_map(grid, subject.pool)
    return int(found.shape[1]), checked(found, subject.embeddings(pixels), what)


def processor_notes(subject: Pictures) -> list[str]:
    """What `AutoImageProcessor` does otherwise."""
    return [
        "`AutoImageProcessor.from_pretrained(FOLDER)` and `timm.data.create_transform` resize once, straight to "
        f"{subject.network.size} px, where the run stored pictures at {subject.side} px first: their pictures, and so the embeddings, "
        "differ a little. The code above is exact."
    ]
