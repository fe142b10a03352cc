"""Backbones on disk, and weights that come from elsewhere."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from torch import Tensor, nn
from torchvision.models import resnet18

from selfsup.backbones import Backbone, build, load_backbone, load_weights, save_backbone
from selfsup.backbones.fitting import channels, positions


def pictures(size: int, count: int) -> Tensor:
    return torch.rand(2, count, size, size, generator=torch.Generator().manual_seed(0))


def embedding(backbone: Backbone, images: Tensor) -> Tensor:
    with torch.no_grad():
        return backbone.eval().embed(images)


@pytest.mark.parametrize(
    ("name", "size"), [("compact_convnet", 28), ("compact_vit", 64), ("resnet18", 32), ("vit_tiny_patch16_224", 64), ("convnext_atto", 32)]
)
def test_round_trip(name: str, size: int, tmp_path: Path) -> None:
    backbone = build(name, size=size, channels=1, mean=(0.1,), std=(0.3,), attention="fused")
    backbone.embed(pictures(size, 1))  # BatchNorm statistics move
    save_backbone(backbone, tmp_path / "new" / "run")
    state = torch.get_rng_state()
    loaded = load_backbone(tmp_path / "new" / "run")
    assert torch.equal(torch.get_rng_state(), state)
    assert loaded.settings == backbone.settings
    assert loaded.layers == backbone.layers
    torch.testing.assert_close(embedding(loaded, pictures(size, 1)), embedding(backbone, pictures(size, 1)), rtol=0, atol=0)
    assert sorted(file.name for file in (tmp_path / "new" / "run").iterdir()) == ["backbone.json", "backbone.safetensors"]


def test_backbone_json_tells_everything(tmp_path: Path) -> None:
    save_backbone(build("compact_convnet", size=32), tmp_path)
    content = json.loads((tmp_path / "backbone.json").read_text())
    assert content["format"] == 1
    assert content["layers"] == ["stage1", "stage2", "stage3", "stage4"]
    assert (content["width"], content["stride"], content["size"], content["channels"]) == (256, 8, 32, 3)
    assert content["arguments"] == {"widths": [32, 64, 64, 128, 128, 224, 256], "halving": [1, 3, 5]}


def test_a_saved_network_keeps_its_shape_when_defaults_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build("compact_convnet", size=32)
    save_backbone(backbone, tmp_path)
    monkeypatch.setattr("selfsup.backbones.compact.WIDTHS", (8,) * 7)
    monkeypatch.setattr("selfsup.backbones.compact.HALVING_ORDER", (0, 1, 2))
    torch.testing.assert_close(embedding(load_backbone(tmp_path), pictures(32, 3)), embedding(backbone, pictures(32, 3)))


def test_attention_can_be_overruled(tmp_path: Path) -> None:
    save_backbone(build("compact_vit", size=32, attention="plain"), tmp_path)
    assert load_backbone(tmp_path).settings.attention == "plain"
    assert load_backbone(tmp_path, attention="fused").settings.attention == "fused"


def test_damaged_and_foreign_folders_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no backbone\.json"):
        load_backbone(tmp_path)
    save_backbone(build("compact_convnet", size=32), tmp_path)
    description = tmp_path / "backbone.json"
    content = json.loads(description.read_text())
    description.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(ValueError, match="format 99, and this version of selfsup reads format 1"):
        load_backbone(tmp_path)
    description.write_text(json.dumps({**content, "channels": 1, "mean": [0.5], "std": [0.5]}))
    with pytest.raises(ValueError, match="does not fit"):
        load_backbone(tmp_path)
    description.write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        load_backbone(tmp_path)
    description.write_text(json.dumps(content))
    (tmp_path / "backbone.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_backbone(tmp_path)
    (tmp_path / "backbone.safetensors").unlink()
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_backbone(tmp_path)


def test_weights_of_a_run(tmp_path: Path) -> None:
    source = build("compact_convnet", size=32, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    save_backbone(source, tmp_path)
    target = build("compact_convnet", size=32)
    assert load_weights(target, tmp_path) == []
    torch.testing.assert_close(embedding(target, pictures(32, 3)), embedding(source, pictures(32, 3)), rtol=0, atol=0)
    assert target.settings.mean == (0.1, 0.2, 0.3)  # they belong to the weights


def test_weights_of_a_timm_folder(tmp_path: Path) -> None:
    """As timm itself writes it; the embedding is then timm's own."""
    peer: Any = timm.create_model("resnet18", num_classes=5).eval()
    save_for_hf(peer, str(tmp_path), safe_serialization=True)
    backbone = build("resnet18", size=96)
    remarks = load_weights(backbone, tmp_path)
    assert sorted(remarks) == ["fc.bias: only in model.safetensors", "fc.weight: only in model.safetensors"]
    assert backbone.settings.mean == (0.485, 0.456, 0.406)
    images = pictures(96, 3)
    mean, std = (torch.tensor(peer.pretrained_cfg[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(
            embedding(backbone, images), peer.forward_head(peer.forward_features((images - mean) / std), pre_logits=True)
        )


def test_weights_of_torchvision_for_grey_pictures(tmp_path: Path) -> None:
    """A grey picture gives what the same picture in equal colours gave; the 7x7 stem does not fit a small one, and is named."""
    torch.save(resnet18().state_dict(), tmp_path / "resnet.pth")
    colour, grey = build("resnet18", size=96), build("resnet18", size=96, channels=1)
    assert load_weights(colour, tmp_path / "resnet.pth") == ["fc.weight: only in resnet.pth", "fc.bias: only in resnet.pth"]
    load_weights(grey, tmp_path / "resnet.pth")
    images = pictures(96, 1)
    torch.testing.assert_close(embedding(grey, images), embedding(colour, images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
    small = build("resnet18", size=32)
    assert "conv1.weight: (64, 3, 7, 7) in resnet.pth, (64, 3, 3, 3) in the backbone" in load_weights(small, tmp_path / "resnet.pth")


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "module._orig_mod.encoder_q.", "model."])
@pytest.mark.parametrize("nested", ["", "state_dict", "model"])
def test_known_prefixes_and_nesting(prefix: str, nested: str, tmp_path: Path) -> None:
    source, target = build("compact_convnet", size=32), build("compact_convnet", size=32)
    state: dict[str, object] = {prefix + key: value for key, value in source.state_dict().items()}
    torch.save({nested: OrderedDict(state), "epoch": 3} if nested else state, tmp_path / "model.pth")
    assert load_weights(target, tmp_path / "model.pth") == []
    assert load_weights(target, tmp_path) == []  # found in the folder, too
    torch.testing.assert_close(embedding(target, pictures(32, 3)), embedding(source, pictures(32, 3)), rtol=0, atol=0)


def test_a_task_with_a_head_around_the_backbone(tmp_path: Path) -> None:
    source = build("compact_vit", size=32)
    save_file(nn.ModuleDict({"backbone": source, "head": nn.Linear(3, 3)}).state_dict(), tmp_path / "task.safetensors")
    remarks = load_weights(build("compact_vit", size=32), tmp_path / "task.safetensors")
    assert remarks == ["head.bias: only in task.safetensors", "head.weight: only in task.safetensors"]


def test_vit_of_another_size_patch_and_channels(tmp_path: Path) -> None:
    """A class token's position is not taken for a patch's, patches are resampled, and every weight finds its place."""
    peer: Any = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    save_file(peer.state_dict(), tmp_path / "vit.safetensors")
    backbone = build("vit_tiny_patch16_224", size=64, channels=1)
    before = backbone.state_dict()["model.pos_embed"].clone()
    assert load_weights(backbone, tmp_path / "vit.safetensors") == []
    state = backbone.state_dict()
    assert not torch.equal(state["model.pos_embed"], before)
    assert state["model.pos_embed"].shape == (1, 65, 192)
    torch.testing.assert_close(state["model.pos_embed"][:, 0], peer.pos_embed[:, 0])
    assert state["model.patch_embed.proj.weight"].shape == (192, 1, 8, 8)


def test_positions_keep_their_values_on_the_same_grid() -> None:
    """Register and class tokens the backbone does not have are left out; its own, that the file lacks, stay."""
    backbone = build("compact_vit", size=32)  # 8x8 patches, no class token
    own = backbone.state_dict()["model.pos_embed"]
    grid = torch.randn(1, 64, 192, generator=torch.Generator().manual_seed(0))
    fitted = positions(backbone, torch.cat([torch.ones(1, 5, 192), grid], dim=1), own)
    assert fitted is not None
    torch.testing.assert_close(fitted, grid)
    # A plane stays a plane when the grid gets finer: compare in the middle, since borders are clamped.
    ramp = torch.arange(4.0).repeat_interleave(4).reshape(1, 16, 1).expand(1, 16, 192)
    finer = positions(backbone, ramp, own)
    assert finer is not None
    rows = finer.reshape(8, 8, 192)[:, 0, 0]
    assert bool((rows.diff() > 0).all())
    assert float(rows.mean()) == pytest.approx(1.5, abs=1e-4)


def test_channels_by_hand() -> None:
    kernel = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1)
    assert channels(kernel, 1).flatten().tolist() == [9.0]
    assert channels(torch.full((1, 1, 1, 1), 6.0), 3).flatten().tolist() == [2.0, 2.0, 2.0]
    assert channels(kernel, 2).flatten().tolist() == [4.5, 4.5]


def test_nothing_fits_names_keys_of_both(tmp_path: Path) -> None:
    save_file({"layer.one": torch.ones(3), "layer.two": torch.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"layer\.one, layer\.two; expected convolutions\.0\.weight"):
        load_weights(build("compact_convnet", size=32), tmp_path / "other.safetensors")


def test_other_errors_of_files(tmp_path: Path) -> None:
    backbone = build("compact_convnet", size=32)
    with pytest.raises(ValueError, match="does not exist"):
        load_weights(backbone, tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"holds no weights: expected one of backbone\.safetensors, model\.safetensors"):
        load_weights(backbone, tmp_path)
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(ValueError, match="no weights by name"):
        load_weights(backbone, tmp_path / "empty.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_weights(backbone, tmp_path / "broken.pth")


class Stranger:
    """Unpickling it would call a function of its choice."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("code of a stranger ran",)


@pytest.mark.parametrize("write", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content))], ids=["torch", "pickle"])
def test_nothing_is_unpickled(write: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(write)
    write({"weight": Stranger()}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match="code of a stranger: save its weights as safetensors"):
        load_weights(build("compact_convnet", size=32), tmp_path / "model.pth")
    assert "ran" not in capsys.readouterr().out
