"""Images to check by hand: the most confident errors, and labels that may be wrong."""

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
        missing: why they were not searched for; empty where they were.
    """

    rows: IntArray
    missing: str = ""


def doubted_labels(scored: ScoredRun) -> Doubts:
    """Return labels that may be wrong, by confident learning on held-out predictions.

    Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in
    Dataset Labels", JAIR, as in cleanlab: a label may be wrong if the model is more confident
    of another label than usual. These labels are ranked by their probability.
    """
    nothing = np.empty(0, dtype=np.int64)
    kept = np.flatnonzero(scored.labelled)
    truth = scored.predictions.truth[kept]
    if len(np.unique(truth)) < 2:
        return Doubts(nothing, "fewer than two emotions have a labelled image")
    if not scored.held_out:
        return Doubts(
            nothing,
            "the model has seen these images in training, or the run does not "
            "record it: labels that it learnt would not be listed",
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
