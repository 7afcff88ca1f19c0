"""Pixels of pictures as their files mean them: depth, colours, orientation, size."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from caption_evaluation import images
from caption_evaluation.images import open_picture
from gegcore.errors import DataError

RAMP = np.tile(np.arange(256), (4, 1))
SHORT, LONG = 3, 4  # types of TIFF


def tiff(
    path: Path, pixels: np.ndarray, photometric: int = 1, bits: int = 0, planes: bool = False
) -> Path:
    """Uncompressed, with the byte order and type of the pixels `(H, W)` or `(3, H, W)`."""
    order = ">" if pixels.dtype.byteorder == ">" else "<"
    bits = bits or pixels.dtype.itemsize * 8
    height, width = pixels.shape[-2:]
    bands = list(pixels) if planes else [pixels]
    data = [pack12(band) if bits == 12 else band.tobytes() for band in bands]
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    rows: dict[int, tuple[int, list[int]]] = {
        256: (SHORT, [width]),
        257: (SHORT, [height]),
        258: (SHORT, [bits] * len(bands)),
        259: (SHORT, [1]),
        262: (SHORT, [photometric]),
        273: (LONG, [0] * len(bands)),
        277: (SHORT, [len(bands)]),
        278: (SHORT, [height]),
        279: (LONG, [*map(len, data)]),
        284: (SHORT, [2 if planes else 1]),
        339: (SHORT, [kind] * len(bands)),
    }
    after = 10 + 12 * len(rows) + 4
    sizes = [struct.calcsize("HI"[t - SHORT]) * len(v) for t, v in rows.values()]
    start = after + sum(size for size in sizes if size > 4)
    rows[273] = LONG, [start + sum(map(len, data[:number])) for number in range(len(data))]
    directory, extra = b"", b""
    for tag, (type_, values) in rows.items():
        packed = struct.pack(f"{order}{len(values)}{'HI'[type_ - SHORT]}", *values)
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack(f"{order}I", after + len(extra))
        directory += struct.pack(f"{order}HHI", tag, type_, len(values)) + packed.ljust(4, b"\0")
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HIH", 42, 8, len(rows))
    path.write_bytes(head + directory + bytes(4) + extra + b"".join(data))
    return path


def pack12(pixels: np.ndarray) -> bytes:
    pairs = pixels.reshape(-1, 2).astype(int)
    first, second = pairs[:, 0], pairs[:, 1]
    packed = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
    return np.stack(packed, 1).astype(np.uint8).tobytes()


def png(path: Path, kind: int, pixels: np.ndarray) -> Path:
    """16-bit PNG of a colour type: 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends)
    return path


