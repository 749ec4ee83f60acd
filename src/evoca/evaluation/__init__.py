"""How good a model is: figures with intervals, calibration, significance.

Works on labels and predicted probabilities alone, in NumPy; needs no PyTorch.
"""

from evoca.evaluation.checks import NO_LABEL, encode_labels
from evoca.evaluation.evaluate import evaluate_predictions
from evoca.evaluation.result import EmotionFigures, Figure, Report
from evoca.evaluation.truth import Affect, paired_affect

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
