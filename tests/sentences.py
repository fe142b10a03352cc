"""Made-up documents in two languages, as rows of a table."""

from __future__ import annotations

import random

ENGLISH = ("the", "old", "red", "cat", "dog", "sat", "ran", "on", "under", "a", "mat", "house", "and", "slept", "quickly", "today")
GERMAN = (
    "der",
    "alte",
    "rote",
    "Kater",
    "Hund",
    "saß",
    "lief",
    "auf",
    "unter",
    "einer",
    "Matte",
    "Straße",
    "und",
    "schlief",
    "schnell",
    "heute",
)


def sentences(count: int = 120, seed: int = 0) -> list[dict[str, str]]:
    """Documents of a few sentences, a third of them German; `kind` says which animal the first sentence is about."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        words = GERMAN if number % 3 == 0 else ENGLISH
        lines = [" ".join(chance.choices(words, k=chance.randrange(5, 12))).capitalize() + "." for _ in range(chance.randrange(1, 5))]
        animal = words[3 + number % 2]
        text = f"{animal.capitalize()} {' '.join(lines)} {animal}"
        rows.append({"id": f"d{number}", "text": text, "language": "de" if words is GERMAN else "en", "kind": str(number % 2)})
    return rows
