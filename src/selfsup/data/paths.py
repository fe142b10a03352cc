"""What a user typed as a path: a file, a folder, a glob, or a slip of the hand with words that help."""

from __future__ import annotations

import glob
import os
from pathlib import Path

ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar")


def existing_path(data: str, *, expected: str) -> Path | None:
    """The path as typed, or with a Windows user's backslashes turned; None when neither exists. Raises ValueError."""
    if not data.strip():
        raise ValueError(f"An empty path was given. {expected}")
    for spelling in (data, data.replace("\\", "/")):
        path = Path(spelling).expanduser()
        try:
            if path.exists():
                return path.absolute()
        except OSError as error:  # a locked folder on the way, a name too long
            raise ValueError(f"{data} could not be opened: {error.strerror or error}. {expected}") from None
    return None


def matching_files(data: str, *, expected: str) -> tuple[list[Path], Path]:
    """The files that a glob matches, and the folder that it starts from. Raises ValueError when there is none."""
    pattern = str(Path(data).expanduser().absolute())
    if not glob.has_magic(pattern):
        near = next((folder for folder in Path(pattern).parents if folder.is_dir()), None)
        raise ValueError(f"There is no {data}" + (f" (the nearest folder there is: {near})" if near else "") + f". {expected}")
    paths = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - Path.glob raises on locked folders
    paths = [path for path in paths if not path.is_dir()]
    if not paths:
        raise ValueError(f"The pattern {data} matches no file. {expected}")
    fixed = pattern[: next(place for place, sign in enumerate(pattern) if sign in "*?[")]
    return paths, Path(fixed) if fixed.endswith(("/", os.sep)) else Path(fixed).parent
