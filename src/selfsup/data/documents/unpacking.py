"""The bytes of a file, unpacked where it is packed, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from selfsup.data.encodings import NoText

CHUNK = 1 << 20
_STEP = 1 << 12  # of a packed file, what comes out at once: of a damaged one, less than this is lost
_MARKS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_MOST_RATIO = 500  # times its size: text packs to a tenth, logs to a hundredth
_BOMB = 1 << 28


def read_chunks(path: str, moved: Callable[[int], None]) -> Iterator[bytes]:
    """What a file holds, about a megabyte at a time; `moved` is told the place in the file on disk.

    gzip and zstd are known by their first bytes, whatever the ending. Raises OSError, and NoText when unpacking fails, after all that came
    before has been given.
    """
    with Path(path).open("rb") as file:
        head = file.read(4)
        file.seek(0)
        packing = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if packing is not None:
            yield from _unpacked(file, packing, moved)
            return
        while chunk := file.read(CHUNK):
            moved(file.tell())
            yield chunk


def _unpacked(file: BinaryIO, packing: str, moved: Callable[[int], None]) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), packing)
    total, parts, size = 0, list[bytes](), 0
    while True:
        try:
            part = stream.read(_STEP)
        except OSError as error:  # pyarrow's word for damaged data, without a number
            if parts:
                yield b"".join(parts)
            raise NoText(f"damaged {packing} data ({str(error).lower()})") from None
        parts.append(part)
        size += len(part)
        if size < CHUNK and part:
            continue
        moved(file.tell())
        if size:
            yield b"".join(parts)
        if not part:
            return
        total += size
        if total > _BOMB and total > _MOST_RATIO * file.tell():
            raise NoText(f"refused: unpacks to more than {_MOST_RATIO} times its size")
        parts, size = [], 0
