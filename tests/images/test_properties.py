"""Damaged at random: a picture or one clear line, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samples
from evoca.errors import ImageError
from evoca.images import DecodedImage, ImageLimits, decode
from samples import encode, photo

# Small and quick to decode, and all the same enough structure to damage.
FILES = samples.one_of_each()
LIMITS = ImageLimits(max_pixels=1_000_000)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """A file with bytes changed, cut out, doubled, or the end missing."""
    mutation = bytearray(data)
    # Headers are dense with meaning: half of the damage goes there.
    places = st.integers(0, len(data) - 1) | st.integers(0, min(200, len(data) - 1))
    for place in draw(st.lists(places, max_size=6)):
        mutation[place] = draw(st.integers(0, 255) | st.sampled_from([0, 1, 127, 128, 255]))
    match draw(st.sampled_from(["leave", "cut", "remove", "repeat", "splice"])):
        case "cut":
            del mutation[draw(places) :]
        case "remove":
            start = draw(places)
            del mutation[start : start + draw(st.integers(1, 64))]
        case "repeat":
            start = draw(places)
            piece = mutation[start : start + draw(st.integers(1, 64))]
            mutation[start:start] = piece * draw(st.integers(1, 20))
        case "splice":
            other = FILES[draw(st.sampled_from(sorted(FILES)))]
            start = draw(st.integers(0, len(other) - 1))
            mutation[draw(places) :] = other[start:]
    return bytes(mutation)


def outcome(data: bytes, min_size: tuple[int, int] | None) -> DecodedImage | ImageError:
    try:
        return decode(data, min_size=min_size, limits=LIMITS)
    except ImageError as error:
        return error


def check(data: bytes, min_size: tuple[int, int] | None = None) -> None:
    result = outcome(data, min_size)
    if isinstance(result, ImageError):
        message = str(result)
        assert message.isprintable()
        assert 0 < len(message) < 300
        return
    assert result.image.mode == "RGB"
    assert 0 < result.size[0] * result.size[1] <= LIMITS.max_pixels
    assert len(result.image.tobytes()) == 3 * result.image.width * result.image.height


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_file_gives_a_picture_or_one_clear_line(kind: str, data: st.DataObject) -> None:
    mutation = data.draw(mutated(FILES[kind]))
    check(mutation, data.draw(st.sampled_from([None, (24, 16)])))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    start=st.sampled_from([data[:16] for data in FILES.values()] + [b""]),
    rest=st.binary(max_size=300),
)
def test_noise_behind_a_true_beginning_gives_one_clear_line(start: bytes, rest: bytes) -> None:
    check(start + rest)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    image_format=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"]),
    min_size=st.none() | st.tuples(st.integers(1, 100), st.integers(1, 100)),
)
def test_every_size_is_told_truly_and_decoded_no_smaller_than_asked(
    width: int, height: int, image_format: str, min_size: tuple[int, int] | None
) -> None:
    data = encode(photo("flower", (width, height)), image_format)
    decoded = decode(data, min_size=min_size)
    assert decoded.size == (width, height)
    asked = min_size or (width, height)
    assert decoded.image.width >= min(width, asked[0])
    assert decoded.image.height >= min(height, asked[1])
