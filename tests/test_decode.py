"""Decoding: every kind of picture against what its file was made from, and files that are no pictures."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from picture_files import Array, encoded, png_that_claims, save, scene
from selfsup.data.decode import decode, looks_like_picture, probe
from selfsup.data.dicom import window
from selfsup.data.intensity import to_bytes, value_range
from selfsup.data.undecodable import Undecodable

GREY = scene()[:, :, 0]


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


@pytest.mark.parametrize(
    ("ending", "exact"), [("png", True), ("bmp", True), ("tif", True), ("gif", False), ("jpg", False), ("webp", False)]
)
@pytest.mark.parametrize("pixels", [scene(), GREY], ids=["colour", "grey"])
def test_formats(tmp_path: Path, ending: str, exact: bool, pixels: Array) -> None:
    decoded = decode(save(tmp_path / f"a.{ending}", pixels), channels=3 if pixels.ndim == 3 else 1)
    assert decoded.shape == (40, 60)
    expected = pixels if pixels.ndim == 3 else pixels[:, :, None]
    assert difference(decoded.pixels, expected) <= (0 if exact else 6)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_keep_their_levels(tmp_path: Path, ending: str) -> None:
    """Twelve bits in sixteen: 1,000 levels must not become 4."""
    values = np.linspace(1000, 2000, 40 * 60).reshape(40, 60).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    decoded = decode(tmp_path / f"a.{ending}").pixels[:, :, 0]
    assert np.array_equal(decoded, np.rint((values.astype(float) - 1000) / 1000 * 255))
    assert len(np.unique(decoded)) == 256


def test_sixteen_bits_with_transparency(tmp_path: Path) -> None:
    Image.fromarray((GREY * 200).astype(np.uint16)).save(tmp_path / "a.png", transparency=7)
    assert decode(tmp_path / "a.png", side=8).pixels.shape == (8, 8, 1)


def test_floats_and_even_grey(tmp_path: Path) -> None:
    values = np.linspace(-3.0, 5.0, 100, dtype=np.float32).reshape(10, 10)
    values[0, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    decoded = decode(tmp_path / "a.tif").pixels[:, :, 0]
    assert decoded[0, 0] == 0
    assert decoded[-1, -1] == 255
    Image.fromarray(np.full((5, 5), 32768, np.uint16)).save(tmp_path / "b.png")
    assert set(decode(tmp_path / "b.png").pixels.ravel()) == {128}
    Image.fromarray(np.full((5, 5), np.nan, np.float32)).save(tmp_path / "c.tif")
    with pytest.raises(Undecodable, match="no finite"):
        decode(tmp_path / "c.tif")


def test_transparency_becomes_white(tmp_path: Path) -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:20] = 255
    alpha[30:] = 128
    save(tmp_path / "rgba.png", np.dstack([scene(), alpha]))
    Image.fromarray(np.dstack([GREY, alpha])).save(tmp_path / "la.png")
    for name, original in (("rgba.png", scene()), ("la.png", np.dstack([GREY] * 3))):
        decoded = decode(tmp_path / name).pixels
        assert np.array_equal(decoded[:20], original[:20])
        assert (decoded[20:30] == 255).all()
        mixed = original[30:] * (128 / 255) + 255 * (127 / 255)
        assert np.abs(decoded[30:] - mixed).max() <= 1


def test_palettes(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    palette.putdata([0, 1, 2, 3])
    palette.save(tmp_path / "plain.png")
    palette.save(tmp_path / "clear.png", transparency=bytes([255, 0, 255, 255]))
    plain = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]
    assert decode(tmp_path / "plain.png").pixels[0].tolist() == plain
    assert decode(tmp_path / "clear.png").pixels[0].tolist() == [plain[0], [255, 255, 255], *plain[2:]]
    Image.fromarray(GREY > 100).save(tmp_path / "bits.png")
    assert np.array_equal(decode(tmp_path / "bits.png").pixels[:, :, 0], (GREY > 100) * 255)


def test_cmyk(tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "a.tif")
    for name in ("a.jpg", "a.tif"):
        decoded = decode(tmp_path / name, side=None)
        assert decoded.pixels.shape == (40, 60, 3)
        assert difference(decoded.pixels, scene()) < 3
    assert decode(tmp_path / "a.jpg", side=8, channels=1).pixels.shape == (8, 8, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", scene(400, 600), exif=exif, quality=95)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    whole, reduced = decode(path), decode(path, side=32)
    assert np.array_equal(whole.pixels, np.asarray(upright))
    assert whole.shape == reduced.shape == (upright.height, upright.width)
    assert probe(path) == (whole.shape, False)
    turned = decode(save(tmp_path / "a.png", scene(), exif=exif))
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(turned.pixels, np.asarray(ImageOps.exif_transpose(image)))
    assert turned.shape == turned.pixels.shape[:2]
    expected = upright.resize((32, 32), Image.Resampling.BICUBIC)
    assert difference(reduced.pixels, np.asarray(expected)) < 2


def test_gif_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((6, 6, 3), value, np.uint8)) for value in (255, 0)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (decode(tmp_path / "a.gif", channels=3).pixels == 255).all()


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_reducing_is_antialiased(tmp_path: Path, ending: str) -> None:
    """A board of single black and white pixels has no picture at a 25th of its size but grey."""
    board = (np.indices((800, 1600)).sum(0) % 2 * 255).astype(np.uint8)
    decoded = decode(save(tmp_path / f"a.{ending}", board), side=32)
    assert decoded.shape == (800, 1600)
    assert decoded.pixels.shape == (32, 32, 1)
    assert np.abs(decoded.pixels.astype(float) - 127.5).max() < 4


def test_reduced_decoding_is_near_the_whole(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", scene(900, 1300), quality=92)
    with Image.open(path) as image:
        whole = np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC))
    assert difference(decode(path, side=64).pixels, whole) < 1.5
    luminance = np.asarray(Image.fromarray(whole).convert("L"))[:, :, None]
    assert difference(decode(path, side=64, channels=1).pixels, luminance) < 1.5


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    assert decode(save(tmp_path / "a.png", scene(3, 5)), side=16).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("size", [(20_000, 20_000), (1, 1_000_000_000)])
def test_bombs_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_claims(*size))
    with pytest.raises(Undecodable, match="too many pixels"):
        decode(tmp_path / "bomb.png", side=32)


def test_bombs_are_refused_without_pillows_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(png_that_claims(20_000, 20_000))
    with pytest.raises(Undecodable, match="20000 x 20000"):
        decode(tmp_path / "bomb.png", side=32)


def test_what_is_no_picture(tmp_path: Path) -> None:
    contents = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"to be or not to be\n" * 20, "no picture of a known format"),
        "page.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known format"),
        "half.jpg": (encoded(scene(200, 200), "JPEG")[:900], "truncated"),
        "half.png": (encoded(scene(200, 200), "PNG")[:900], "truncated|broken|damaged"),
        "a.dcm": (b"no picture", "DICM"),
    }
    for name, (content, words) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Undecodable, match=words) as caught:
            decode(tmp_path / name, side=16)
        assert caught.value.lasting, name


def test_locked_files_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Undecodable, match="No such file") as caught:
        decode(tmp_path / "gone.jpg")
    assert not caught.value.lasting

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.png", scene())
    monkeypatch.setattr(Path, "open", refuse)  # root may read every file, so permissions alone show nothing there
    with pytest.raises(Undecodable, match="Permission denied") as caught:
        decode(path)
    assert not caught.value.lasting


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "DICOM"])
def test_damage_never_raises_anything_else(tmp_path: Path, kind: str) -> None:
    """Bytes overwritten, cut off and doubled at random places: pixels or Undecodable, never another error."""
    chance = random.Random(kind)
    whole = _dicom(tmp_path, np.arange(600, dtype=np.uint16).reshape(20, 30)) if kind == "DICOM" else encoded(scene(), kind)
    path = tmp_path / "damaged.jpg"
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            content[chance.randrange(min(len(content), 400)) if chance.random() < 0.7 else chance.randrange(len(content))] = (
                chance.randrange(256)
            )
        path.write_bytes(bytes(content[: chance.randrange(len(content))] if chance.random() < 0.3 else content))
        with suppress(Undecodable):
            assert decode(path, side=16, channels=1).pixels.shape == (16, 16, 1)


def test_names_of_pictures(tmp_path: Path) -> None:
    assert looks_like_picture("a/b.JPG")
    assert looks_like_picture("C:\\x\\b.Tiff")
    assert not looks_like_picture("a/b.txt")
    assert not looks_like_picture("jpg")
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "1.2.840.5").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "README").write_text("no picture")
    assert looks_like_picture(str(tmp_path / "IM0001"))
    assert looks_like_picture(str(tmp_path / "1.2.840.5"))
    assert not looks_like_picture(str(tmp_path / "README"))


def _dicom(folder: Path, values: NDArray[np.generic], **tags: object) -> bytes:
    """The bytes of a DICOM file with these stored values."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(folder / "x.dcm"), {}, file_meta=meta, preamble=bytes(128))
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 1 if values.ndim == 2 else 3
    dataset.BitsAllocated = dataset.BitsStored = values.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    dataset.PhotometricInterpretation = "MONOCHROME2" if values.ndim == 2 else "RGB"
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(folder / "x.dcm", enforce_file_format=True)
    return (folder / "x.dcm").read_bytes()


