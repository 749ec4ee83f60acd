"""SIFT descriptors on a grid (Lowe 2004; on grids, Bosch et al. 2007), by OpenCV."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EvocaError, needs_extra
from evoca.images.preprocess import Preprocessing
from evoca.lab.model_options import SiftWords

__all__ = ["LENGTH", "DenseSift"]

LENGTH = 128
"""Numbers of a descriptor."""


class DenseSift:
    """All descriptors of a picture side by side; see :class:`evoca.lab.features.Extractor`.

    Attributes:
        width: numbers a picture.
        fingerprint: of all that decides them but the picture.
    """

    def __init__(self, options: SiftWords, preprocessing: Preprocessing) -> None:
        """Lay out the grid.

        Raises:
            EvocaError: the pictures are smaller than a step.
            MissingExtraError: OpenCV is not installed.
        """
        with needs_extra("baselines", "SIFT"):
            import cv2
        first = options.step // 2
        ys, xs = (
            range(first, n, options.step) for n in (preprocessing.height, preprocessing.width)
        )
        if not ys or not xs:
            raise EvocaError(f"model.step: the pictures are smaller than {options.step} pixels")
        self._grid = [cv2.KeyPoint(x, y, options.diameter, 0) for y in ys for x in xs]
        self._sift = cv2.SIFT.create()
        self._cv2 = cv2
        self.width = len(self._grid) * LENGTH
        place = f"{options.step} {options.diameter} {preprocessing.height} {preprocessing.width}"
        self.fingerprint = f"dense-sift {cv2.__version__} {place}"

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (B, P 128, 1, 1) of pixels (B, H, W, 3)."""
        rows = [self._of(picture) for picture in pixels]
        return np.stack(rows)[:, :, None, None]

    def _of(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        grey = self._cv2.cvtColor(np.ascontiguousarray(picture), self._cv2.COLOR_RGB2GRAY)
        _, descriptors = self._sift.compute(grey, self._grid)
        return np.asarray(descriptors, dtype=np.float32).ravel()
