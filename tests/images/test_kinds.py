"""Kinds of files that programs write and other readers take: what they look like here."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from evoca.errors import EvocaError, ImageError
from evoca.images import ImageLimits, decode
from evoca.images.colour import IGNORED, MAX_PROFILE_BYTES
from samples import encode, mean_difference, photo, png_chunk, png_of, rgb_profile


def with_chunks(*chunks: tuple[bytes, bytes], pixels: np.ndarray | None = None) -> bytes:
    levels = np.asarray(photo()) if pixels is None else pixels
    before = b"".join(png_chunk(kind, body) for kind, body in chunks)
    colour = 2 if levels.ndim == 3 else 0
    depth = 16 if levels.dtype == np.uint16 else 8
    return png_of(levels, depth=depth, colour=colour, before=before)


# --- PNG: texts and profiles ---


@pytest.mark.parametrize(
    "chunk",
    [
        (b"tEXt", b"workflow\0" + b"x" * 3_000_000),
        (b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * 3_000_000)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 3_000_000),
    ],
    ids=["tEXt", "zTXt", "iTXt"],
)
def test_long_texts_do_not_matter(chunk: tuple[bytes, bytes]) -> None:
    decoded = decode(with_chunks(*[chunk] * 30))
    assert decoded.notes == ()
    assert mean_difference(decoded.image, photo()) == 0


def test_a_profile_of_megabytes_is_used_and_one_above_the_limit_noted() -> None:
    profile = rgb_profile("Display P3")
    long = profile[:128] + profile[128:] + bytes(3_000_000)
    long = struct.pack(">I", len(long)) + long[4:]
    short = decode(with_chunks((b"iCCP", b"p3\0\0" + zlib.compress(profile))))
    decoded = decode(with_chunks((b"iCCP", b"p3\0\0" + zlib.compress(long))))
    assert short.notes == decoded.notes == ()
    assert mean_difference(short.image, photo()) > 1
    assert mean_difference(decoded.image, short.image) == 0
    too_long = long + bytes(MAX_PROFILE_BYTES)
    decoded = decode(with_chunks((b"iCCP", b"p3\0\0" + zlib.compress(too_long))))
    assert decoded.notes == (IGNORED,)


# --- PNG: gAMA, cHRM and cICP ---


def srgb(light: float) -> int:
    coded = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return round(255 * coded)


def gamma_chunk(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


@pytest.mark.parametrize("gamma", [1.0, 0.55, 0.3])
@pytest.mark.parametrize("kind", ["rgb", "grey", "16-bit grey"])
def test_gamma_is_applied(gamma: float, kind: str) -> None:
    grey = np.array([[0, 32, 128, 255]], np.uint8)
    levels = {
        "rgb": np.dstack([grey] * 3),
        "grey": grey,
        "16-bit grey": grey.astype(np.uint16) * 257,
    }[kind]
    decoded = np.asarray(decode(with_chunks(gamma_chunk(gamma), pixels=levels)).image)
    expected = [srgb((level / 255) ** (1 / gamma)) for level in grey[0]]
    assert np.abs(decoded[0].astype(int) - np.array(expected)[:, None]).max() <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma_chunk(0.45455)],
        [gamma_chunk(1.0), (b"sRGB", b"\0")],
        [gamma_chunk(1.0), (b"cICP", bytes((1, 13, 0, 1)))],
        [(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
         gamma_chunk(0.45455)],
    ],
    ids=["of sRGB", "sRGB goes before", "cICP goes before", "primaries of sRGB"],
)  # fmt: skip
def test_what_says_srgb_changes_nothing(chunks: list[tuple[bytes, bytes]]) -> None:
    decoded = decode(with_chunks(*chunks))
    assert decoded.notes == ()
    assert mean_difference(decoded.image, photo()) == 0


def test_a_profile_goes_before_gamma() -> None:
    profile = (b"iCCP", b"p3\0\0" + zlib.compress(rgb_profile("Display P3")))
    both, alone = decode(with_chunks(profile, gamma_chunk(1.0))), decode(with_chunks(profile))
    assert mean_difference(both.image, alone.image) == 0


P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize(
    "chunks",
    [[(b"cICP", bytes((12, 4, 0, 1)))], [(b"cHRM", P3), gamma_chunk(1 / 2.2)]],
    ids=["cICP", "cHRM"],
)
def test_primaries_agree_with_those_of_a_profile(chunks: list[tuple[bytes, bytes]]) -> None:
    profile = (b"iCCP", b"p3\0\0" + zlib.compress(rgb_profile("Display P3")))
    ours, theirs = decode(with_chunks(*chunks)), decode(with_chunks(profile))
    assert ours.notes == ()
    assert mean_difference(theirs.image, photo()) > 1.5
    assert mean_difference(ours.image, theirs.image) < 1.0


def test_high_range_is_brought_to_paper_white_and_noted() -> None:
    # PQ: 203 cd/m2, the white of paper, stands at 58% (BT.2408).
    grey = np.dstack([np.array([[0, 148, 255]], np.uint8)] * 3)
    decoded = decode(with_chunks((b"cICP", bytes((9, 16, 0, 1))), pixels=grey))
    levels = np.asarray(decoded.image)[0, :, 0]
    assert levels[0] == 0
    assert levels[1] >= 252
    assert levels[2] == 255
    assert decoded.notes[0].startswith("high dynamic range")


@pytest.mark.parametrize(
    "chunk", [(b"cICP", bytes((200, 13, 0, 1))), (b"cICP", bytes((1, 13, 1, 0))), gamma_chunk(0)]
)
def test_what_is_not_understood_is_noted(chunk: tuple[bytes, bytes]) -> None:
    decoded = decode(with_chunks(chunk))
    assert decoded.notes[0].startswith("colour information ignored")
    assert mean_difference(decoded.image, photo()) == 0


def test_transparency_survives_the_colours() -> None:
    rgba = np.dstack([np.full((1, 2), 128), *[np.full((1, 2), 128)] * 2, [[0, 255]]])
    data = png_of(rgba, depth=8, colour=6, before=png_chunk(*gamma_chunk(1.0)))
    assert np.asarray(decode(data).image)[0, :, 0].tolist() == [255, srgb(128 / 255)]


# --- TIFF ---


def tiff(
    levels: bytes, *, bits: int, samples: int = 1, photometric: int = 1, kind: int = 1
) -> bytes:
    """A TIFF by hand, little-endian, of 4 x 1 pixels."""
    entries = [
        (256, 3, 1, 4), (257, 3, 1, 1), (258, 3, samples, bits), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, 0), (277, 3, 1, samples), (278, 3, 1, 1),
        (279, 4, 1, len(levels)), (339, 3, samples, kind),
    ]  # fmt: skip
    tables, body = 8 + 2 + 12 * len(entries) + 4, b""
    table = struct.pack("<H", len(entries))
    for tag, field, count, value in entries:
        if count > 2:
            body, value = body + struct.pack(f"<{count}H", *[value] * count), tables + len(body)
            field_type = "I"
        else:
            field_type = "H" if field == 3 else "I"
        if tag == 273:
            value = -1
        raw = struct.pack(f"<{field_type}", value) if value >= 0 else b"WAIT"
        table += struct.pack("<HHI", tag, field, count) + raw.ljust(4, b"\0")
    start = tables + len(body)
    table = table.replace(b"WAIT", struct.pack("<I", start))
    return b"II*\0\x08\0\0\0" + table + bytes(4) + body + levels


SIXTEEN = np.array([0, 20000, 40000, 65535], "<u2").tobytes()


@pytest.mark.parametrize("kind", [1, 2])
def test_32_bit_grey_has_a_sign_or_none(kind: int) -> None:
    """What lies above 2^31 was taken for negative, and black."""
    top = (2**32 - 1) if kind == 1 else (2**31 - 1)
    levels = np.array([0, 0.25, 0.5, 1]) * top
    stored = levels.astype(np.uint32 if kind == 1 else np.int32)
    decoded = np.asarray(decode(tiff(stored.tobytes(), bits=32, kind=kind)).image)
    assert np.abs(decoded[0, :, 0] - np.array([0, 64, 128, 255])).max() <= 1


def test_twelve_bits_are_scaled_by_their_own_range() -> None:
    values = [0, 1365, 2730, 4095]
    packed = "".join(f"{value:012b}" for value in values)
    levels = int(packed, 2).to_bytes(6, "big")
    grey = np.asarray(decode(tiff(levels, bits=12)).image)[0, :, 0]
    assert grey.tolist() == [0, 85, 170, 255]


def test_white_may_be_zero() -> None:
    straight = np.asarray(decode(tiff(SIXTEEN, bits=16)).image)[0, :, 0]
    inverted = np.asarray(decode(tiff(SIXTEEN, bits=16, photometric=0)).image)[0, :, 0]
    assert straight.tolist() == [0, 78, 156, 255]
    assert np.abs(inverted.astype(int) - (255 - straight.astype(int))).max() <= 1


def test_floating_point_colours_are_refused_by_name() -> None:
    levels = np.zeros(12, "<f4").tobytes()
    with pytest.raises(ImageError, match="a TIFF of 3 x 32-bit floating-point samples, which"):
        decode(tiff(levels, bits=32, samples=3, photometric=2, kind=3))


# --- BMP ---


def bmp(alpha: list[int]) -> bytes:
    """A BMP of 2 x 1 red pixels with masks for four channels (BITMAPV4HEADER)."""
    pixels = b"".join(bytes((0, 0, 255, a)) for a in alpha)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, 2, 1, 1, 32, 3, len(pixels), 0, 0, 0, 0) + masks
    info = info.ljust(108, b"\0")
    start = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + info + pixels


def test_unused_alpha_of_a_bmp_is_not_transparency() -> None:
    assert np.asarray(decode(bmp([0, 0])).image)[0].tolist() == [[255, 0, 0]] * 2
    assert np.asarray(decode(bmp([0, 255])).image)[0].tolist() == [[255] * 3, [255, 0, 0]]


# --- what costs far more than it weighs ---


def test_numbers_as_text_are_no_picture_here() -> None:
    with pytest.raises(ImageError, match="not an image in a known format"):
        decode(b"P3 1 1 255 255 0 0\n")
    with pytest.raises(ImageError, match="longer than 4 kB"):
        decode(b"P6 #" + b"x" * 5000 + b"\n1 1 255 abc")
    assert decode(b"P6 # a comment\n1 1 255 abc").size == (1, 1)


def test_comments_of_a_gif_are_left_out() -> None:
    data = encode(photo(), "GIF")
    first = data.index(b"\x2c\0\0\0\0")
    comments = (b"\x21\xfe\x01a\0") * 50_000
    plain, commented = decode(data), decode(data[:first] + comments + data[first:])
    assert mean_difference(plain.image, commented.image) == 0
    with pytest.raises(ImageError, match="more than 500,000 blocks"):
        decode(data[:first] + comments * 11 + data[first:])


ANIMATED = {"save_all": True, "append_images": [Image.new("RGB", (600, 600), "red")]}


def test_what_is_costly_to_decode_has_a_lower_limit() -> None:
    limits = ImageLimits(max_pixels=1_000_000)
    with pytest.raises(ImageError, match="The limit is 250,000 pixels"):
        decode(encode(Image.new("L", (600, 600)), "JPEG2000"), limits=limits)
    for options in ({}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, ANIMATED):
        webp = encode(Image.new("RGB", (600, 600)), "WEBP", lossless=True, **options)
        with pytest.raises(ImageError, match="The limit is 250,000 pixels"):
            decode(webp, limits=limits)
    assert decode(encode(photo("china", (600, 600)), "WEBP"), limits=limits).size == (600, 600)
    info = struct.pack("<IiiHHIIiiII", 40, 300, 300, 1, 8, 1, 2, 0, 0, 256, 256) + bytes(1024)
    run_length = b"BM" + struct.pack("<IHHI", 1080, 0, 0, 1078) + info + b"\0\1"
    with pytest.raises(ImageError, match="The limit is 40,000 pixels"):
        decode(run_length, limits=limits)


# --- large photographs ---


def test_of_a_jpeg_the_pixels_that_are_decoded_count() -> None:
    limits = ImageLimits(max_pixels=100_000)
    data = encode(photo("china", (600, 400)), "JPEG")
    assert decode(data, min_size=(150, 100), limits=limits).image.size == (150, 100)
    with pytest.raises(ImageError, match=r"600 x 400 pixels.*The limit is 100,000"):
        decode(data, limits=limits)
    with pytest.raises(ImageError, match=r"900 x 600 pixels.*The limit is 400,000"):
        decode(encode(photo("china", (900, 600)), "JPEG"), min_size=(9, 6), limits=limits)
    progressive = encode(photo("china", (600, 400)), "JPEG", progressive=True)
    with pytest.raises(ImageError, match=r"600 x 400 pixels.*The limit is 100,000"):
        decode(progressive, min_size=(150, 100), limits=limits)


def test_a_photograph_of_200_megapixels_is_read() -> None:
    data = encode(Image.new("L", (16_320, 12_240), 90), "JPEG", quality=30)
    decoded = decode(data, min_size=(640, 640))
    assert decoded.size == (16_320, 12_240)
    assert decoded.image.size == (2040, 1530)
    assert decoded.notes == ()


def test_the_environment_lifts_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOCA_MAX_PIXELS", "6143")
    with pytest.raises(ImageError, match="raise EVOCA_MAX_PIXELS"):
        decode(encode(photo(), "PNG"))
    monkeypatch.setenv("EVOCA_MAX_PIXELS", "6144")
    assert decode(encode(photo(), "PNG")).size == (96, 64)
    monkeypatch.setenv("EVOCA_MAX_PIXELS", "many")
    with pytest.raises(EvocaError, match="EVOCA_MAX_PIXELS=many: not a number of pixels"):
        ImageLimits()
