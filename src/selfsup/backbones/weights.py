"""Backbones on disk: `backbone.json` beside `backbone.safetensors`, and weights that come from elsewhere."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from selfsup.backbones.attention import use_attention
from selfsup.backbones.backbone import FORMAT, Attention, Backbone, Settings
from selfsup.backbones.fitting import fit
from selfsup.backbones.names import build_from

PREFIXES = (
    *("module.", "_orig_mod.", "backbone.", "encoder.", "encoder_q.", "base_encoder.", "student.", "teacher."),
    *("trunk.", "model.", "net."),
)
"""What wrappers and other libraries put before the names of weights: DDP, torch.compile, and common names of the part that is kept."""

NESTED = ("state_dict", "model_state_dict", "model", "teacher", "student", "backbone")
"""Under which of these a PyTorch checkpoint keeps its weights, in the order of preference."""

WEIGHT_FILES = ("backbone.safetensors", "model.safetensors", "pytorch_model.bin", "model.pth")
"""Files looked for in a folder: a run's, then those of timm and of the Hugging Face hub."""


def save_backbone(backbone: Backbone, folder: str | Path) -> None:
    """Write `backbone.safetensors` and `backbone.json` into `folder`; each appears whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A compiled module keeps the real one inside, under a name that must not reach the file.
    state = {key.removeprefix("_orig_mod."): value.detach().cpu().contiguous() for key, value in backbone.state_dict().items()}
    save_file(state, folder / "backbone.safetensors.new")
    (folder / "backbone.safetensors.new").replace(folder / "backbone.safetensors")
    save_settings(backbone, folder)


def save_settings(backbone: Backbone, folder: Path) -> None:
    """Write `backbone.json` alone: what is needed to build the backbone again, before there are weights worth keeping."""
    content = {
        "format": FORMAT, **asdict(backbone.settings), "layers": backbone.layers, "width": backbone.width, "stride": backbone.stride,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "backbone.json.new").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "backbone.json.new").replace(folder / "backbone.json")


def load_backbone(folder: str | Path, *, attention: Attention | None = None) -> Backbone:
    """The backbone of a run folder, or of any folder that `save_backbone` wrote.

    `attention` overrules how it computes attention, which is a choice of the machine. Raises ValueError where files are missing,
    damaged, of an unknown format, or do not fit one another.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    with torch.random.fork_rng(devices=[]):  # reading a file must not change what is drawn later
        backbone = build_from(settings)
    if attention is not None:
        use_attention(backbone, attention)
    try:
        backbone.load_state_dict(read_tensors(folder / "backbone.safetensors"))
    except RuntimeError as error:
        raise ValueError(f"{folder / 'backbone.safetensors'} does not fit backbone.json beside it: {error}") from error
    return backbone


def read_settings(folder: Path) -> Settings:
    """What `backbone.json` in a folder says. Raises ValueError where it is missing or of an unknown format."""
    content = read_json(folder / "backbone.json")
    if content.get("format") != FORMAT:
        raise ValueError(
            f"{folder / 'backbone.json'} has format {content.get('format')!r}, and this version of selfsup reads format {FORMAT}: "
            "use the version that wrote it, or a newer one"
        )
    names = {entry.name for entry in fields(Settings)}
    chosen: dict[str, Any] = {key: tuple(value) if key in ("mean", "std") else value for key, value in content.items() if key in names}
    try:
        return Settings(**chosen)
    except TypeError as error:
        raise ValueError(f"{folder / 'backbone.json'} does not describe a backbone: {error}") from error


def load_weights(backbone: Backbone, path: str | Path) -> list[str]:
    """Fill a backbone with weights from a run, a `.safetensors` file, a `timm` folder, or a PyTorch file of tensors only.

    Names may carry the prefixes of wrappers. RGB stems are fitted to grey pictures and the other way round, patches and positions
    to other sizes. Normalisation constants found beside the weights are taken over. Returns, in words, what did not match.
    Raises ValueError where nothing did, or where the file cannot be read.
    """
    file = weight_file(Path(path))
    found = renamed(read_tensors(file))
    own = backbone.state_dict()
    names = {bare(key): key for key in own}
    fitted: dict[str, Tensor] = {}
    remarks = []
    for name, value in found.items():
        if name not in names:
            remarks.append(f"{name}: only in {file.name}")
            continue
        tensor = fit(backbone, name, value, own[names[name]])
        if tensor is None:
            remarks.append(f"{name}: {tuple(value.shape)} in {file.name}, {tuple(own[names[name]].shape)} in the backbone")
        else:
            fitted[names[name]] = tensor
    if not any(value.is_floating_point() for value in fitted.values()):
        raise ValueError(
            f"no weight of {file} fits the backbone {backbone.name!r}: it has {_some(found)}; expected {_some(names)}. "
            "Build the backbone the weights were made for (--backbone)."
        )
    remarks += [f"{name}: not in {file.name}, stays as initialised" for name in names if name not in found]
    backbone.load_state_dict(fitted, strict=False)
    take_normalisation(backbone, file.parent)
    return remarks


def weight_file(path: Path) -> Path:
    """The file of weights that a user's path means. Raises ValueError where there is none."""
    if path.is_file():
        return path
    if not path.exists():
        raise ValueError(f"{path} does not exist: expected a run, a folder of timm, or a file of weights")
    for name in WEIGHT_FILES:
        if (path / name).is_file():
            return path / name
    raise ValueError(f"{path} holds no weights: expected one of {', '.join(WEIGHT_FILES)} in it")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name. Nothing is unpickled but tensors. Raises ValueError for damaged or unsafe files."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that an unknown pickle may not be read: the error below says it better
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{file} holds more than tensors, and reading that could run code of a stranger: "
            "save its weights as safetensors where you trust it"
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError) as error:
        raise ValueError(f"{file} cannot be read as weights: {error}") from error
    while isinstance(content, Mapping) and not any(isinstance(value, Tensor) for value in content.values()):
        inner = next((content[key] for key in NESTED if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise ValueError(f"{file} holds no weights by name: expected a state_dict, alone or under one of {', '.join(NESTED)}")
    return tensors


def bare(name: str) -> str:
    """The name of a weight without the prefixes of wrappers."""
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix)
    return name


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under their bare names. Where two would get the same name (a student and its teacher), the first stays."""
    result: dict[str, Tensor] = {}
    for name, value in tensors.items():
        result.setdefault(bare(name), value)
    return result


def take_normalisation(backbone: Backbone, folder: Path) -> None:
    """Take mean and std from the `backbone.json` (ours) or `config.json` (timm's) beside weights, since weights rely on them."""
    for name in ("backbone.json", "config.json"):
        if not (folder / name).is_file():
            continue
        content = read_json(folder / name)
        content = content.get("pretrained_cfg", content)
        mean, std = content.get("mean"), content.get("std")
        if isinstance(mean, list) and isinstance(std, list) and mean and std:
            backbone.use_normalisation(per_channel(mean, backbone.channels), per_channel(std, backbone.channels))
            return


def per_channel(values: list[float], channels: int) -> tuple[float, ...]:
    """Constants for another number of channels: their mean for all, which is exact only where they were equal."""
    if len(values) == channels:
        return tuple(float(value) for value in values)
    return (sum(values) / len(values),) * channels


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ValueError where it is missing or damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file.parent} has no {file.name}: expected the folder of a run, or one that save_backbone wrote") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds a {type(content).__name__}, expected an object with names")
    return content


def _some(names: Mapping[str, object]) -> str:
    """A few names, for messages."""
    return ", ".join(list(names)[:4]) + (", …" if len(names) > 4 else "")
