"""The figures, as pure functions of NumPy arrays.

Three shapes keep every figure ready for the bootstrap, which only reweighs rows:

- functions of a confusion matrix take a stack of them (:mod:`.confusion`);
- functions of one row give one number per row, whose mean is the figure
  (:mod:`.scores`, :mod:`.distributions`);
- the rest takes ``weights``, how often each row counts (:mod:`.calibration_error`,
  :mod:`.affect`).

>>> import numpy as np
>>> truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
>>> counts = confusion_matrix(truth, predicted, classes=3)
>>> float(accuracy(counts)), round(float(balanced_accuracy(counts)), 4)
(0.75, 0.8333)
"""

from evoca.metrics.calibration_error import ece, ece_equal_width
from evoca.metrics.functional.affect import ccc, mae, pearson
from evoca.metrics.functional.confusion import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    macro_f1,
    precision,
    recall,
    support,
    weighted_f1,
)
from evoca.metrics.functional.distributions import (
    canberra,
    chebyshev,
    clark,
    cosine,
    intersection,
    kl,
    random_rater,
)
from evoca.metrics.functional.scores import brier, nll, polarity_hits, top_k_hits
from evoca.metrics.functional.wheel import (
    ecc,
    emc,
    severity_matrix,
    wheel_distance,
    wheel_matrix,
)

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "brier",
    "canberra",
    "ccc",
    "chebyshev",
    "clark",
    "confusion_matrix",
    "cosine",
    "ecc",
    "ece",
    "ece_equal_width",
    "emc",
    "f1",
    "intersection",
    "kl",
    "macro_f1",
    "mae",
    "nll",
    "pearson",
    "polarity_hits",
    "precision",
    "random_rater",
    "recall",
    "severity_matrix",
    "support",
    "top_k_hits",
    "weighted_f1",
    "wheel_distance",
    "wheel_matrix",
]
