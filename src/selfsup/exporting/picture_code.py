"""The code, without this library, that makes embeddings of picture files with an exported folder: it stands in the folder's README.

Every piece defines `embeddings(paths)`, or of a model `probabilities(paths)`. `@FOLDER@` stands for the folder. Tests run what is made
here.
"""

from __future__ import annotations

import json

from selfsup.exporting.subjects import Pictures, Top

POOLS = {
    "mean": ["return grid.mean(dim=(2, 3))"],
    "max": ["return grid.amax(dim=(2, 3))"],
    "quarters": [
        "height, width = grid.shape[2:]",
        "halves = grid[:, :, : (height + 1) // 2], grid[:, :, height // 2 :]",
        "quarters = [part for half in halves for part in (half[..., : (width + 1) // 2], half[..., width // 2 :])]",
        "return torch.cat([quarter.mean(dim=(2, 3)) for quarter in quarters], dim=1)",
    ],
}
"""From a map (B, D, h, w) called grid to one vector a picture."""

EIGHT_BITS = [
    "", "def eight_bits(picture):  # grey or colour, without transparency",
    '    if picture.mode == "F" or picture.mode.startswith("I"):  # more than eight bits: from the smallest to the largest value',
    "        values = np.asarray(picture).astype(np.float64)",
    "        finite = values[np.isfinite(values)]",
    "        low, high = finite.min(), finite.max()",
    "        if low == high:",
    "            low, high = 0, 65535 if high > 255 else 255",
    "        scaled = np.nan_to_num((values - low) * (255 / (high - low)), nan=0, posinf=255, neginf=0)",
    "        return Image.fromarray(np.rint(scaled.clip(0, 255)).astype(np.uint8))",
    '    transparent = "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB")',
    '    if transparent or picture.mode in ("LA", "La", "PA", "RGBA", "RGBa"):',
    '        picture = picture.convert("RGBA")',
    '        white = Image.new("RGB", picture.size, "white")',
    '        white.paste(picture, mask=picture.getchannel("A"))',
    "        return white",
    '    return picture if picture.mode == "L" else picture.convert("RGB")',
]  # fmt: skip
"""As `selfsup.data.decode` makes eight bits of whatever Pillow opens, so that pixels are the same to the bit."""


def onnx_code(subject: Pictures) -> str:
    """With Pillow, numpy and onnxruntime."""
    return "\n".join([
        "import numpy as np", "import onnxruntime", "from PIL import Image, ImageOps", "",
        'session = onnxruntime.InferenceSession("@FOLDER@/model.onnx")', "",
        *pixels_code(subject), "", "",
        *classes_code(subject.top),
        f"def {result_name(subject.top)}(paths):",
        '    return session.run(None, {"pixels": np.stack([pixels(path) for path in paths])})[0]',
    ])  # fmt: skip


def torch_code(subject: Pictures) -> str:
    """With Pillow, numpy and torch."""
    return "\n".join([
        "import numpy as np", "import torch", "from PIL import Image, ImageOps", "",
        'network = torch.export.load("@FOLDER@/model.pt2").module()', "",
        *pixels_code(subject), "", "",
        *classes_code(subject.top),
        "@torch.no_grad()",
        f"def {result_name(subject.top)}(paths):",
        "    return network(torch.from_numpy(np.stack([pixels(path) for path in paths])))",
    ])  # fmt: skip


def model_code(subject: Pictures, *, imports: list[str], model: list[str], grid: str) -> str:
    """With Pillow, numpy, torch and a library whose model takes normalised pictures. `grid` computes the map from `images`."""
    settings = subject.network.settings
    resize = [] if subject.side == settings.size else [
        f'    images = F.interpolate(images, size=({settings.size}, {settings.size}), mode="bilinear", antialias=True)'
    ]  # fmt: skip
    needed = ["import numpy as np", "import torch", "from PIL import Image, ImageOps", *imports]
    needed += ["import torch.nn.functional as F"] if resize else []
    return "\n".join([
        *sorted(needed, key=lambda line: (line.startswith("from "), line.lower())), "",
        *model, "model.eval()",
        f"mean = torch.tensor({list(settings.mean)}).view(-1, 1, 1)",
        f"std = torch.tensor({list(settings.std)}).view(-1, 1, 1)", "",
        *pixels_code(subject), "", "",
        "@torch.no_grad()",
        "def embeddings(paths):",
        "    images = torch.from_numpy(np.stack([pixels(path) for path in paths])).permute(0, 3, 1, 2) / 255",
        *resize,
        f"    grid = {grid.replace('images', '(images - mean) / std')}",
        *(f"    {line}" for line in POOLS[subject.pool]),
    ])  # fmt: skip


def result_name(top: Top | None) -> str:
    """What the code calls its result."""
    return "embeddings" if top is None else "probabilities"


def classes_code(top: Top | None) -> list[str]:
    """The classes, in the order of the probabilities."""
    return [] if top is None else [f"classes = {json.dumps(top.classes, ensure_ascii=False)}", "", ""]


def pixels_code(subject: Pictures) -> list[str]:
    """From a file to the pixels that the run stored, bit for bit."""
    side, grey = subject.side, subject.network.channels == 1
    mode, asked = ("L", '"L"') if grey else ("RGB", "None")
    return [
        *EIGHT_BITS, "", "",
        f"def pixels(path):  # ({side}, {side}, {subject.network.channels}), uint8, as the run stored them",
        "    picture = Image.open(path)",
        f"    picture.draft({asked}, ({side}, {side}))  # a large JPEG is decoded at a fraction of its size",
        "    picture.load()",
        "    turn = picture.getexif().get(0x0112, 1)  # how it is held, which new pictures do not know",
        f'    picture = eight_bits(picture).convert("{mode}")',
        f"    picture = picture.resize(({side}, {side}), Image.Resampling.BICUBIC, reducing_gap=2.0)",
        "    picture.getexif()[0x0112] = turn",
        "    return np.array(ImageOps.exif_transpose(picture))" + ("[:, :, None]" if grey else ""),
    ]  # fmt: skip
