"""Evoca: which emotions does an image evoke in its viewers?

>>> import evoca
>>> model = evoca.load()
>>> prediction = model.predict("examples/rocket.jpg")
>>> round(sum(prediction.probabilities.values()), 6)
1.0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import evoca.privacy  # noqa: F401  (first: libraries read its settings when imported)
from evoca.emotions import Emotion, Polarity
from evoca.errors import BundleError, EvocaError, ImageError

if TYPE_CHECKING:
    from evoca.evidence import EvidenceMap
    from evoca.prediction import Prediction
    from evoca.runtime.predictor import Predictor, load

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Emotion",
    "EvidenceMap",
    "EvocaError",
    "ImageError",
    "Polarity",
    "Prediction",
    "Predictor",
    "__version__",
    "load",
]

# NumPy and Pillow take a quarter of the start-up time: `evoca --help` does without.
_LAZY = {
    "EvidenceMap": "evoca.prediction",
    "Prediction": "evoca.prediction",
    "Predictor": "evoca.runtime.predictor",
    "load": "evoca.runtime.predictor",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'evoca' has no attribute {name!r}")