def test_dicom_rescale_and_window(tmp_path: Path) -> None:
    """Stored 0..2399 with slope 1 and intercept -1024; window 40 +- 200 as in a viewer for soft tissue."""
    stored = np.arange(2400, dtype=np.int16).reshape(40, 60)
    _dicom(tmp_path, stored, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=[40, 500], WindowWidth=[400, 2000])
    decoded = decode(tmp_path / "x.dcm")
    units = stored.astype(float) - 1024
    expected = np.clip(((units - (40 - 0.5)) / (400 - 1) + 0.5) * 255, 0, 255)  # DICOM PS3.3 C.11.2.1.2.1, written as printed there
    assert np.abs(decoded.pixels[:, :, 0] - expected).max() <= 0.5001
    assert probe(tmp_path / "x.dcm") == ((40, 60), True)
    assert decode(tmp_path / "x.dcm", side=16, channels=3).pixels.shape == (16, 16, 3)


def test_dicom_without_window_and_inverted(tmp_path: Path) -> None:
    stored = np.linspace(100, 900, 600).astype(np.uint16).reshape(20, 30)
    plain = _decoded(tmp_path, stored)
    assert (plain.min(), plain.max()) == (0, 255)
    assert np.array_equal(_decoded(tmp_path, stored, PhotometricInterpretation="MONOCHROME1"), 255 - plain)
    colour = scene(20, 30)
    assert np.array_equal(_decoded(tmp_path, colour), colour)


