"""One picture file to eight-bit pixels, as cheaply as its format allows, and never trusting the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from selfsup.data.dicom import Opened, probe_dicom, read_dicom
from selfsup.data.intensity import Pixels, Values, extremes, to_bytes
from selfsup.data.undecodable import MOST_PIXELS, Undecodable

SUFFIXES = frozenset(
    f".{ending}"
    for line in ("jpg jpeg jpe jfif mpo", "png webp tif tiff bmp dib gif jp2 avif", "ppm pgm pbm pnm", "dcm dicom ima")
    for ending in line.split()
)
# Only these are tried: some of Pillow's other formats (EPS) start programs.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF")
_ONE_AT_A_TIME = 50_000_000  # pixels: above it threads take turns, so that 64 of them do not need 64 times the memory
_LARGE = threading.Lock()
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4 A
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoded(NamedTuple):
    """Pixels, uint8 (H, W, C) with C = 1 or 3, upright, perhaps reduced; and the (height, width) the picture has in truth."""

    pixels: Pixels
    shape: tuple[int, int]


def decode(path: str | Path, *, side: int | None = None, channels: int | None = None) -> Decoded:
    """Read one picture file.

    `side`: stretch the picture to side x side pixels, antialiased; large JPEGs are then decoded at an 8th, 4th or half of their size.
    `channels`: 1 or 3; by default what the picture has. Transparent parts become white, EXIF orientation is applied, of several frames the
    first is taken, more than eight bits are scaled from the smallest to the largest value of the picture, DICOM by its window.
    Raises Undecodable, whatever the file holds.
    """
    with _explained(path), Path(path).open("rb") as file:
        return decode_file(file, path, side=side, channels=channels)


def decode_file(file: Opened, name: str | Path, *, side: int | None = None, channels: int | None = None) -> Decoded:
    """The same of an open file, such as one inside an archive, which is called `name`. Raises Undecodable."""
    with _explained(name):
        if _is_dicom(file):
            return finish(Image.fromarray(read_dicom(file)), side=side, channels=channels)
        with _open(file) as image:
            return _decode_opened(image, side=side, channels=channels)


def probe(path: str | Path) -> tuple[tuple[int, int], bool]:
    """The upright (height, width) of a picture and whether its format is grey, from the file's head alone. Raises Undecodable."""
    with _explained(path), Path(path).open("rb") as file:
        return probe_file(file, path)


def probe_file(file: Opened, name: str | Path) -> tuple[tuple[int, int], bool]:
    """The same of an open file. Raises Undecodable."""
    with _explained(name):
        if _is_dicom(file):
            return probe_dicom(file)
        with _open(file) as image:
            # Asked for its EXIF block, a PNG would be decoded to its end in search of one.
            shape = (image.height, image.width) if image.format == "PNG" and "exif" not in image.info else _upright_shape(image)
            return shape, image.mode in ("L", "LA", "1", "F") or image.mode.startswith("I")


@contextmanager
def _explained(path: str | Path) -> Iterator[None]:
    """Turn whatever a file makes a decoder raise into Undecodable."""
    try:
        yield
    except Undecodable:
        raise
    except UnidentifiedImageError:
        raise Undecodable(_unidentified(path)) from None
    except Image.DecompressionBombError as error:
        raise Undecodable(f"refused, too many pixels to be safe: {error}") from None
    except MemoryError:
        raise Undecodable("not enough memory to decode it", lasting=False) from None
    except OSError as error:  # with a number it comes from the file system, without one from a decoder
        raise Undecodable(error.strerror or str(error), lasting=error.errno is None) from None
    except Exception as error:  # a damaged file makes decoders raise anything: struct.error, IndexError, SyntaxError, ...
        raise Undecodable(f"damaged: {error or type(error).__name__}") from None


