"""Reading of the text in pictures. Needs the extra ``vision``.

PP-OCR, inside rapidocr (Apache-2.0, with weights in the package: nothing is downloaded).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.errors import MissingExtraError
from evoca.images.boxes import Box
from evoca.privacy import onnxruntime

__all__ = ["TextLine", "TextReader", "as_bgr", "package_folder", "scaled", "text_reader"]

_TEXT_SIDE = 512  # smaller pictures are enlarged to this shorter side before the search
_TEXT_LONGEST = 1600  # larger ones are shrunk to this longer side
_TEXT_LEAST = 32  # a thinner strip has no readable line
_TEXT_SCORE = 0.8
_TEXT_LETTERS = 3


class TextLine(NamedTuple):
    """A line that was read.

    Attributes:
        text: its content, at least three letters or digits.
        box: its place in the picture.
        score: confidence of the reader, 0.8..1.
    """

    text: str
    box: Box
    score: float


TextReader: TypeAlias = Callable[[Image.Image], tuple[TextLine, ...]]
"""From an upright picture of mode RGB to its lines; safe to share between threads."""


def text_reader() -> TextReader:
    """Return a reader of text.

    Raises:
        MissingExtraError: without rapidocr.
    """
    folder = package_folder("rapidocr", "cv2")
    if folder is None:
        raise MissingExtraError("finding text", "vision", "rapidocr")
    onnxruntime()  # rapidocr imports it too
    from rapidocr import RapidOCR

    models = folder / "models"
    engine = RapidOCR(
        params={
            # With the files named, the package downloads none.
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "Det.limit_side_len": _TEXT_LEAST,  # the picture comes at the right size
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
    lock = threading.Lock()  # an engine may not be safe to share

    def read(picture: Image.Image) -> tuple[TextLine, ...]:
        enlarge = max(1.0, _TEXT_SIDE / min(picture.size))
        small = scaled(picture, min(enlarge, _TEXT_LONGEST / max(picture.size)))
        if min(small.size) < _TEXT_LEAST:
            return ()
        with lock:
            found: Any = engine(as_bgr(small))
        if found.boxes is None:
            return ()
        lines = []
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
            edges = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
            box = Box.of_pixels(edges, small.size)
            letters = sum(map(str.isalnum, text))
            if box is not None and score >= _TEXT_SCORE and letters >= _TEXT_LETTERS:
                lines.append(TextLine(text, box, float(score)))
        return tuple(lines)

    return read


def package_folder(package: str, *needs: str) -> Path | None:
    """Return the folder of a package, without importing it; ``None`` where one is missing."""
    if any(find_spec(need) is None for need in needs):
        return None
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def scaled(picture: Image.Image, factor: float) -> Image.Image:
    """Return a picture scaled by a factor."""
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def as_bgr(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a picture as an array for OpenCV, uint8 (H, W, 3), blue first."""
    return np.ascontiguousarray(np.asarray(picture, dtype=np.uint8)[..., ::-1])
