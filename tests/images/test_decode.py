"""Bytes to upright RGB: every kind of file, and every kind of refusal."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import samples
from evoca.errors import ImageError
from evoca.images import ImageLimits, decode
from evoca.images.colour import IGNORED
from evoca.images.decode import decode_picture
from samples import as_stored, encode, exif, mean_difference, photo, png, png_chunk, png_of

GREY = {"jpeg grey", "png grey", "pgm", "tiff float"}
BILEVEL = {"png bilevel", "pbm"}
ANIMATED = {"png animated", "gif animated", "webp animated", "avif animated"}
ALPHA = {"png alpha", "webp lossless"}


def refused(data: bytes, reason: str, **options: object) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        decode(data, **options)  # type: ignore[arg-type]
    assert str(caught.value).isprintable()


# --- what is decoded ---


@pytest.mark.parametrize("kind", samples.one_of_each())
def test_every_kind_gives_the_same_upright_rgb_picture(kind: str) -> None:
    decoded = decode(samples.one_of_each()[kind])
    expected = photo()
    if kind == "jpeg exif":
        expected = expected.transpose(Image.Transpose.ROTATE_270)
    if kind in GREY | BILEVEL:
        expected = expected.convert("L").convert("RGB")
    if kind in ALPHA:
        white = Image.new("RGB", expected.size, "white")
        white.paste(expected, mask=expected.convert("L"))
        expected = white
    assert decoded.image.mode == "RGB"
    assert decoded.size == decoded.image.size == expected.size
    if kind in BILEVEL:  # dithered: right on the whole, not pixel by pixel
        small = (12, 8)
        assert mean_difference(decoded.image.resize(small), expected.resize(small)) < 16
    else:
        assert mean_difference(decoded.image, expected) < 8


@pytest.mark.parametrize("kind", samples.one_of_each())
def test_only_what_has_more_frames_carries_a_note(kind: str) -> None:
    note = ("animated: first frame",) if kind in ANIMATED else ()
    note = ("several pages: first page",) if kind == "tiff pages" else note
    assert decode(samples.one_of_each()[kind]).notes == note


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_one_pixel(image_format: str) -> None:
    decoded = decode(encode(Image.new("RGB", (1, 1), "red"), image_format), min_size=(448, 448))
    assert decoded.size == (1, 1)
    assert mean_difference(decoded.image, Image.new("RGB", (1, 1), "red")) < 4


@pytest.mark.parametrize("value", [0, 128, 255, 0x8080, 0xFFFF])
@pytest.mark.parametrize("kind", ["png grey", "png rgb", "pgm", "tiff", "jpeg 2000"])
def test_sixteen_bits_are_scaled_by_their_own_range(kind: str, value: int) -> None:
    grey = np.full((4, 6), value, np.uint16)
    picture = Image.fromarray(grey).convert("I;16")
    data = {
        "png grey": png_of(grey, depth=16, colour=0),
        "png rgb": png_of(np.dstack([grey] * 3), depth=16, colour=2),
        "pgm": b"P5 6 4 65535\n" + grey.astype(">u2").tobytes(),
        "tiff": encode(picture, "TIFF"),
        "jpeg 2000": encode(picture, "JPEG2000"),
    }[kind]
    levels = np.asarray(decode(data).image)
    assert abs(int(levels.max()) - round(value / 257)) <= 1
    assert levels.min() == levels.max()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 0.5, 1.05], [0, 128, 255]),  # the overshoot of a filter
        ([-0.2, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 32896.0, 65535.0], [0, 128, 255]),
        ([0.0, 1.5e6, 2e6], [0, 191, 255]),
        ([float("nan"), 0.5, 1.0], [0, 128, 255]),
        ([0.0, 0.5, float("inf")], [0, 128, 255]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
        ([float("-inf"), 1e-45, 3e38], [0, 0, 255]),
    ],
)
def test_floating_point_is_scaled_by_the_range_it_uses(
    stored: list[float], expected: list[int]
) -> None:
    data = encode(Image.fromarray(np.array([stored], np.float32)), "TIFF")
    assert np.asarray(decode(data).image)[0, :, 0].tolist() == expected


def test_cmyk_of_adobe_is_stored_inverted() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    data = encode(red, "JPEG", quality=95)
    assert b"Adobe" in data
    assert mean_difference(decode(data).image, Image.new("RGB", (16, 16), "red")) < 4


def _two_pixels_one_transparent() -> dict[str, bytes]:
    """A transparent pixel and an opaque one, both black."""
    rgba = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    rgba.putpixel((1, 0), (0, 0, 0, 255))
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([0] * 6)
    palette.putpixel((1, 0), 1)
    grey = np.array([[7, 0]])
    return {
        "RGBA": encode(rgba, "PNG"),
        "LA": encode(rgba.convert("LA"), "PNG"),
        "palette, one index": encode(palette, "PNG", transparency=0),
        "palette, a table": encode(palette, "PNG", transparency=b"\x00\xff"),
        "RGB with a key": png_of(
            np.dstack([grey] * 3), depth=8, colour=2, before=png_chunk(b"tRNS", b"\0\7" * 3)
        ),
        "grey with a key": png_of(grey, depth=8, colour=0, before=png_chunk(b"tRNS", b"\0\7")),
        "16-bit grey with a key": png_of(
            grey, depth=16, colour=0, before=png_chunk(b"tRNS", b"\0\7")
        ),
        "1-bit with a key": png(
            2, 1, depth=1, colour=0, rows=b"\x80", before=png_chunk(b"tRNS", b"\0\1")
        ),
        "16-bit grey and alpha": png_of(np.array([[[0, 0], [0, 65535]]]), depth=16, colour=4),
        "16-bit RGB and alpha": png_of(
            np.array([[[0, 0, 0, 0], [0, 0, 0, 65535]]]), depth=16, colour=6
        ),
        "GIF": encode(palette, "GIF", transparency=0),
        "WebP": encode(rgba, "WEBP", lossless=True, exact=True),
        "AVIF": encode(rgba, "AVIF", quality=100),
        "TIFF": encode(rgba, "TIFF"),
    }


@pytest.mark.parametrize("kind", _two_pixels_one_transparent())
def test_transparency_is_laid_on_white(kind: str) -> None:
    pixels = np.asarray(decode(_two_pixels_one_transparent()[kind]).image)
    assert np.allclose(pixels[0], [[255, 255, 255], [0, 0, 0]], atol=3)


# --- orientation ---


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("image_format", "scaled"),
    [
        *(("JPEG", False), ("JPEG", True), ("MPO", True), ("PNG", False)),
        *(("WEBP", False), ("AVIF", False), ("TIFF", False)),
    ],
)
def test_all_eight_orientations(image_format: str, scaled: bool, orientation: int) -> None:
    upright = photo("rocket", (192, 96))
    data = encode(as_stored(upright, orientation), image_format, exif=exif(orientation))
    decoded = decode(data, min_size=(48, 24) if scaled else None)
    assert decoded.size == (192, 96)
    assert decoded.image.size == ((48, 24) if scaled else (192, 96))
    small = [picture.resize((48, 24), Image.Resampling.BOX) for picture in (decoded.image, upright)]
    assert mean_difference(*small) < 6


def test_the_orientation_of_a_png_may_stand_behind_its_pixels() -> None:
    upright = photo()
    data = encode(as_stored(upright, 6), "PNG")
    block = png_chunk(b"eXIf", exif(6)[6:])
    end = data.index(b"IEND") - 4
    decoded = decode(data[:end] + block + data[end:])
    assert decoded.size == upright.size
    assert mean_difference(decoded.image, upright) == 0


DAMAGED_EXIF = {
    "empty": b"",
    "nonsense": b"nonsense",
    "header only": b"II*\0",
    "points outside": b"II*\0\xff\xff\xff\xff",
    "cut short": exif(6)[6:20],
    "a text for a number": exif(6)[6:].replace(b"\x01\x12\0\3", b"\x01\x12\0\2"),
    "orientation 99": b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63" + bytes(7),
    "endless": b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\x7f" * 8,
}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("damage", DAMAGED_EXIF)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_leaves_the_picture_as_it_lies(image_format: str, damage: str) -> None:
    picture = photo()
    prefix = b"Exif\0\0" if image_format != "WEBP" else b""
    data = encode(picture, image_format, exif=prefix + DAMAGED_EXIF[damage])
    decoded = decode(data, min_size=(96, 64))
    assert decoded.size == picture.size
    assert mean_difference(decoded.image, picture) < 8


# --- HEIC ---


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs evoca[heic]")
    pillow_heif.register_heif_opener()
    upright = photo("rocket", (128, 64))
    data = encode(as_stored(upright, orientation), "HEIF", exif=exif(orientation), quality=90)
    decoded = decode(data, min_size=(32, 16))
    assert decoded.size == decoded.image.size == upright.size
    assert decoded.notes == ()
    assert mean_difference(decoded.image, upright) < 8


def test_heic_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_heif.HeifImagePlugin", None)
    refused(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"pip install '.*\[heic\]'")


def test_an_avif_may_call_itself_by_the_name_of_its_container() -> None:
    data = samples.one_of_each()["avif"].replace(b"ftypavif", b"ftypmif1", 1)
    assert decode(data).size == (96, 64)


# --- frames ---


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_the_first_frame_is_taken(image_format: str) -> None:
    first, second = photo("coffee"), photo("chelsea")
    got = decode(samples.animation(image_format)).image
    assert mean_difference(got, first) < 10 < mean_difference(got, second)


@pytest.mark.parametrize(
    ("image_format", "last_frame", "kept"),
    [
        ("GIF", b",\0\0\0\0", 5),  # in the frame's header
        ("GIF", b",\0\0\0\0", 40),
        ("PNG", b"fdAT", 30),
        ("WEBP", b"VP8 ", 30),
    ],
)
def test_a_damaged_later_frame_does_not_spoil_the_first(
    image_format: str, last_frame: bytes, kept: int
) -> None:
    data = samples.animation(image_format, append_images=[photo("chelsea")])
    start = data.rindex(last_frame) + kept
    assert start > len(data) // 3
    broken = data[:start] if image_format == "GIF" else data[:start] + bytes(len(data) - start)
    decoded = decode(broken)
    assert decoded.notes == ("animated: first frame",)
    assert mean_difference(decoded.image, photo("coffee")) < 10


# --- what is refused ---


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"this is not a picture\n", "not an image in a known format"),
        (b"Python is a language", "not an image in a known format"),
        (b"BMW is a make of cars, not a bitmap", "not an image in a known format"),
        (b"P5 is a kind of picture", "not an image in a known format"),
        (b"PK\x03\x04 a zip", "not an image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a known format"),
        (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x40\0\0\0\x16\0\0\0", "not an image in a known"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42", "not an image in a known format"),
        (b"\xff\xd8\xff", "starts like JPEG"),
        (b"\x89PNG\r\n\x1a\n", "starts like PNG"),
        (b"GIF89a", "starts like GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged"),
        (b"II*\0\x08\0\0\0", "damaged"),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "starts like AVIF"),
        (b"P6 0 0 255\n", "starts like PPM"),
        (b"P6 2 2 255\n\x1b[31m", "truncated|damaged"),
        (png(0, 5, depth=8, colour=0, rows=b""), "starts like PNG"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(data: bytes, reason: str) -> None:
    refused(data, reason)


# Of an animation or several pages the first frame may be whole.
CUT_SHORT = sorted(set(samples.one_of_each()) - ANIMATED - {"mpo", "tiff pages"})


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", CUT_SHORT)
def test_a_truncated_file_is_refused(kind: str) -> None:
    data = samples.one_of_each()[kind]
    refused(data[: len(data) * 6 // 10], "truncated|damaged|starts like")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused_under_scaled_decoding_too(progressive: bool) -> None:
    data = encode(photo("china", (640, 480)), "JPEG", progressive=progressive)
    assert decode(data, min_size=(80, 60)).image.size == (80, 60)
    refused(data[: len(data) * 6 // 10], "truncated", min_size=(80, 60))


def _huge_headers() -> dict[str, bytes]:
    """Files of some bytes that announce billions of pixels."""
    small = Image.new("RGB", (1, 1))
    gif, bmp = bytearray(encode(small, "GIF")), bytearray(encode(small, "BMP"))
    gif[6:10] = b"\xff\xff\xff\xff"
    bmp[18:26] = (60_000).to_bytes(4, "little") * 2
    jpeg = bytearray(encode(small, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    # A canvas of 2**24 - 1 squared is what VP8X can say; the picture inside stays small.
    webp = bytearray(encode(small, "WEBP", exif=exif(1)))
    webp[24:30] = b"\x3f\xff\x00\x3f\xff\x00"
    tiff = encode(small, "TIFF")
    for tag in (b"\x00\x01", b"\x01\x01"):
        for kind, size in ((b"\x03\0", b"\x60\xea\0\0"), (b"\x04\0", b"\x60\xea\0\0")):
            entry = tag + kind + b"\1\0\0\0"
            tiff = tiff.replace(entry + b"\1\0\0\0", entry + size)
    return {
        "PNG": png(60_000, 60_000, depth=8, colour=2, rows=b""),
        "GIF": bytes(gif),
        "BMP": bytes(bmp),
        "JPEG": bytes(jpeg),
        "WebP": bytes(webp),
        "TIFF": tiff,
        "PPM": b"P6 60000 60000 255\n",
    }


@pytest.mark.parametrize("kind", _huge_headers())
def test_a_header_that_announces_too_much_is_refused(kind: str) -> None:
    refused(
        _huge_headers()[kind],
        r"pixels, a decompression bomb\? The limit is [14]00,000,000 pixels: make it smaller "
        r"first, or raise EVOCA_MAX_PIXELS \(ImageLimits\.max_pixels\)",
    )


def test_above_pillows_own_limit_its_setting_is_named() -> None:
    refused(
        _huge_headers()["PNG"],
        r"3,600,000,000 pixels, .*The limit is 178,956,970 .* PIL\.Image\.MAX_IMAGE_PIXELS",
        limits=ImageLimits(max_pixels=10**11),
    )


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            png(9_000, 9_000, depth=1, colour=0, rows=bytes(1_125 * 9_000)), id="png, 12 kB"
        ),
        pytest.param(encode(Image.new("L", (2_000, 2_000)), "GIF"), id="gif"),
        pytest.param(encode(Image.new("RGB", (2_000, 2_000)), "WEBP", lossless=True), id="webp"),
        pytest.param(
            encode(Image.new("L", (2_000, 2_000)), "TIFF", compression="tiff_adobe_deflate"),
            id="tiff",
        ),
        pytest.param(encode(Image.new("L", (2_000, 2_000)), "JPEG2000"), id="jpeg 2000"),
    ],
)
def test_a_real_bomb_is_refused_by_its_pixels_not_its_bytes(data: bytes) -> None:
    assert len(data) < 20_000
    refused(data, r"decompression bomb\? The limit is 1,000,000 pixels",
            limits=ImageLimits(max_pixels=1_000_000))  # fmt: skip


def test_a_gif_frame_larger_than_its_screen_counts_in_full() -> None:
    data = bytearray(encode(Image.new("L", (100, 100)), "GIF"))
    data[6:10] = b"\x01\0\x01\0"
    refused(bytes(data), "100 x 100 pixels", limits=ImageLimits(max_pixels=9_999))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_text_in_a_png_is_not_unpacked(kind: bytes) -> None:
    packed = zlib.compress(bytes(80_000_000), 9)
    body = b"key\0\0" + packed if kind != b"iTXt" else b"key\0\1\0\0\0" + packed
    data = png(1, 1, depth=8, colour=0, rows=b"\0", before=png_chunk(kind, body))
    assert len(data) < 100_000
    tracemalloc.start()
    decoded = decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded.size == (1, 1)
    assert decoded.notes == ((IGNORED,) if kind == b"iCCP" else ())
    assert peak < 20_000_000


def test_a_jpeg_of_endless_segments_or_filler_is_refused() -> None:
    data = encode(photo(), "JPEG")
    empty_comment = b"\xff\xfe\0\2"
    assert decode(data[:2] + empty_comment * 500 + b"\xff" * 5_000 + data[2:]).notes == ()
    for between in (empty_comment * 20_000, b"\xff" * 2_000_000):
        refused(data[:2] + between + data[2:], "a JPEG of more than 10,000 segments or 1,048,576")


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = encode(photo(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xc4") : -2]
    assert decode(data[:-2] + last * 20 + data[-2:]).size == (96, 64)
    refused(data[:-2] + last * 200 + data[-2:], "a JPEG of 2.. scans")
    # What stands behind the end of the picture, such as a film, does not count.
    assert decode(data + b"\xff\xda" * 200).size == (96, 64)


def test_too_many_bytes_are_refused() -> None:
    data = encode(photo(), "PNG")
    refused(data, f"has {len(data):,} bytes, the limit is 1,000", limits=ImageLimits(1_000))


# --- scaled decoding ---


@pytest.mark.parametrize(
    ("min_size", "decoded_size"),
    [
        (None, (4000, 3000)),
        ((448, 336), (500, 375)),
        ((500, 375), (500, 375)),
        ((501, 375), (1000, 750)),
        ((1000, 1000), (2000, 1500)),
        ((8000, 6000), (4000, 3000)),
        ((0, 0), (500, 375)),
    ],
)
def test_a_12_megapixel_jpeg_is_decoded_no_larger_than_needed(
    twelve_megapixels: bytes, min_size: tuple[int, int] | None, decoded_size: tuple[int, int]
) -> None:
    decoded = decode(twelve_megapixels, min_size=min_size)
    assert decoded.size == (4000, 3000)
    assert decoded.image.size == decoded_size


@pytest.fixture(scope="module")
def twelve_megapixels() -> bytes:
    return encode(photo("china").resize((4000, 3000)), "JPEG")


# --- PIL images ---


@pytest.mark.parametrize(
    "mode",
    [
        *("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA", "RGBX", "RGBa"),
        *("La", "I", "F", "I;16", "I;16L", "I;16B"),
    ],
)
def test_a_picture_of_any_mode(mode: str) -> None:
    decoded = decode_picture(Image.new(mode, (3, 2)))
    assert (decoded.image.mode, decoded.size) == ("RGB", (3, 2))


def test_a_lazy_picture_is_loaded_turned_and_not_changed() -> None:
    upright = photo()
    opened = Image.open(io.BytesIO(encode(as_stored(upright, 6), "PNG", exif=exif(6))))
    decoded = decode_picture(opened)
    assert mean_difference(decoded.image, upright) == 0
    assert opened.size == upright.size[::-1]
    assert opened.getexif()[samples.ORIENTATION] == 6


def test_the_result_shares_no_pixels_with_the_picture() -> None:
    picture = photo()
    decoded = decode_picture(picture)
    decoded.image.paste("red", (0, 0, 96, 64))
    assert mean_difference(picture, photo()) == 0


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP"])
def test_of_an_animated_picture_the_current_frame_is_taken(image_format: str) -> None:
    opened = Image.open(io.BytesIO(samples.animation(image_format)))
    opened.seek(1)
    decoded = decode_picture(opened)
    assert opened.tell() == 1
    assert mean_difference(decoded.image, photo("chelsea")) < 10


def test_what_was_drawn_on_an_animated_picture_stays() -> None:
    opened = Image.open(io.BytesIO(samples.animation("GIF")))
    opened.load()
    opened.paste(0, (0, 0, 96, 64))
    drawn = opened.convert("RGB")
    assert mean_difference(decode_picture(opened).image, drawn) == 0
    assert mean_difference(opened.convert("RGB"), drawn) == 0


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (Image.open(io.BytesIO(encode(photo(), "JPEG")[:900])), "truncated"),
        (Image.new("RGB", (0, 5)), "without pixels"),
        (Image.new("L", (80, 80)), "80 x 80 pixels"),
    ],
)
def test_a_picture_that_cannot_be_used(picture: Image.Image, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_picture(picture, ImageLimits(max_pixels=6_200))


def test_a_closed_picture_is_refused() -> None:
    opened = Image.open(io.BytesIO(encode(photo(), "PNG")))
    opened.close()
    with pytest.raises(ImageError, match="the picture cannot be loaded"):
        decode_picture(opened)


# --- the process around it ---


def run_python(code: str, *arguments: object, flags: tuple[str, ...] = ()) -> str:
    """Run a fresh interpreter; return what it printed, standard error included."""
    command = [sys.executable, *flags, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    return done.stdout


@pytest.fixture
def noisy(tmp_path: Path) -> list[Path]:
    """Files that make Pillow warn or log: damaged tags, and 95 million pixels."""
    files = [tmp_path / "exif.jpg", tmp_path / "wide.png", tmp_path / "samples.tif"]
    block = b"Exif\0\0" + exif(6)[6:20]
    files[0].write_bytes(encode(photo(), "JPEG", exif=block))
    files[1].write_bytes(png(95_000, 1_000, depth=8, colour=2, rows=b""))
    three, many = (b"\x15\1\3\0\1\0\0\0" + count for count in (b"\3\0", b"\0\x08"))
    files[2].write_bytes(encode(photo(), "TIFF").replace(three, many))
    return files


DECODE_ALL = """
import sys
from pathlib import Path
from evoca.images import decode
for name in sys.argv[1:]:
    try:
        print(decode(Path(name).read_bytes()).size)
    except ValueError as error:
        print(error)
