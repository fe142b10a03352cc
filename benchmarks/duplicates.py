"""Are near-copies found? Copies of four kinds are planted among pictures, or of three among texts, and sought at the default threshold.

    python benchmarks/duplicates.py emoji --run RUN --out DIR
    python benchmarks/duplicates.py elpv --run RUN --out DIR
    python benchmarks/duplicates.py bbc --run RUN --out DIR        # texts

Pictures: resized to 50–150 %, saved as JPEG of quality 30–90, cropped by 5 % of either side at a random place, mirrored. Texts: other case
and punctuation, a tenth cut off the end, a word in 25 replaced by one of another text. Recall is the share of planted copies that are in
one group with their original. Of the other pairs, which were there before, it is told how many there are, and, of emoji, how many Unicode
calls variants of one. The page in DIR/NAME-found shows all of them. Files are kept in DIR.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from real_data import saved
from real_texts import bbc
from selfsup.curating import Duplicate, duplicates, text_copies
from selfsup.curating import picture_copies as copies
from selfsup.curating.collection import collect
from selfsup.curating.pairs import Pair, groups_of

Truth = list[tuple[str, str, str]]
"""Original, copy, kind."""


def resized(picture: Image.Image, file: Path, rng: np.random.Generator) -> Path:
    scale = rng.uniform(0.5, 1.5)
    picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS).save(file.with_suffix(".png"))
    return file.with_suffix(".png")


def recompressed(picture: Image.Image, file: Path, rng: np.random.Generator) -> Path:
    picture.save(file.with_suffix(".jpg"), quality=int(rng.integers(30, 91)))
    return file.with_suffix(".jpg")


def cropped(picture: Image.Image, file: Path, rng: np.random.Generator) -> Path:
    width, height = round(0.95 * picture.width), round(0.95 * picture.height)
    left, top = rng.integers(0, picture.width - width + 1), rng.integers(0, picture.height - height + 1)
    picture.crop((int(left), int(top), int(left) + width, int(top) + height)).save(file.with_suffix(".png"))
    return file.with_suffix(".png")


def flipped(picture: Image.Image, file: Path, rng: np.random.Generator) -> Path:
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(file.with_suffix(".png"))
    return file.with_suffix(".png")


PICTURE_KINDS: dict[str, Callable[[Image.Image, Path, np.random.Generator], Path]] = {
    "resized": resized,
    "re-compressed": recompressed,
    "cropped": cropped,
    "flipped": flipped,
}


def plant_pictures(name: str, folder: Path, *, pictures: int | None, each: int, seed: int) -> None:
    """Every picture, or so many by chance, as a PNG, and the copies."""
    file = saved(name, folder.parent / f"{name}.npz")
    with np.load(file) as kept:
        images, bases = kept["images"], kept.get("base")
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    rng, truth = np.random.default_rng(seed), Truth()
    rows = np.sort(rng.permutation(len(images))[:pictures])
    for row in rows.tolist():
        Image.fromarray(images[row]).save(draft / f"{row:05d}.png", compress_level=1)
    for kind, copied in PICTURE_KINDS.items():
        for row in rng.permutation(rows)[:each].tolist():
            made = copied(Image.fromarray(images[row]), draft / f"{row:05d}-{kind}", rng)
            truth.append((f"{row:05d}.png", made.name, kind))
    known = {} if bases is None else {f"{row:05d}.png": str(base) for row, base in enumerate(bases)}
    folder.with_suffix(".json").write_text(json.dumps({"truth": truth, "bases": known}))
    draft.rename(folder)


def plant_texts(folder: Path, *, each: int, seed: int) -> None:
    """Every article as a file, and the copies."""
    news = [article.text for article in bbc()[0]]
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    rng, truth = np.random.default_rng(seed), Truth()
    for row, text in enumerate(news):
        (draft / f"{row:05d}.txt").write_text(text, encoding="utf-8")
    for kind in ("other case", "cut short", "words replaced"):
        for row in rng.permutation(len(news))[:each].tolist():
            words, others = news[row].split(), news[int(rng.integers(len(news)))].split()
            if kind == "other case":
                changed = re.sub(r"[,.;:]", " ", news[row].upper())
            elif kind == "cut short":
                changed = " ".join(words[: round(0.9 * len(words))])
            else:
                changed = " ".join(str(rng.choice(others)) if rng.random() < 1 / 25 else word for word in words)
            (draft / f"{row:05d}-{kind}.txt").write_text(changed, encoding="utf-8")
            truth.append((f"{row:05d}.txt", f"{row:05d}-{kind}.txt", kind))
    folder.with_suffix(".json").write_text(json.dumps({"truth": truth, "bases": {}}))
    draft.rename(folder)


def recalls(pairs: Sequence[Duplicate], truth: Truth) -> dict[str, tuple[int, int, Counter[str]]]:
    """For each kind: how many copies share a group with their original, of how many, and what they were said to be."""
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    row = {name: place for place, name in enumerate(names)}
    groups = groups_of([Pair(row[pair.first], row[pair.second], pair.kind, pair.similarity) for pair in pairs], len(names))
    group = {names[member]: number for number, members in enumerate(groups) for member in members}
    said = {frozenset((pair.first, pair.second)): pair.kind for pair in pairs}
    numbers: dict[str, list[bool]] = defaultdict(list)
    words: dict[str, Counter[str]] = defaultdict(Counter)
    for original, copy, kind in truth:
        numbers[kind].append(copy in group and group[copy] == group.get(original))
        if frozenset((original, copy)) in said:
            words[kind][said[frozenset((original, copy))]] += 1
    return {kind: (sum(right), len(right), words[kind]) for kind, right in numbers.items()}


def others(pairs: Sequence[Duplicate]) -> list[Duplicate]:
    """Pairs of which neither is a planted copy: what was in the data before."""
    return [pair for pair in pairs if "-" not in pair.first and "-" not in pair.second]


def across(pairs: Sequence[Duplicate]) -> list[Duplicate]:
    """Pairs of a planted copy with what is neither its original nor a copy of it."""
    return [pair for pair in pairs if ("-" in pair.first or "-" in pair.second) and pair.first[:5] != pair.second[:5]]


def proposed(run: Path, folder: Path, truth: Truth) -> dict[str, dict[str, float]]:
    """Which share of the planted copies each way to propose pairs puts forward, before any pixel is compared."""
    collection = collect(run, folder, {})
    small = copies.small_pictures(collection.store)
    row, table = {name: place for place, name in enumerate(collection.reading.ids)}, {}
    for by in (("embedding",), ("thumbnail",), ("embedding", "thumbnail")):
        pairs = copies.candidates(collection, small, list(range(len(row))), neighbours=20, by=by).tolist()
        known = set(map(tuple, pairs))
        right: dict[str, list[bool]] = defaultdict(list)
        for original, copy, kind in truth:
            right[kind].append(tuple(sorted((row[original], row[copy]))) in known)
        table[" and ".join(by)] = {kind: float(np.mean(values)) for kind, values in right.items()} | {"pairs": len(pairs)}
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["emoji", "elpv", "bbc"])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=100, help="copies of each kind")
    parser.add_argument("--pictures", type=int, help="of the data, by chance; by default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--thresholds", type=float, nargs="*", default=[], help="of similarity; besides, the default")
    parser.add_argument("--proposed", action="store_true", help="also tell what each way to propose pairs finds")
    asked = parser.parse_args()
    folder = asked.out / f"{asked.name}-{asked.pictures or 'all'}-{asked.each}-{asked.seed}"
    if not folder.is_dir():
        if asked.name == "bbc":
            plant_texts(folder, each=asked.each, seed=asked.seed)
        else:
            plant_pictures(asked.name, folder, pictures=asked.pictures, each=asked.each, seed=asked.seed)
    known = json.loads(folder.with_suffix(".json").read_text())
    truth, bases = [tuple(one) for one in known["truth"]], known["bases"]
    if asked.proposed:
        for by, shares in proposed(asked.run, folder, truth).items():
            print(f"proposed by {by}: {shares}", flush=True)
    default = text_copies.THRESHOLD if asked.name == "bbc" else copies.THRESHOLD
    thresholds = sorted({*asked.thresholds, default})
    began = time.process_time()
    found = duplicates(asked.run, folder, out=asked.out / f"{asked.name}-found", threshold=thresholds[0])
    print(f"{found.items:,} {found.noun}, {time.process_time() - began:.0f} s of CPU")
    for threshold in thresholds:
        pairs = [pair for pair in found.pairs if pair.similarity >= threshold]
        print(f"\nthreshold {threshold:g}{' (the default)' if threshold == default else ''}: {len(pairs)} pairs")
        for kind, (right, count, words) in recalls(pairs, truth).items():
            print(f"| {kind} | {right} of {count} | {', '.join(f'{number} {word}' for word, number in words.most_common())} |")
        before = others(pairs)
        variants = sum(pair.first in bases and bases[pair.first] == bases[pair.second] for pair in before)
        print(
            f"pairs there before: {len(before)} {dict(Counter(pair.kind for pair in before))}"
            + (f", variants of one: {variants}" if bases else "")
        )
        print(f"pairs of a planted copy with something else: {len(across(pairs))}", flush=True)


if __name__ == "__main__":
    main()