def _decoded(folder: Path, stored: NDArray[np.generic], **tags: object) -> Array:
    _dicom(folder, stored, **tags)
    pixels = decode(folder / "x.dcm").pixels
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def test_dicom_window_agrees_with_pydicom() -> None:
    from pydicom import Dataset
    from pydicom.pixels.processing import apply_windowing

    dataset = Dataset()
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", 8, 0
    values = np.arange(256, dtype=np.uint8)
    for center, width in ((100, 50), (128.5, 256), (30, 2)):
        dataset.WindowCenter, dataset.WindowWidth = center, width
        ours = window(values.astype(np.int16), center=center, width=width)
        assert np.abs(ours - apply_windowing(values, dataset)).max() <= 1


def test_dicom_bombs_and_reports(tmp_path: Path) -> None:
    _dicom(tmp_path, np.zeros((4, 4), np.uint8), Rows=60_000, Columns=60_000)
    with pytest.raises(Undecodable, match="too many pixels"):
        decode(tmp_path / "x.dcm", side=16)


def test_value_ranges() -> None:
    assert value_range(np.array([0, 255], np.uint8)) == (0, 255)
    assert value_range(np.array([0, 200], np.int64)) == (0, 255)
    assert value_range(np.array([0.0, 0.7])) == (0, 1)
    assert value_range(np.array([-0.9, 0.7])) == (-1, 1)
    assert value_range(np.array([0.0, 254.0])) == (0, 255)
    assert value_range(np.array([0.0, 30.0])) == (0, 30)
    assert value_range(np.array([100, 4095], np.uint16)) == (100, 4095)
    assert to_bytes(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), (0, 1)).tolist() == [0, 0, 128, 255, 255]