"""


def test_pillow_does_not_write_warnings_between_the_results(noisy: list[Path]) -> None:
    assert run_python(DECODE_ALL, *noisy).splitlines() == [
        "(96, 64)",
        "the file is truncated: part of the image is missing",
        "it starts like TIFF, but it is damaged or of a kind that cannot be decoded",
    ]


def test_a_caller_who_makes_warnings_errors_gets_one_kind_of_error(noisy: list[Path]) -> None:
    lines = run_python(DECODE_ALL, *noisy, flags=("-W", "error")).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("95,000,000 pixels, a decompression bomb? The limit is 89,478,485")


DECODE_IN_THREADS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from evoca.images import decode
files = [Path(name).read_bytes() for name in sys.argv[1:]]
start = threading.Barrier(8)
def work(i):
    start.wait()
    return [decode(files[(i * 5 + j) % len(files)]).size for j in range(len(files))]
with ThreadPoolExecutor(8) as pool:
    print({size for sizes in pool.map(work, range(8)) for size in sizes})
"""


def test_eight_threads_meet_the_decoders_for_the_first_time_together(tmp_path: Path) -> None:
    files = []
    for name, data in samples.one_of_each().items():
        if name != "jpeg exif":
            files.append(tmp_path / name)
            files[-1].write_bytes(data)
    assert run_python(DECODE_IN_THREADS, *files).strip() == "{(96, 64)}"


def test_one_thread_after_another_sees_the_same_pixels() -> None:
    data = samples.one_of_each()["webp"]
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(decode(data).image.tobytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {decode(data).image.tobytes()}
    assert len(results) == 8
