"""The conformance fixture: drawn pictures, and what a model's exact outputs for them are.

``conformance.png`` holds the pictures one below the other, each of the model's input size, and
``conformance.json`` the outputs of the float32 graph in ONNX Runtime. The format is described
in ``docs/bundle.md``, for ports in other languages.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict, Field, ValidationError

from evoca.drafts import drafted
from evoca.errors import BundleError, ImageError, single_line
from evoca.images.decode import decode
from evoca.images.walk import printable_name
from evoca.privacy import onnxruntime
from evoca.runtime.bundle import Bundle
from evoca.runtime.card import FORMAT_VERSION, ModelCard
from evoca.runtime.engines import DEFAULT_ENGINE, open_engine
from evoca.strict import Strict, place_and_reason

__all__ = [
    "Fixture",
    "FixtureFile",
    "copy_fixture",
    "drawn_pictures",
    "fixture_of",
    "moments",
    "write_fixture",
]

_JSON, _PNG = "conformance.json", "conformance.png"
_MOST_BYTES = 16 * 1024 * 1024

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
_Row = tuple[float, ...]


class FixtureFile(Strict):
    """The content of ``conformance.json``.

    Attributes:
        format_version: of this file.
        pictures: N, how many lie one below the other in the PNG.
        png: SHA-256 of ``conformance.png``.
        logits: (N, K).
        affect: (N, 2), or ``None`` where the model has none.
        evidence: (N, K or 1, 3), or ``None``: of each map the means of v, of v times y and of
            v times x over its cells, where v is the value of a cell and (y, x) its centre,
            from 0 at the top left to 1 at the bottom right.
        made_by: the engine that computed it.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    format_version: Literal[1]
    pictures: int = Field(ge=1, le=64)
    png: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    logits: tuple[_Row, ...]
    affect: tuple[_Row, ...] | None
    evidence: tuple[tuple[_Row, ...], ...] | None
    made_by: Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class Fixture:
    """Pictures with the exact outputs of a model.

    Attributes:
        pictures: uint8 (N, H, W, 3).
        logits: (N, K).
        affect: (N, 2), or ``None``.
        evidence: (N, K or 1, 3) as in :class:`FixtureFile`, or ``None``.
        shipped: whether it is from the bundle, not computed on this machine.
    """

    pictures: Pixels
    logits: Array
    affect: Array | None
    evidence: Array | None
    shipped: bool


