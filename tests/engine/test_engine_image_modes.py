"""Every mode that PIL opens is read with the right brightness, or refused with the file's name."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from dassl.utils import read_image

COLOR, GREY = (200, 100, 50), (128, 128, 128)


def plain(mode: str) -> Image.Image:
    """A picture of one colour in a mode of 8 bits."""
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
        return ImageCms.applyTransform(Image.new("RGB", (8, 8), COLOR), transform)
    if mode in ("1", "L", "LA"):
        return Image.new("L", (8, 8), 128).convert(mode)
    return Image.new("RGB", (8, 8), COLOR).convert(mode)


def mean_of(path) -> list[float]:
    image = read_image(str(path))
    assert image.mode == "RGB"
    return np.asarray(image).reshape(-1, 3).mean(0).tolist()


@pytest.mark.parametrize(
    ("mode", "suffix", "expected", "tolerance"),
    [
        ("1", "png", GREY, 1),  # 32 of 64 pixels are white
        ("1", "tif", GREY, 1),
        ("L", "png", GREY, 0),
        ("L", "jpg", GREY, 0),
        ("LA", "png", GREY, 0),
        ("P", "gif", COLOR, 3),  # a palette's nearest colour
        ("P", "png", COLOR, 3),
        ("PA", "tif", COLOR, 3),
        ("RGB", "bmp", COLOR, 0),
        ("RGB", "ppm", COLOR, 0),
        ("RGBA", "png", COLOR, 0),
        ("RGBA", "webp", COLOR, 2),
        ("CMYK", "jpg", COLOR, 1),
        ("CMYK", "tif", COLOR, 1),
        ("LAB", "tif", COLOR, 1),
    ],
)
def test_modes_of_eight_bits(tmp_path, mode, suffix, expected, tolerance):
    path = tmp_path / f"a.{suffix}"
    plain(mode).save(path)
    with Image.open(path) as image:
        # What tells transparent from opaque is left out by these formats, a palette is made.
        assert image.mode == {"webp": "RGB", "gif": "P"}.get(suffix, mode)
        converted = np.asarray(image.convert("RGB"))
    assert mean_of(path) == pytest.approx(expected, abs=tolerance)
    assert (np.asarray(read_image(str(path))) == converted).all()


@pytest.mark.parametrize("mode", ["RGBX", "RGBa", "HSV", "YCbCr", "La", "I;16L"])
def test_modes_that_no_writer_of_pil_makes(tmp_path, monkeypatch, mode):
    """A format may open in them all the same."""
    alpha = (
        Image.new("LA", (8, 8), (128, 255)) if mode == "La" else Image.new("RGBA", (8, 8), COLOR)
    )
    if mode == "I;16L":
        opened = Image.frombytes(mode, (8, 8), struct.pack("<64H", *[32896] * 64))
    else:
        opened = (alpha if mode in ("La", "RGBa") else plain("RGB")).convert(mode)
    monkeypatch.setattr(Image, "open", lambda path: opened)
    expected = GREY if mode in ("La", "I;16L") else COLOR
    assert mean_of(tmp_path / "any") == pytest.approx(expected, abs=1)


def test_transparent_pixels_keep_their_color(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (*COLOR, 0)
    pixels[4:] = (0, 0, 250, 255)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    image.convert("RGB").quantize(4).save(tmp_path / "b.png", transparency=bytes([0, 128]))
    image.convert("RGB").quantize(4).save(tmp_path / "c.gif", transparency=0)
    image.convert("RGB").save(tmp_path / "d.png", transparency=COLOR)
    for name in ("a.png", "b.png", "c.gif", "d.png"):
        assert mean_of(tmp_path / name) == [100, 50, 150], name


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("I;16", "png"), ("I;16", "tif"), ("I;16B", "tif"), ("I;16", "jp2"), ("I;16B", "pgm")],
)
def test_sixteen_bits(tmp_path, mode, suffix):
    # 257 steps of 65,535 are one of 255; what lies between is cut off, neither rounded nor >> 8.
    expected = {0: 0, 256: 0, 257: 1, 513: 1, 25700: 100, 32895: 127, 65534: 254, 65535: 255}
    levels = np.repeat(list(expected), 32).astype(">u2" if mode == "I;16B" else "<u2")
    path = tmp_path / f"a.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 16 16 65535 " + levels.tobytes())
    else:
        Image.frombytes(mode, (16, 16), levels.tobytes()).save(path)
    found = np.asarray(read_image(str(path)))[..., 0].reshape(-1, 32)
    assert found.tolist() == [[level] * 32 for level in expected.values()]


def test_sixteen_bits_of_pgm_that_end_earlier(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 1000 " + struct.pack(">2H", 1000, 500))
    assert np.asarray(read_image(str(tmp_path / "a.pgm")))[0, :, 0].tolist() == [255, 127]


def test_what_tiff_says_of_its_integers(tmp_path):
    """12 bits a pixel, and white as 0."""
    values = np.full((8, 8), 0xFFFF, "<u2")
    values[4:] = 0
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path, tiffinfo={262: 0})
    assert np.asarray(read_image(str(path)))[[0, 7], 0, 0].tolist() == [0, 255]
    packed = bytes([0x80, 0x0F, 0xFF]) * 32  # 2048 and 4095 in 12 bits each
    tags = [(256, 3, 8), (257, 3, 8), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 3, 8), (279, 4, len(packed))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    header = b"II*\0" + struct.pack("<I", 8 + len(packed))
    path.write_bytes(header + packed + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert np.asarray(read_image(str(path)))[0, :2, 0].tolist() == [2048 * 255 // 4095, 255]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ((0, 0.25, 0.5, 1), np.float32, [0, 64, 128, 255]),
        ((0.25, 0.5, 0.5, 0.5), np.float32, [64, 128, 128, 128]),  # no stretching
        ((0, 63.6, 128, 255), np.float32, [0, 64, 128, 255]),
        ((0, 64, 16, 3), np.float32, [0, 64, 16, 3]),
        ((0, 0, 0, 0), np.float32, [0, 0, 0, 0]),
        ((0, 64, 128, 255), np.int32, [0, 64, 128, 255]),
        ((0, 1, 1, 0), np.int32, [0, 1, 1, 0]),
    ],
)
def test_32_bits_keep_one_scale(tmp_path, values, kind, expected):
    has_float_maps = kind is np.float32 and ".pfm" in Image.registered_extensions()
    for suffix in ("tif", "pfm") if has_float_maps else ("tif",):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(np.array(values, kind).reshape(2, 2)).save(path)
        assert np.asarray(read_image(str(path)))[..., 0].ravel().tolist() == expected, suffix


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ((0, 0, 1, 1), np.float32, "floats are 0 and 1 alone, .* two blacks. Save it with 8"),
        ((0, 0.5, 1.02, 1), np.float32, r"floats are 0 to 1\.02; .* or 0 to 255 with one of 16"),
        ((-0.5, 0.5, 1, 1), np.float32, "floats are -0.5 to 1"),
        ((0, 1, 2, float("nan")), np.float32, "floats are nan to nan"),
        ((0, 1000, 4095, 2), np.float32, "floats are 0 to 4095; .* Save it with 8 or 16 bits"),
        ((0, 256, 3, 4), np.int32, "integers are 0 to 256; .* known only for 0 to 255. Save it"),
        ((-1, 200, 3, 4), np.int32, "integers are -1 to 200"),
        ((0, 70000, 3, 4), np.int32, "integers are 0 to 70000"),
    ],
)
def test_32_bits_of_unknown_brightness_are_refused(tmp_path, values, kind, message):
    Image.fromarray(np.array(values, kind).reshape(2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(OSError, match=f'Cannot read image ".*a.tif": its {message}'):
        read_image(str(tmp_path / "a.tif"))
