"""JPEGs that lost a part, or their end alone."""

from __future__ import annotations

import pytest
from PIL import Image

from evoca.errors import ImageError
from evoca.images import decode
from samples import encode, mean_difference, photo

END = b"\xff\xd9"
KINDS = {
    "plain": {"quality": 75},
    "fine": {"quality": 95, "subsampling": 0},
    "optimised": {"quality": 85, "optimize": True},
    "progressive": {"quality": 85, "progressive": True},
    "restarts": {"quality": 85, "restart_marker_rows": 1},
}
SCALES = [None, (80, 60)]


def jpeg(kind: str) -> bytes:
    return encode(photo("china", (640, 480)), "JPEG", **KINDS[kind])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_without_its_end_is_whole(
    kind: str, scale: tuple[int, int] | None, lost: int
) -> None:
    data = jpeg(kind)
    assert data.endswith(END)
    whole, cut = decode(data, min_size=scale), decode(data[:-lost], min_size=scale)
    assert whole.notes == ()
    assert cut.notes == ("the end of the file is missing, but no part of the picture",)
    assert mean_difference(whole.image, cut.image) == 0


def test_a_jpeg_that_lost_less_than_a_row_says_so() -> None:
    data = jpeg("plain")
    short = data[: len(data) - 40] + END
    (note,) = decode(short).notes
    assert note == "a part is missing: the file ends before its last pixels"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_stops_early_or_goes_on_as_zeros_is_refused(
    kind: str, scale: tuple[int, int] | None
) -> None:
    data = jpeg(kind)
    kept = len(data) * 2 // 3
    for damaged in (data[:kept], data[:kept] + bytes(len(data) - kept), data[:-200]):
        with pytest.raises(ImageError, match="truncated"):
            decode(damaged, min_size=scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", ["plain", "fine", "optimised"])
def test_a_jpeg_that_ends_early_carries_a_note(kind: str, scale: tuple[int, int] | None) -> None:
    data = jpeg(kind)
    kept = len(data) * 2 // 3
    (note,) = decode(data[:kept] + END, min_size=scale).notes
    assert note.startswith("a part is missing: the file ends before its lowest")
    (note,) = decode(data[:kept] + bytes(len(data) - kept - 2) + END, min_size=scale).notes
    assert note.startswith("a part is missing")


def test_a_progressive_jpeg_that_ends_before_its_last_scans_carries_a_note() -> None:
    data = jpeg("progressive")
    last_scan = data.rindex(b"\xff\xda")
    (note,) = decode(data[:last_scan] + END).notes
    assert note == "a part is missing: the file ends before its finest detail"


@pytest.mark.parametrize("scale", [None, (160, 120)])
@pytest.mark.parametrize("kept", [0.85, 0.9, 0.97])
def test_a_progressive_jpeg_that_ends_within_its_last_scan_carries_a_note(
    scale: tuple[int, int] | None, kept: float
) -> None:
    data = jpeg("progressive")
    cut = data[: int(len(data) * kept)]
    assert len(cut) > data.rindex(b"\xff\xda"), "within the last scan"
    (note,) = decode(cut + END, min_size=scale).notes
    assert note == "a part is missing: the file ends before its finest detail"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0.45, 0.6, 0.9])
def test_an_erased_stretch_is_no_whole_picture(
    kind: str, scale: tuple[int, int] | None, at: float
) -> None:
    """Blocks of flash memory that were erased are full of ones, which markers may begin with."""
    data = jpeg(kind)
    start = int(len(data) * at) // 512 * 512
    for length in (512, 4096):
        damaged = data[:start] + b"\xff" * length + data[start + length :]
        try:
            notes = decode(damaged, min_size=scale).notes
        except ImageError:
            continue
        assert any(note.startswith("a part is missing") for note in notes), notes


def test_a_picture_without_its_end_may_be_padded() -> None:
    data = jpeg("plain").removesuffix(END)
    for padding in (bytes(4096), b"\xff" * 4096):
        notes = decode(data + padding).notes
        assert notes == ("the end of the file is missing, but no part of the picture",)


@pytest.mark.parametrize("grey", [127, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_grey_that_was_photographed_is_not_missing(kind: str, grey: int) -> None:
    picture = photo("china", (320, 240))
    picture.paste((grey, grey, grey), (0, 160, 320, 240))
    assert decode(encode(picture, "JPEG", **KINDS[kind])).notes == ()
    even = Image.new("RGB", (320, 240), (grey, grey, grey))
    assert decode(encode(even, "JPEG", **KINDS[kind])).notes == ()
    assert decode(encode(even.convert("L"), "JPEG", **KINDS[kind])).notes == ()


@pytest.mark.parametrize("colour", ["white", "black", (128, 128, 128), (200, 30, 40)])
@pytest.mark.parametrize("kind", KINDS)
def test_large_even_parts_are_no_holes(kind: str, colour: str | tuple[int, ...]) -> None:
    picture = Image.new("RGB", (1600, 1600), colour)
    picture.paste(photo("coffee", (96, 64)), (10, 10))
    assert decode(encode(picture, "JPEG", **KINDS[kind]), min_size=(640, 640)).notes == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["padding", "a second picture", "a film"])
def test_what_stands_behind_a_picture_is_no_hole(kind: str, what: str) -> None:
    """Gain maps, motion photos and padded blocks were called pictures that lack a part."""
    behind = {
        "padding": bytes(4096),
        "a second picture": jpeg("plain") + bytes(2000),
        "a film": b"\0\0\x04\0free" + bytes(1016) + b"\0\0\0\x08mdat",
    }
    assert decode(jpeg(kind) + behind[what]).notes == ()
