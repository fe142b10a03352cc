"""WebDataset shards: .tar files in which members of the same name but for the ending, such as 000012.jpg and 000012.txt, are a pair.

Members are read where they lie: nothing is unpacked, and no path of an archive is ever used as one.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfsup.data.decode import SUFFIXES, suffix_of
from selfsup.data.items import Item, printable
from selfsup.data.packed import MOST_BYTES, PackedSource
from selfsup.data.pairs.listing import Caption, Paired, PairWanted, paired
from selfsup.data.pairs.sidecars import LONGEST, beside, captions_in, stem_of
from selfsup.data.pairs.sidecars import SUFFIXES as CAPTIONS
from selfsup.data.undecodable import Undecodable


@dataclass
class ShardSource(PackedSource):
    """Pictures in .tar files; `places` are where each lies: the file and the first byte."""

    places: list[tuple[str, int]] = field(default_factory=list)

    def taken(self, i: int) -> io.BytesIO:
        """The member that picture `i` is; see PackedSource."""
        path, start = self.places[i]
        try:
            with Path(path).open("rb") as file:
                file.seek(start)
                return io.BytesIO(file.read(self.items[i].size))
        except OSError as error:
            raise Undecodable(error.strerror or str(error), lasting=False) from None


def open_shards(paths: Sequence[Path], root: Path, name: str, wanted: PairWanted) -> Paired:
    """The pairs of some shards; a damaged shard is named, and what comes before the damage is kept. Raises ValueError."""
    items, places, captions, skipped = list[Item](), list[tuple[str, int]](), list[list[Caption]](), dict[str, str]()
    for path in sorted(paths):
        try:
            _read_shard(path, wanted, items=items, places=places, captions=captions, skipped=skipped)
        except (tarfile.TarError, OSError, EOFError) as error:
            skipped[path.name] = f"damaged or no .tar: {error}"
    if not items:
        told = "; ".join(f"{shard}: {why}" for shard, why in list(skipped.items())[:3])
        raise ValueError(f"{name} holds no pictures. Expected .tar shards with members such as 0001.jpg and 0001.txt. {told}")
    source = ShardSource(name, str(root.resolve()), items, skipped=skipped, places=places)
    return paired(source, captions, skipped=dict(skipped), notes={})


def _read_shard(
    path: Path,
    wanted: PairWanted,
    *,
    items: list[Item],
    places: list[tuple[str, int]],
    captions: list[list[Caption]],
    skipped: dict[str, str],
) -> None:
    """Members are in any order; a file of captions for no picture is passed over."""
    modified, begin = path.stat().st_mtime_ns, len(items)
    texts: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                suffix, key = suffix_of(member.name.rpartition("/")[2]), printable(f"{path.name}/{member.name.lstrip('./')}")
                if not member.isfile():
                    continue
                if suffix in SUFFIXES:
                    if member.size > MOST_BYTES:
                        skipped[key] = f"{member.size:,} bytes, more than a picture may have"
                        continue
                    items.append(Item(key, str(path), member.size, modified))
                    places.append((str(path), member.offset_data))
                elif suffix in CAPTIONS and member.size <= LONGEST:
                    file = archive.extractfile(member)
                    texts[key] = file.read() if file is not None else b""
    finally:
        stems = {stem_of(item.id) for item in items[begin:]}
        said: dict[str, list[Caption]] = {}
        for key, data in texts.items():
            stem, group = beside(stem_of(key), stems)
            try:
                if stem is not None:
                    said.setdefault(stem, []).extend(captions_in(data, key, group, wanted))
            except ValueError as error:
                skipped[key] = str(error)
        captions += [said.get(stem_of(item.id), []) for item in items[begin:]]
