"""Images to look at by hand: the most confident errors, and labels that may be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoca.errors import MissingExtraError
from evoca.metrics.checks import IntArray
from evoca.report.run_predictions import ScoredRun

__all__ = ["MOST_SHOWN", "Doubts", "doubted_labels"]

MOST_SHOWN = 24
"""Images in each of the two rows."""


@dataclass(frozen=True)
class Doubts:
    """Labels that may be wrong.

    Attributes:
        rows: the images, the least believable label first.
        missing: why they were not looked for; empty where they were.
    """

    rows: IntArray
    missing: str = ""


def doubted_labels(scored: ScoredRun) -> Doubts:
    """Find labels that may be wrong, by confident learning on held-out predictions.

    Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in
    Dataset Labels", JAIR, as cleanlab has it: an image is doubted where the model is more
    confident of another label than it usually is, and these are ranked by the probability
    of their own label.
    """
    nothing = np.empty(0, dtype=np.int64)
    kept = np.flatnonzero(scored.labelled)
    truth = scored.predictions.truth[kept]
    if len(np.unique(truth)) < 2:
        return Doubts(nothing, "fewer than two emotions have a labelled image")
    if not scored.held_out:
        return Doubts(
            nothing,
            "the model has seen these images in training, or the run does not say: "
            "it would find the labels it learnt believable",
        )
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        return Doubts(
            nothing, MissingExtraError("looking for label errors", "crowd", "cleanlab").cause
        )
    found = find_label_issues(
        truth,
        scored.predictions.mean[kept],
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return Doubts(np.asarray(kept[np.asarray(found, dtype=np.int64)], dtype=np.int64))
