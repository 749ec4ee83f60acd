"""Figures with intervals, calibration and significance, from labels and probabilities.

In NumPy; needs no PyTorch. The figures themselves, as pure functions, are in
:mod:`evoca.metrics.functional`.
"""

from evoca.metrics.checks import NO_LABEL, encode_labels
from evoca.metrics.evaluate import evaluate_predictions
from evoca.metrics.ground_truth import Affect, paired_affect
from evoca.metrics.result import EmotionFigures, Figure, Report

__all__ = [
    "NO_LABEL",
    "Affect",
    "EmotionFigures",
    "Figure",
    "Report",
    "encode_labels",
    "evaluate_predictions",
    "paired_affect",
]