def pgm(path: Path, highest: int) -> Path:
    values = (RAMP * highest // 255).astype(">u2").tobytes()
    path.write_bytes(f"P5 256 4 {highest}\n".encode() + values)
    return path


def saved(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


DEEP = RAMP * 257
GREY = {
    "16-bit PNG": lambda p: png(p, 0, DEEP),
    "16-bit TIFF": lambda p: tiff(p, DEEP.astype("<u2")),
    "16-bit TIFF, big-endian": lambda p: tiff(p, DEEP.astype(">u2")),
    "16-bit TIFF, white is zero": lambda p: tiff(p, 65535 - DEEP.astype("<u2"), photometric=0),
    "16-bit TIFF, LZW": lambda p: saved(p, DEEP.astype(np.uint16), compression="tiff_lzw"),
    "12-bit TIFF": lambda p: tiff(p, (RAMP * 4095 / 255).round().astype("<u2"), bits=12),
    "16-bit JPEG 2000": lambda p: saved(p, DEEP.astype(np.uint16), format="JPEG2000"),
    "PGM up to 65535": lambda p: pgm(p, 65535),
    "PGM up to 4095": lambda p: pgm(p, 4095),
    "int32": lambda p: tiff(p, DEEP.astype("<i4")),
    "int32, big-endian": lambda p: tiff(p, DEEP.astype(">i4")),
    "int32 of 8 bits": lambda p: tiff(p, RAMP.astype("<i4")),
    "int16 of 8 bits": lambda p: tiff(p, RAMP.astype("<i2")),
    "uint32": lambda p: tiff(p, DEEP.astype("<u4")),
    "floats up to 1": lambda p: tiff(p, (RAMP / 255).astype("<f4")),
    "floats up to 1, big-endian": lambda p: tiff(p, (RAMP / 255).astype(">f4")),
    "floats up to 1, white is zero": lambda p: tiff(p, 1 - (RAMP / 255).astype("<f4"), 0),
    "whole floats": lambda p: tiff(p, RAMP.astype("<f4")),
    "16-bit RGB PNG": lambda p: png(p, 2, np.stack([DEEP] * 3, -1)),
    "16-bit grey and alpha": lambda p: png(p, 4, np.stack([DEEP, DEEP], -1)),
    "16-bit RGB and alpha": lambda p: png(p, 6, np.stack([DEEP] * 4, -1)),
}


@pytest.mark.parametrize("kind", GREY)
def test_deep_pixels_are_scaled_to_8_bits(tmp_path: Path, kind: str) -> None:
    found = np.asarray(open_picture(GREY[kind](tmp_path / "x.tif")))
    assert found.dtype == np.uint8
    # PGM of another maximum is scaled twice, by Pillow and here.
    off = np.abs(found.astype(int) - RAMP[..., None]).max()
    assert off <= (1 if kind == "PGM up to 4095" else 0)


def test_a_dark_16_bit_picture_stays_dark(tmp_path: Path) -> None:
    assert np.asarray(open_picture(png(tmp_path / "x.png", 0, RAMP))).max() == 1


NOT_KNOWN = {
    "above 16 bits": (np.array([[0, 70000]], "<i4"), "grey from 0 to 70000"),
    "full 32 bits": (np.array([[0, 2**32 - 1]], "<u4"), "grey from -1 to 0"),
    "negative": (np.array([[-1, 5]], "<i4"), "grey from -1 to 5"),
    "signed 16 bits": (np.array([[0, 32767]], "<i2"), "grey from 0 to 32767"),
    "a little above 1": (np.array([[0, 1.01]], "<f4"), "grey from 0 to 1.01"),
    "negative float": (np.array([[-0.5, 1]], "<f4"), "grey from -0.5 to 1"),
    "NaN": (np.array([[0, np.nan]], "<f4"), "grey from nan to nan"),
    "infinite": (np.array([[0, np.inf]], "<f4"), "grey from 0 to inf"),
}


@pytest.mark.parametrize("kind", NOT_KNOWN)
def test_values_that_nobody_can_read_are_refused(tmp_path: Path, kind: str) -> None:
    pixels, said = NOT_KNOWN[kind]
    with pytest.raises(DataError, match=rf"x\.tif does not open as a picture: {said}"):
        open_picture(tiff(tmp_path / "x.tif", pixels))


def test_16_bit_planes_that_pillow_misreads_are_refused(tmp_path: Path) -> None:
    bands = np.stack([DEEP, DEEP[:, ::-1], DEEP])
    with pytest.raises(DataError, match="Pillow misreads uncompressed planes of 16 bits"):
        open_picture(tiff(tmp_path / "x.tif", bands.astype("<u2"), 2, planes=True))
    eight = tiff(tmp_path / "y.tif", (bands // 257).astype("u1"), 2, planes=True)
    assert np.asarray(open_picture(eight))[0, 3].tolist() == [3, 252, 3]


def test_colours_of_every_mode(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (16, 8), (200, 10, 20)), Image.new("RGB", (16, 8), (9, 8, 200))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    seen = red.convert("RGBA")
    seen.putalpha(0)
    palette = red.quantize(4)
    files: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "cmyk.jpg": (red.convert("CMYK"), {"quality": 100}),
        "ycc.jpg": (red, {"quality": 100}),
        "ycc.tif": (red.convert("YCbCr"), {}),
        "lab.tif": (lab, {}),
        "cmyk.tif": (red.convert("CMYK"), {}),
        "palette.png": (palette, {}),
        "palette-transparent.png": (palette, {"transparency": 0}),
        "palette-alpha.png": (palette, {"transparency": bytes(range(4))}),
        "alpha.png": (seen, {}),  # What is behind transparency stays, as in CLIP's own code.
        "transparent-colour.png": (red, {"transparency": (200, 10, 20)}),
        "alpha.tif": (seen, {}),
        "alpha.webp": (seen, {"lossless": True, "exact": True}),
        "animated.gif": (red, {"save_all": True, "append_images": [blue]}),
        "animated.png": (red, {"save_all": True, "append_images": [blue]}),
        "animated.webp": (red, {"save_all": True, "append_images": [blue], "lossless": True}),
        "pages.tif": (red, {"save_all": True, "append_images": [blue]}),
    }
    for name, (picture, options) in files.items():
        picture.save(tmp_path / name, **options)
        found = open_picture(tmp_path / name)
        assert (found.mode, found.size, found.info) == ("RGB", (16, 8), {}), name
        off = np.abs(np.asarray(found.resize((4, 4))).astype(int) - (200, 10, 20)).max()
        assert off <= 3, (name, found.getpixel((3, 3)))


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.png", np.array([[True, False]]))
    assert np.asarray(open_picture(path)).tolist() == [[[255] * 3, [0] * 3]]


ORDERS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x, -1),
}
"""EXIF orientation -> how a file so marked stores an upright picture."""


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", ORDERS)
def test_pictures_are_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    upright = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    stored = Image.fromarray(np.ascontiguousarray(ORDERS[orientation](upright)))
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(path := tmp_path / f"x.{ending}", exif=exif, lossless=True)
    assert np.array_equal(np.asarray(open_picture(path)), upright)


def test_a_jpeg_stored_sideways_is_upright_and_a_deep_one_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (16, 8)).save(path := tmp_path / "x.jpg", exif=exif)
    assert open_picture(path).size == (8, 16)
    Image.fromarray(DEEP.astype(np.uint16)).save(path := tmp_path / "x.png", exif=exif)
    assert np.asarray(open_picture(path))[:, 0, 0].tolist() == list(range(256))


