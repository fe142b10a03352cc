"""Files of scores: JSON that is written whole, in which what is no number is null, and read back with a word on what cannot be read."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

from selfsup.run import write_whole


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores that are kept as one file, called `FILE`, in a folder."""

    FILE: ClassVar[str]

    def save(self, folder: str | Path) -> Path:
        """Write the file into `folder`."""
        file = Path(folder) / self.FILE
        write_scores(file, dataclasses.asdict(self))
        return file


def write_scores(file: Path, content: Mapping[str, Any]) -> None:
    """Write `content` with six digits after the point. JSON has no "not a number" and no infinity: both are null there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False))


def read_scores(file: Path, *, format: int, what: str, kinds: Mapping[str, type], numbers: Collection[str]) -> dict[str, Any]:
    """What `write_scores` wrote. Lists named in `kinds` become records of those kinds; what is null in their `numbers` is not a number.

    A field cannot be called `class`: what has that name in the file is the record's `label`. Raises ValueError for a file that is no such
    JSON, or of another format, naming `what` was expected.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read as {what}: {error}. Run `selfsup evaluate` again.") from error
    if content.get("format") != format:
        raise ValueError(f"{file} has format {content.get('format')!r}; this release reads format {format}. Run `selfsup evaluate` again.")
    for name, kind in kinds.items():
        content[name] = [kind(**dict(_field(key, value, numbers) for key, value in record.items())) for record in content[name]]
    return content


def _field(key: str, value: Any, numbers: Collection[str]) -> tuple[str, Any]:
    return "label" if key == "class" else key, math.nan if value is None and key in numbers else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
