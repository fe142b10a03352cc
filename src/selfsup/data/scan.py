"""Finding files of a kind in folders, safely: links that go in circles, locked folders, pipes, hidden files."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from selfsup.data.decode import looks_like_picture, suffix_of
from selfsup.data.items import Item, natural, printable

_JUNK = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"))


@dataclass
class Found:
    """Files of the kind that is wanted, and what was left out: `ignored` counts by ending, `skipped` gives a reason for each."""

    wanted: Callable[[str], bool] = looks_like_picture
    items: list[Item] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, name: str, facts: Callable[[], os.stat_result]) -> None:
        """Take one file in, if it is wanted by its name; `facts` asks the file system about it. Never raises."""
        name = printable(name)
        if not self.wanted(path):
            self.ignored[suffix_of(name.rpartition("/")[2]) or "no ending"] += 1
            return
        try:
            known = facts()
        except FileNotFoundError:
            self.skipped[name] = "a link to nothing" if Path(path).is_symlink() else "no such file"
        except OSError as error:
            self.skipped[name] = error.strerror or str(error)
        else:
            if stat.S_ISREG(known.st_mode):
                self.items.append(Item(name, path, known.st_size, known.st_mtime_ns))
            else:
                self.skipped[name] = "not a regular file"

    def name_empty_folders(self, folders: list[str]) -> None:
        """Folders that are called like files are named, unless files came from them."""
        holding = {item.id[:place] for item in self.items for place, sign in enumerate(item.id) if sign == "/"} if folders else set()
        self.skipped |= {name: "a folder, not a file" for name in map(printable, folders) if name not in holding}

    def finish(self) -> Found:
        """Bring the items into natural order."""
        self.items.sort(key=lambda item: (natural(item.id), item.id))
        return self


def scan_folder(root: Path, wanted: Callable[[str], bool] = looks_like_picture) -> Found:
    """All files below `root` whose path is `wanted`, each folder once: linked folders last, so that files keep their real names.

    Raises OSError when `root` itself cannot be read.
    """
    found = Found(wanted)
    seen: set[tuple[int, int]] = set()
    real, linked, file_like = [""], list[str](), list[str]()
    while real or linked:
        below = real.pop() if real else linked.pop(0)
        folder = root / below
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name) if _is_new(folder, seen) else []
        except OSError as error:
            if not below:
                raise
            found.skipped[printable(below)] = f"folder not read: {error.strerror or error}"
            continue
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith(".") or entry.name in _JUNK:
                found.ignored["hidden"] += 1
            elif entry.is_dir(follow_symlinks=False):
                real.append(name)
                file_like += [name] if suffix_of(entry.name) and wanted(entry.path) else []
            elif not entry.is_symlink() or not _leads_to_folder(entry):
                found.add(entry.path, name, entry.stat)
            elif _goes_in_circles(folder / entry.name, root):
                found.skipped[printable(name)] = "a link to a folder around this one"
            else:
                linked.append(name)
    found.name_empty_folders(file_like)
    return found.finish()


def list_files(paths: Iterable[Path], root: Path, wanted: Callable[[str], bool] = looks_like_picture) -> Found:
    """The wanted files among `paths`, named by their way from `root`, or by their whole path if they lie elsewhere. Each once."""
    found = Found(wanted)
    for path in dict.fromkeys(paths):
        found.add(str(path), name_below(path, root), path.stat)
    return found.finish()


def name_below(path: Path, root: Path) -> str:
    """The id of a file: its path from `root` with forward slashes, or the whole path."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    facts = folder.stat()
    identity = facts.st_dev, facts.st_ino
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself, or into a locked folder: `add` finds the words for it
        return False


def _goes_in_circles(link: Path, root: Path) -> bool:
    return root.resolve().is_relative_to(link.resolve())