@pytest.mark.parametrize("damage", [b"Exif\0\0", b"Exif\0\0XX*\0", b"Exif\0\0II*\0\xff\xff\xff"])
def test_damaged_exif_turns_nothing(tmp_path: Path, damage: bytes) -> None:
    Image.new("RGB", (16, 8), (0, 99, 0)).save(path := tmp_path / "x.jpg")
    content = path.read_bytes()
    segment = b"\xff\xe1" + struct.pack(">H", len(damage) + 2) + damage
    path.write_bytes(content[:2] + segment + content[2:])
    assert open_picture(path).size == (16, 8)


def test_pictures_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "x.png", np.zeros((1, 1001), np.uint8))
    with pytest.raises(DataError, match="1 x 1001 pixels, 0 megapixels: more than 100, or 1000"):
        open_picture(path)
    monkeypatch.setattr(images, "MAX_PIXELS", 2_000_000)
    path = saved(tmp_path / "y.png", np.zeros((1500, 2000), np.uint8))

    def refuse(*_: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", refuse)
    with pytest.raises(DataError, match="1500 x 2000 pixels, 3 megapixels: more than 2,"):
        open_picture(path)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header"])
def test_damaged_pictures_are_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>404</html>",
            "cut": content[: len(content) // 2],
            "header": content[:20] + b"\0" * 30 + content[50:],
        }[damage]
    )
    with pytest.raises(DataError, match=r"x\.png does not open as a picture"):
        open_picture(path)


def test_the_name_of_a_damaged_picture_cannot_steer_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2J\nx.png"
    path.write_bytes(b"no picture")
    with pytest.raises(DataError) as raised:
        open_picture(path)
    assert r"\x1b[2J\nx.png does not open" in raised.value.what
