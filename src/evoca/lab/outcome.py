"""Figures of a training or a cross-validation, the same for every way of training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evoca.data.labelled import LabelledImages
from evoca.evaluation.conformal import prediction_sets
from evoca.runs import Predictions
from evoca.runs.result import Result, score

__all__ = ["HeldOut", "result_of"]


@dataclass(frozen=True)
class HeldOut:
    """Predictions of n images that were not learnt from, in R repeats.

    Attributes:
        probabilities: (R, n, K), calibrated.
        fold: (R, n), the fold an image was held out in; -1 where there are no folds.
        threshold: (R, n), of each image's prediction set.
        temperature: (R, n), that its probabilities were made with.
        felt: (R, n, 2), predicted valence and arousal; ``None`` without.
    """

    probabilities: NDArray[np.float64]
    fold: NDArray[np.int_]
    threshold: NDArray[np.float64]
    temperature: NDArray[np.float64]
    felt: NDArray[np.float64] | None = None

    @classmethod
    def once(
        cls,
        probabilities: NDArray[np.float64],
        *,
        threshold: float,
        temperature: float,
        felt: NDArray[np.float64] | None = None,
    ) -> HeldOut:
        """Take the predictions (n, K), and of ratings (n, 2), of one model."""
        shape = (1, len(probabilities))
        return cls(
            probabilities[None],
            np.full(shape, -1, dtype=np.int64),
            np.full(shape, threshold),
            np.full(shape, temperature),
            None if felt is None else felt[None],
        )

    def in_set(self) -> NDArray[np.bool_]:
        """Return (R, n, K): which labels each image's prediction set holds."""
        own = self.threshold[..., None]
        return np.stack(
            [prediction_sets(p, t) for p, t in zip(self.probabilities, own, strict=True)]
        )


def result_of(
    images: LabelledImages,
    held_out: HeldOut,
    coverage: float,
    *,
    notes: tuple[str, ...] = (),
    chose: bool = False,
) -> Result:
    """Score predictions of images that were not learnt from.

    Args:
        images: n of them, in groups.
        held_out: what was predicted of them.
        coverage: that prediction sets state, 0..1.
        notes: what a reader must know; those of the scores follow.
        chose: whether temperature and threshold were chosen on these very images; a
            comparison with others would then flatter the model.
    """
    predictions = Predictions(
        images=images.names,
        groups=images.group_names(),
        truth=images.truth,
        labels=images.labels,
        probabilities=held_out.probabilities,
        fold=held_out.fold,
        in_set=held_out.in_set(),
        distribution=images.distribution,
        agreement=images.agreement,
        rated=None if held_out.felt is None else images.affect,
        felt=held_out.felt,
        hashes=images.file_hashes(),
    )
    found = score(predictions, images.groups, held_out.temperature, coverage, chose=chose)
    return replace(found, notes=(*notes, *found.notes))
