"""Rules that find pictures unlike the photographs the models were trained on.

The thresholds on the resized pixels find drawn pages, drawn user interfaces and empty
pictures, and few photographs. Of 1,245 research photographs (600 of FI, 645 of OASIS) the
rules find 0 blank pictures, 5 documents and 2 screenshots. Of the pictures that were drawn to
set them they find text on paper or screens of any colour, tables, line charts and scatter
plots, also as JPEGs. They miss bar charts, chats, short output on an empty screen and some
dense text in a JPEG. They do not search for photographs *of* documents.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["screen"]

_Channel: TypeAlias = NDArray[np.uint8]

_LEAST = 16
_BLANK = 5.0
"""The standard deviation, in levels, below which every channel of a blank picture is."""
_SAMPLED = 4
_ALIKE = 0.25
"""The share of pixels on one exact colour that text and lines have at least."""
_NAMES = {
    "blank": "unlike a photograph: blank",
    "document": "unlike a photograph: document",
    "screenshot": "unlike a photograph: screenshot",
}


def screen(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return a warning if a picture is unlike a photograph.

    Args:
        pixels: uint8 (H, W, 3), RGB, at a model's input size.

    Returns:
        One warning, or none. Pictures below 16 pixels per side can only be blank.

    >>> screen(np.full((64, 64, 3), 200, np.uint8))
    ('unlike a photograph: blank',)
    """
    # Channel by channel, in whole bytes: this runs for every picture that is predicted.
    channels = tuple(np.ascontiguousarray(pixels[..., i]) for i in range(3))
    if not _surely_varied(channels) and max(map(_spread, channels)) < _BLANK:
        return (_NAMES["blank"],)
    if min(pixels.shape[:2]) < _LEAST:
        return ()
    # Text and lines on one exact colour.
    ground, alike, broken = _ground(channels)
    if alike >= _ALIKE and alike * broken >= 0.055:
        return (_NAMES["document" if max(ground) >= 128 else "screenshot"],)
    flat = _flat(channels)
    return _even(channels, flat) if flat >= 0.4 else ()


def _even(channels: tuple[_Channel, ...], flat: float) -> tuple[str, ...]:
    """Return a warning of a picture with large even areas, or none."""
    red, green, blue = channels
    lowest = np.minimum(np.minimum(red, green), blue)
    chroma = np.maximum(np.maximum(red, green), blue) - lowest
    if _share(lowest >= 230) > 0.6 and int(chroma.sum(dtype=np.int64)) < 8 * chroma.size:
        return (_NAMES["document"],)
    if flat > 0.65 and _ruled(channels) and _share_of_top_colours(channels) > 0.75:
        return (_NAMES["screenshot"],)
    return ()


def _ruled(channels: tuple[_Channel, ...]) -> bool:
    """Return whether a bar or a frame is there: an edge across nearly the whole width."""
    steps = np.zeros((channels[0].shape[0] - 1, channels[0].shape[1]), dtype=np.uint16)
    for channel in channels:
        above, below = channel[:-1], channel[1:]
        steps += np.maximum(above, below) - np.minimum(above, below)
    # More than four levels, on average over the channels.
    return bool((np.count_nonzero(steps > 12, axis=1) > 0.9 * steps.shape[1]).any())


def _surely_varied(channels: tuple[_Channel, ...]) -> bool:
    """Return whether some rows and columns alone show that a picture is not blank.

    The variance of all pixels is at least that of a part, times the share of the part. Nearly
    every photograph is known by this, at a sixteenth of the time.
    """
    parts = [channel[::_SAMPLED, ::_SAMPLED] for channel in channels]
    return any(_spread(one) ** 2 * one.size > _BLANK**2 * channels[0].size for one in parts)


def _spread(channel: _Channel) -> float:
    """Return the standard deviation of a channel."""
    count = channel.size
    mean = int(channel.sum(dtype=np.int64)) / count
    squares = np.multiply(channel, channel, dtype=np.uint16)
    variance = int(squares.sum(dtype=np.int64)) / count - mean * mean
    return float(np.sqrt(max(variance, 0.0)))


def _close(a: _Channel, b: _Channel) -> NDArray[np.bool_]:
    """Return where two arrays of bytes differ by at most 1."""
    gap = np.subtract(a, b)  # wraps around: -1, 0 and 1 become 255, 0 and 1
    gap += np.uint8(1)
    return np.asarray(gap <= 2)


def _flat(channels: tuple[_Channel, ...]) -> float:
    """Return the share of pixels whose neighbours to the right and below are alike."""
    found: NDArray[np.bool_] | None = None
    for channel in channels:
        own = _close(channel[:-1, 1:], channel[:-1, :-1])
        own &= _close(channel[1:, :-1], channel[:-1, :-1])
        found = own if found is None else found & own
    assert found is not None  # three channels
    return _share(found)


def _ground(channels: tuple[_Channel, ...]) -> tuple[tuple[float, ...], float, float]:
    """Return the background colour of a drawing, such as that of paper or a terminal.

    Returns:
        The most common colour (RGB, 0..255); the share of pixels within one level of it,
        which is small for nearly all skies, walls and dark parts of photographs; and how
        often a step to the right plus a step down enters or leaves it, as at letters and
        lines. Both are 0 where no colour is common enough to matter.
    """
    red, green, blue = channels
    codes = (red >> 2).astype(np.intp)
    codes <<= 6
    codes |= green >> 2
    codes <<= 6
    codes |= blue >> 2
    counts = np.bincount(codes.ravel())
    commonest = int(counts.argmax())
    # What lies within one level of a colour lies in at most eight cells of four levels.
    if 8 * int(counts[commonest]) < _ALIKE * codes.size:
        return (0.0, 0.0, 0.0), 0.0, 0.0
    inside = codes == commonest
    ground = tuple(float(np.median(channel[inside])) for channel in channels)
    distance = np.zeros(red.shape, dtype=np.int16)
    for channel, level in zip(channels, ground, strict=True):
        np.maximum(distance, np.abs(channel.astype(np.int16) - np.int16(level)), out=distance)
    near = distance <= 6
    broken = _share(near[:, 1:] != near[:, :-1]) + _share(near[1:] != near[:-1])
    return ground, _share(distance <= 1), broken


def _share(where: NDArray[np.bool_]) -> float:
    """Return the share of an array that is true; unlike ``mean``, it makes no numbers of it."""
    return int(np.count_nonzero(where)) / where.size


def _share_of_top_colours(channels: tuple[_Channel, ...], top: int = 4) -> float:
    """Return the share of pixels of the few most common colours (5 bits per channel)."""
    red, green, blue = ((one[::2, ::2] >> 3).astype(np.intp) for one in channels)
    codes = red * 1024 + green * 32 + blue
    counts = np.sort(np.bincount(codes.ravel()))[::-1]
    return float(counts[:top].sum() / codes.size)