def suffix_of(name: str) -> str:
    """The ending of a file's name, in small letters: ".jpg", or "" (as pathlib has it, at a tenth of the time over a million files)."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""


def looks_like_picture(path: str) -> bool:
    """Whether a file's name says it is a picture; without a telling name (DICOM archives have many) its first bytes are asked."""
    suffix = suffix_of(path.replace("\\", "/").rpartition("/")[2])
    if suffix in SUFFIXES:
        return True
    if (suffix and not suffix[1:].isdigit()) or not Path(path).is_file():  # opening a pipe would wait for ever
        return False
    try:
        with Path(path).open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[128:] == b"DICM" or head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\x00", b"MM\x00*"))


def finish(image: Image.Image, *, side: int | None, channels: int | None, shape: tuple[int, int] | None = None) -> Decoded:
    """Make an opened picture upright, eight-bit, of `channels` channels and, if asked, side x side; `shape` as it was before reducing."""
    image.load()  # a PNG may tell its orientation after its pixels
    turn, shape = _UPRIGHT.get(_orientation(image)), shape or _upright_shape(image)
    image = _eight_bits(image)
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if side is not None:
        image = stretch(image, side)
    if turn is not None:
        image = image.transpose(turn)
    pixels = np.asarray(image)
    return Decoded(pixels if pixels.ndim == 3 else pixels[:, :, None], shape)


def stretch(image: Image.Image, side: int) -> Image.Image:
    """To one square. Bicubic over the whole area a pixel covers (so antialiased), after a box average down to 2 times the square."""
    if image.size == (side, side):
        return image
    return image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)


def from_array(values: Values, *, span: tuple[float, float], side: int | None, channels: int | None) -> Decoded:
    """One picture (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of any type, `span` telling black and white. Raises Undecodable."""
    if values.ndim not in (2, 3) or 0 in values.shape or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise Undecodable(f"an array of shape {values.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise Undecodable("holds NaN or infinite values")
    pixels = to_bytes(values, span)
    return finish(Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels), side=side, channels=channels)


def _open(file: Opened) -> Image.Image:
    image = Image.open(file, formats=FORMATS)
    if image.width * image.height > MOST_PIXELS:  # again, for whoever has switched Pillow's own check off
        raise Undecodable(f"refused, too many pixels to be safe: {image.width} x {image.height}, at most {MOST_PIXELS:,}")
    return image


def _decode_opened(image: Image.Image, *, side: int | None, channels: int | None) -> Decoded:
    shape = None
    if side is not None and image.format in ("JPEG", "MPO"):
        shape = _upright_shape(image)  # as it was before reducing
        image.draft("L" if channels == 1 else None, (side, side))
    with _LARGE if image.width * image.height > _ONE_AT_A_TIME else nullcontext():
        return finish(image, side=side, channels=channels, shape=shape)


def _eight_bits(image: Image.Image) -> Image.Image:
    """To mode L or RGB."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or ("transparency" in image.info and image.mode in ("1", "L", "P", "RGB")):
        image = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, (255, 255, 255))
        opaque.paste(image, mask=image.getchannel("A"))
        return opaque
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        low, high = extremes(values)
        if low == high:  # one even grey: nothing to scale by
            low, high = 0.0, 65535.0 if high > 255 else 255.0
        return Image.fromarray(to_bytes(values, (low, high)))
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block must not cost the picture
        return 1


def _upright_shape(image: Image.Image) -> tuple[int, int]:
    return (image.width, image.height) if _orientation(image) >= 5 else (image.height, image.width)


def _is_dicom(file: Opened) -> bool:
    head = file.read(132)
    file.seek(0)
    return head[128:] == b"DICM"


def _unidentified(path: str | Path) -> str:
    size = Path(path).stat().st_size if Path(path).is_file() else None
    if size is None:  # inside an archive
        return "no picture of a known format"
    if size == 0:
        return "the file is empty"
    if Path(path).suffix.lower() in (".dcm", ".dicom", ".ima"):
        return "no DICOM file: the letters DICM are missing at byte 128"
    return f"no picture of a known format ({size:,} bytes)"
