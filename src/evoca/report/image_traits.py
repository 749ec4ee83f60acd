"""The traits of the pictures of a report, to compare errors by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np

from evoca.errors import ImageError, MissingExtraError
from evoca.images.attributes import Attributes, attributes_of
from evoca.images.detectors import Detectors, face_detector, text_detector
from evoca.metrics.checks import FloatArray
from evoca.progress import Announce

__all__ = ["MEANINGS", "MOST_SEARCHED", "LookFor", "Traits", "look_for_traits"]

LookFor = Literal["colour", "faces", "text"]
"""The traits to search for: colours only, also faces, or also text; each takes longer."""

MOST_SEARCHED = 1_000
"""Pictures that are searched for faces and text; a random draw where there are more."""

Traits = Mapping[str, FloatArray | str]
"""Name to float (N,), 1 with the trait, 0 without, NaN where not known; or to the reason
why it was not searched for."""

MEANINGS = {
    "monochrome": "Greyscale, or in shades of one colour.",
    "warm-toned": "At least half of it is saturated red, orange or amber.",
    "with faces": "A detector finds a human face (YuNet).",
    "with text": "A line of text can be read in it (PP-OCR).",
}


def look_for_traits(
    paths: Mapping[int, Path],
    count: int,
    look_for: LookFor,
    announce: Announce,
) -> Traits:
    """Return the traits of some pictures.

    Args:
        paths: number to file; files that cannot be read count as not known.
        count: N, the number of images.
        look_for: the traits to search for.
        announce: shows progress.
    """
    if not paths:
        return {}
    detectors, missing = _detectors(look_for)
    numbers = np.array(sorted(paths))
    searched = set(numbers[np.random.default_rng(0).permutation(len(numbers))[:MOST_SEARCHED]])
    advance = announce("searching pictures", len(numbers))

    def traits_at(number: int) -> Attributes | None:
        try:
            return attributes_of(paths[number], detectors if number in searched else Detectors())
        except ImageError:
            return None
        finally:
            advance(1)

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        found = dict(zip(numbers.tolist(), pool.map(traits_at, numbers.tolist()), strict=True))
    values = {name: np.full(count, np.nan) for name in MEANINGS if name not in missing}
    for number, attributes in found.items():
        for name, value in _values(attributes).items():
            if name in values and value is not None:
                values[name][number] = value
    return {name: values[name] if name in values else missing[name] for name in MEANINGS}


def _values(attributes: Attributes | None) -> dict[str, bool | None]:
    if attributes is None:
        return {}
    return {
        "monochrome": attributes.monochrome,
        "warm-toned": attributes.warm_toned,
        "with faces": None if attributes.faces is None else bool(attributes.faces),
        "with text": None if attributes.text is None else bool(attributes.text),
    }


def _detectors(look_for: LookFor) -> tuple[Detectors, dict[str, str]]:
    """Return the wanted and installed detectors, and why others are left out."""
    missing = {}
    faces = text = None
    if look_for == "colour":
        missing["with faces"] = "not looked for (--look-for faces does)"
    else:
        try:
            faces = face_detector()
        except MissingExtraError as error:
            missing["with faces"] = f"not looked for: {error.cause}"
    if look_for != "text":
        missing["with text"] = "not looked for (--look-for text does)"
    else:
        try:
            text = text_detector()
        except MissingExtraError as error:
            missing["with text"] = f"not looked for: {error.cause}"
    return Detectors(faces, text), missing
