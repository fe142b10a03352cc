"""Weights of a ResNet under torchvision's names, which timm shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from selfsup.embedding.pictures import pooled_map
from selfsup.exporting.exported import Written, checked
from selfsup.exporting.picture_code import model_code
from selfsup.exporting.subjects import Pictures
from selfsup.exporting.timm_folder import WEIGHTS, Change, constructor_of, stem_changes

NODES = ("relu", "layer1", "layer2", "layer3", "layer4")
"""What torchvision calls the maps that are stage1 to stage5 here."""


def write_torchvision(subject: Pictures, folder: Path) -> Written:
    """A folder with a state dict that the model of torchvision takes, strictly."""
    from torchvision.models import get_model, list_models
    from torchvision.models.feature_extraction import create_feature_extractor

    name, _ = constructor_of(subject)
    if name not in list_models() or not name.startswith(("resn", "wide_resnet")):
        raise ValueError(
            f"torchvision has no {name!r} under these names: expected --format timm, transformers, onnx or torch. ResNets (resnet18, "
            "resnet50, resnext50_32x4d, wide_resnet50_2, …) can be exported so."
        )
    changes, model = changes_of(subject), get_model(name, weights=None)
    for change in changes:
        setattr(model, change.name, change.value)
    weights: Any = subject.network.model
    save_file({key: value.detach().cpu().contiguous() for key, value in weights.state_dict().items()}, folder / WEIGHTS)
    model.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    node = NODES[subject.network.layers.index(subject.name)]
    pixels = subject.pixels()
    with torch.no_grad():
        grid = create_feature_extractor(model.eval(), [node])(subject.seen(pixels))[node]
    found = pooled_map(grid, subject.pool)
    difference = checked(found, subject.embeddings(pixels), "the model of torchvision")
    code = model_code(
        subject,
        imports=[
            "from safetensors.torch import load_file",
            "from torchvision.models import get_model",
            "from torchvision.models.feature_extraction import create_feature_extractor",
        ],
        model=[
            f'model = get_model("{name}")',
            *(change.line for change in changes),
            f'model.load_state_dict(load_file("@FOLDER@/{WEIGHTS}"))',
            f'extractor = create_feature_extractor(model.eval(), ["{node}"])',
        ],
        grid=f'extractor(images)["{node}"]',
    )
    notes = ["`model(images)` gives the mean of the last layer; `model.fc` is the place for a classifier of your own."]
    return Written(int(found.shape[1]), difference, code, ("pillow", "torchvision", "safetensors"), notes)


def changes_of(subject: Pictures) -> list[Change]:
    """No classifier, and first layers where they differ from torchvision's, whose constructor knows colour pictures alone."""
    changes = stem_changes(subject)
    if not changes and subject.network.channels != 3:
        channels = subject.network.channels
        line = f"model.conv1 = torch.nn.Conv2d({channels}, 64, 7, stride=2, padding=3, bias=False)"
        changes = [Change("", "conv1", nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False), line)]
    return [Change("", "fc", nn.Identity(), "model.fc = torch.nn.Identity()"), *changes]
