"""The bytes of a file, unpacked where it is packed, a chunk at a time."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from selfsup.data.encodings import NoText

CHUNK = 1 << 20
_STEP = 1 << 14  # what comes out of a packed file at once: where it is damaged, less than this is lost
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MOST_RATIO = 500  # times its size: text packs to a tenth, logs to a hundredth
_BOMB = 1 << 28


def read_chunks(path: str, moved: Callable[[int], None]) -> Iterator[bytes]:
    """What a file holds, a megabyte at a time; `moved` is told the place in the file on disk.

    gzip and zstd are known by their first bytes, whatever the ending. Raises OSError, and NoText when unpacking fails, after all that came
    before has been given.
    """
    with Path(path).open("rb") as file:
        head, size = file.read(4), file.seek(0, os.SEEK_END)
        file.seek(0)
        if head.startswith(_GZIP):
            parts = _gunzipped(file)
        elif head == _ZSTD:
            parts = _unzstd(file)
        else:
            parts = iter(lambda: file.read(CHUNK), b"")
        total, held = 0, bytearray()
        try:
            for part in parts:
                held += part
                total += len(part)
                if len(held) >= CHUNK:
                    moved(size if file.closed else file.tell())  # pyarrow closes what it has read
                    yield bytes(held)
                    held.clear()
                if total > _BOMB and total > _MOST_RATIO * (size if file.closed else file.tell()):
                    raise NoText(f"refused: unpacks to more than {_MOST_RATIO} times its size")
        except NoText:
            if held:
                yield bytes(held)
            raise
        moved(size)
        if held:
            yield bytes(held)


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    """All members of a gzip file. By zlib, as pyarrow keeps back what came in one go with the damage."""
    unpacker = zlib.decompressobj(wbits=31)
    while packed := file.read(_STEP):
        while packed:
            if unpacker.eof:
                if not packed.startswith(_GZIP[: len(packed)]):
                    raise NoText("damaged gzip data (something else follows)")
                unpacker = zlib.decompressobj(wbits=31)
            try:
                yield unpacker.decompress(packed, _STEP)
            except zlib.error as error:
                raise NoText(f"damaged gzip data ({error})") from None
            packed = unpacker.unconsumed_tail or unpacker.unused_data
    if not unpacker.eof:
        yield unpacker.flush()
        raise NoText("damaged gzip data (it is cut off)")


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    import pyarrow as pa

    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    try:
        while part := stream.read(_STEP):
            yield part
    except OSError as error:  # pyarrow's word for damaged data
        raise NoText(f"damaged zstd data ({str(error).lower()})") from None
