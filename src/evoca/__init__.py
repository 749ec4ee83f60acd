"""Evoca: which emotions does an image evoke in its viewers?

>>> import evoca
>>> model = evoca.load()
>>> prediction = model.predict("examples/rocket.jpg")
>>> round(sum(prediction.probabilities.values()), 6)
1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import evoca.privacy  # noqa: F401  (first: libraries read its settings when imported)
from evoca.emotions import Emotion, Polarity
from evoca.errors import BundleError, EvocaError, ImageError
from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.adapters.huggingface import pipeline
    from evoca.evidence import EvidenceMap
    from evoca.lab.estimator import EmotionClassifier
    from evoca.prediction import Prediction
    from evoca.runtime.predictor import Predictor, load
    from evoca.runtime.tables import to_frame, to_pandas, to_polars

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Emotion",
    "EmotionClassifier",
    "EvidenceMap",
    "EvocaError",
    "ImageError",
    "Polarity",
    "Prediction",
    "Predictor",
    "__version__",
    "load",
    "pipeline",
    "to_frame",
    "to_pandas",
    "to_polars",
]

# NumPy and Pillow take a quarter of the start-up time: `evoca --help` does without.
_LAZY = {
    "EmotionClassifier": "evoca.lab.estimator",
    "EvidenceMap": "evoca.prediction",
    "Prediction": "evoca.prediction",
    "Predictor": "evoca.runtime.predictor",
    "load": "evoca.runtime.predictor",
    "pipeline": "evoca.adapters.huggingface",
    "to_frame": "evoca.runtime.tables",
    "to_pandas": "evoca.runtime.tables",
    "to_polars": "evoca.runtime.tables",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY, __all__)
