"""How well a system does on the validation images that stopped it and chose for it.

Papers print such figures (sreenivas2018's search, jacobson2019) beside those of test images,
so runs keep them too, apart from their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.labelled import LabelledImages
from evoca.evaluation.evaluate import evaluate_predictions
from evoca.softmax import softmax

__all__ = ["Seen", "validation_figures"]

_KEPT = ("accuracy", "balanced_accuracy")
_NOTE = "of the validation images: where these stop the training or choose C, they flatter"


@dataclass(frozen=True, eq=False)
class Seen:
    """What one trained system predicts of its n validation images.

    Attributes:
        logits: float32 (n, K).
        truth: (n,) class indices; -1 where there is none.
        groups: (n,) clusters of copies, numbered alike in all folds.
    """

    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, answers: NDArray[np.float32], images: LabelledImages) -> Seen:
        """Take the answers (n, K), or (n, K + 2) with valence and arousal, to some images."""
        return cls(answers[:, : len(images.labels)], images.truth, images.groups)


def validation_figures(seen: Sequence[Seen], labels: Sequence[str]) -> dict[str, Any] | None:
    """Return accuracy and average recall on validation images as plain data.

    Those of several folds are pooled; an image that is a validation image in several of
    them counts in each, and its cluster of copies is drawn as a whole.

    Args:
        seen: one entry a trained system.
        labels: the K labels.

    Returns:
        ``n``, ``note`` and the figures with their intervals; ``None`` where fewer than two
        clusters have a label.
    """
    truth = np.concatenate([one.truth for one in seen])
    groups = np.concatenate([one.groups for one in seen])
    logits = np.concatenate([one.logits for one in seen])
    known = truth >= 0
    if len(np.unique(groups[known])) < 2:
        return None
    report = evaluate_predictions(
        truth[known], softmax(logits[known]), labels, groups[known], allow_missing=True
    )
    figures = {name: report[name].to_dict() for name in _KEPT if name in report.figures}
    return {"n": report.n, "note": _NOTE, **figures}
