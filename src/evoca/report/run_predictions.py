"""A run's predictions compared with the truth, image by image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evoca.metrics.checks import FloatArray, IntArray
from evoca.metrics.ties import top_labels
from evoca.runs import Predictions, Run
from evoca.runs.robustness import RobustnessResult

__all__ = ["ScoredRun"]


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """The predictions of a run for its n images, over R repeats and K labels.

    Attributes:
        run: that they are of.
        predictions: its table.
        robustness: the robustness test of its model; ``None`` without one.
    """

    run: Run
    predictions: Predictions
    robustness: RobustnessResult | None = None

    @classmethod
    def of_run(cls, run: Run, robustness: RobustnessResult | None = None) -> ScoredRun:
        """Return a run with its predictions and, unless one is given, its folder's robustness test.

        Raises:
            EvocaError: they are missing or damaged.
        """
        return cls(run, run.predictions, robustness or run.robustness)

    @property
    def labels(self) -> tuple[str, ...]:
        """The K labels."""
        return self.predictions.labels

    @property
    def coverage_goal(self) -> float | None:
        """The share of images whose truth the prediction sets were built to hold."""
        place: object = self.run.description
        for key in ("recipe", "protocol", "coverage"):
            place = place.get(key) if isinstance(place, Mapping) else None
        return place if isinstance(place, float) else None

    @property
    def held_out(self) -> bool:
        """Whether, as far as the run records, no model predicted an image it learnt from."""
        folded = bool((self.predictions.fold >= 0).all())
        about = self.run.description
        return folded or (
            about.get("training_images") == 0 and not about.get("copies_of_training_images")
        )

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which images have one true label, (n,)."""
        return self.predictions.truth >= 0

    @cached_property
    def labelled_groups(self) -> list[str]:
        """The groups of those images, as in the table."""
        pairs = zip(self.predictions.groups, self.labelled, strict=True)
        return [group for group, known in pairs if known]

    @cached_property
    def predicted(self) -> IntArray:
        """The top label in each repeat, (R, n)."""
        return top_labels(self.predictions.probabilities, self.labels)

    @cached_property
    def top_label(self) -> IntArray:
        """The top label of the distribution averaged over the repeats, (n,)."""
        return top_labels(self.predictions.mean, self.labels)

    @cached_property
    def confidence(self) -> FloatArray:
        """The averaged probability of that label, (n,)."""
        return np.asarray(self.predictions.mean.max(axis=1), dtype=np.float64)

    @cached_property
    def own(self) -> FloatArray:
        """The averaged probability of the true label, (n,); NaN without one."""
        truth = np.maximum(self.predictions.truth, 0)
        found = np.take_along_axis(self.predictions.mean, truth[:, None], axis=1)[:, 0]
        return np.where(self.labelled, found, np.nan)

    @cached_property
    def wrong(self) -> FloatArray:
        """The share of repeats in which the top label is not the true one, (n,); NaN without."""
        share = (self.predicted != self.predictions.truth).mean(axis=0)
        return np.where(self.labelled, share, np.nan)

    @cached_property
    def errors(self) -> IntArray:
        """The images whose top label over all repeats is wrong, the most confident first."""
        rows = np.flatnonzero(self.labelled & (self.top_label != self.predictions.truth))
        return np.asarray(rows[np.argsort(-self.confidence[rows], kind="stable")], dtype=np.int64)