def drawn_pictures(height: int, width: int) -> Pixels:
    """Return the pictures uint8 (5, H, W, 3), drawn by formulas of whole numbers.

    They are smooth, ringed, chequered, striped and dark, so that every layer has something to
    do, and they are the same on every machine. All have grain, as photographs do: in a flat
    area every value is rounded the same way, and bf16 is then far worse than on any photograph.
    """
    y, x = np.mgrid[:height, :width].astype(np.int64)
    v, u = y * 256 // height, x * 256 // width
    radius = (u - 128) ** 2 + (v - 112) ** 2
    zero = np.zeros_like(u)
    sun = np.where(radius < 2000, 255, 90 + v // 2)
    squares = ((u // 32 + v // 32) % 2) * 200 + (u // 32 * 37 + v // 32 * 101) % 56
    stripes = ((u + v) // 12 % 2) * 180
    drawn = [
        (sun, 40 + v // 2, 255 - v),
        (radius // 24 % 256, radius // 40 % 256, 255 - radius // 60 % 256),
        (squares, (squares * 3 + v) % 256, (u + 64) % 256),
        (220 - stripes // 2, 30 + stripes, 60 + v // 4),
        (zero + 12, 12 + np.where(radius < 700, 90, 0), 20 + u // 16),
    ]
    pictures = np.stack([np.stack(channels, -1) for channels in drawn])
    return np.clip(pictures + _grain(len(drawn), height, width), 0, 255).astype(np.uint8)


def _grain(count: int, height: int, width: int) -> NDArray[np.int64]:
    """Return what lightens or darkens cells of 8 pixels by up to 24 steps, (count, H, W, 1)."""
    i, y, x = np.mgrid[:count, :height, :width].astype(np.int64)
    y, x = y // 8, x // 8
    mixed = (x * 374761393 + y * 668265263 + i * 2246822519) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
    grain: NDArray[np.int64] = ((mixed ^ (mixed >> 16)) & 0xFF) * 48 // 255 - 24
    return grain[..., None]


def moments(evidence: Array) -> Array:
    """Return of maps (N, M, h, w) three numbers each, (N, M, 3), as in :class:`FixtureFile`.

    >>> moments(np.ones((1, 1, 2, 4), np.float32)).tolist()
    [[[1.0, 0.5, 0.5]]]
    """
    height, width = evidence.shape[2:]
    y = ((np.arange(height) + 0.5) / height)[:, None]
    x = (np.arange(width) + 0.5) / width
    weighted = [evidence, evidence * y, evidence * x]
    return np.stack([values.mean((2, 3)) for values in weighted], -1).astype(np.float32)


def fixture_of(bundle: Bundle) -> Fixture:
    """Return the fixture of a bundle; one that has none is given one by the reference, here.

    Raises:
        BundleError: it is missing, damaged, or not the one that the card describes.
    """
    if bundle.card.conformance is not None:
        return _read(bundle)
    size = bundle.card.preprocessing
    pictures = drawn_pictures(size.height, size.width)
    outputs = open_engine(DEFAULT_ENGINE, bundle, 1).run(pictures)
    evidence = None if outputs.evidence is None else moments(outputs.evidence)
    return Fixture(pictures, outputs.logits, outputs.affect, evidence, shipped=False)


def write_fixture(bundle: Bundle) -> ModelCard:
    """Return the card that names a fixture, which is written into a float32 bundle.

    ``model.json`` is left as it is: the caller writes the card.

    Raises:
        BundleError: the graph fails, or was quantised: then its logits are not exact.
    """
    if bundle.card.quantisation is not None:
        raise BundleError(
            f"{printable_name(bundle.path)}: a quantised bundle keeps the fixture of the one it "
            "was made of: it can get no other"
        )
    made = fixture_of(Bundle(bundle.path, bundle.card.model_copy(update={"conformance": None})))
    png = _as_png(made.pictures)
    text = _file(made, png).model_dump_json(indent=1).encode() + b"\n"
    for name, data in ((_PNG, png), (_JSON, text)):
        with drafted(bundle.path / name) as draft:
            draft.write_bytes(data)
    named = {"conformance": _sha256(text), "format_version": FORMAT_VERSION}
    return bundle.card.model_copy(update=named)


def copy_fixture(source: Bundle, target: Path) -> None:
    """Copy the files of a fixture into the folder of another bundle, if there are any."""
    if source.card.conformance is not None:
        for name in (_JSON, _PNG):
            (target / name).write_bytes(source.read(name, _MOST_BYTES))


def _file(made: Fixture, png: bytes) -> FixtureFile:
    return FixtureFile(
        format_version=1,
        pictures=len(made.pictures),
        png=_sha256(png),
        logits=_rows(made.logits),
        affect=None if made.affect is None else _rows(made.affect),
        evidence=None if made.evidence is None else tuple(map(_rows, made.evidence)),
        made_by=f"ONNX Runtime {onnxruntime().__version__}, float32 on a CPU",
    )


def _read(bundle: Bundle) -> Fixture:
    text, png = bundle.read(_JSON, _MOST_BYTES), bundle.read(_PNG, _MOST_BYTES)
    if _sha256(text) != bundle.card.conformance:
        raise _untrue(bundle, f"{_JSON} is not the file that model.json describes")
    try:
        file = FixtureFile.model_validate_json(text, strict=True)
    except ValidationError as error:
        reason = single_line(place_and_reason(error, "the whole file"))
        raise _untrue(bundle, f"{_JSON} is invalid at {reason}") from error
    if _sha256(png) != file.png:
        raise _untrue(bundle, f"{_PNG} is not the file that {_JSON} describes")
    n, k = file.pictures, len(bundle.card.labels)
    return Fixture(
        _pictures(bundle, png, n),
        _array(bundle, file.logits, (n, k), "logits"),
        None if file.affect is None else _array(bundle, file.affect, (n, 2), "affect"),
        None if file.evidence is None else _array(bundle, file.evidence, (n, -1, 3), "evidence"),
        shipped=True,
    )


def _pictures(bundle: Bundle, png: bytes, n: int) -> Pixels:
    size = bundle.card.preprocessing
    try:
        strip = np.asarray(decode(png).image)
    except ImageError as error:
        raise _untrue(bundle, f"{_PNG}: {error}") from error
    if strip.shape != (n * size.height, size.width, 3):
        raise _untrue(bundle, f"{_PNG} does not hold {n} pictures of the model's input size")
    return strip.reshape(n, size.height, size.width, 3)


def _array(bundle: Bundle, rows: Any, shape: tuple[int, ...], name: str) -> Array:
    try:
        return np.array(rows, np.float32).reshape(shape)
    except ValueError as error:
        raise _untrue(bundle, f"{name} of {_JSON} do not have the shape {shape}") from error


def _untrue(bundle: Bundle, reason: str) -> BundleError:
    return BundleError(f"{printable_name(bundle.path)}: {reason}: get the bundle again")


def _as_png(pictures: Pixels) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pictures.reshape(-1, *pictures.shape[2:])).save(target, "PNG", optimize=True)
    return target.getvalue()


def _rows(values: Array) -> tuple[_Row, ...]:
    # The shortest decimals that are the same float32.
    return tuple(tuple(float(str(number)) for number in row) for row in values)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
