"""What a step learns from labelled images: targets, and the loss that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoca.data.manifest.labelled import LabelledImages
from evoca.data.teaching import (
    PolarityOfValence,
    fit_polarity,
    shares_with_polarity,
    source_offsets,
)
from evoca.errors import DataError
from evoca.lab.config.recipe import Sources
from evoca.lab.config.step import CrossEntropy, Divergence, Step
from evoca.lab.training.data import ratings_of, targets_of
from evoca.lab.training.losses import (
    Criterion,
    criterion,
    rating_error,
    sums_cross_entropy,
    with_affect,
)

__all__ = ["Lessons", "OneSource", "SeveralSources", "lessons_of"]


class Lessons(Protocol):
    """Targets of images for a step, and its loss on them."""

    def targets(self, images: LabelledImages) -> NDArray[np.float32]:
        """Return the targets of images, a row each.

        Raises:
            DataError: an image has none of what the step learns.
        """

    def criterion(self) -> Criterion:
        """Return the loss of predictions (N, K), or (N, K + 2), and of such targets.

        Raises:
            EvocaError: the loss does not fit the labels.
        """


@dataclass(frozen=True, eq=False)
class OneSource:
    """Images whose labels are those that are learnt: see :func:`targets_of`."""

    train: LabelledImages
    step: Step

    def targets(self, images: LabelledImages) -> NDArray[np.float32]:
        """Return the targets of images, float32 (n, K) or (n, K + 2)."""
        return targets_of(images, self.step)

    def criterion(self) -> Criterion:
        """Return the step's loss."""
        step, labels = self.step, self.train.labels
        emotions = self.targets(self.train)[:, : len(labels)]
        known = np.isfinite(emotions).all(axis=1)
        counts = np.bincount(emotions[known].argmax(axis=1), minlength=len(labels))
        own = criterion(step.loss, labels, counts.tolist())
        return with_affect(own, len(labels), step.affect_weight) if step.affect_weight else own


@dataclass(frozen=True, eq=False)
class SeveralSources:
    """Images of several sources, each of which teaches sums of the labels, see
    :mod:`evoca.data.teaching`.

    A row of targets is, for K labels and C sets of them: C shares, times the weight of the
    source; K log frequencies of the source less those of the first (logit adjustment, Menon et
    al. 2021, equation 10); valence and arousal, NaN where unknown, if the step learns them.

    Attributes:
        train: the images to learn from, which the curve of polarity was fitted on.
        step: states loss and weight of the ratings.
        weights: of each source's images.
        curve: see :func:`evoca.data.teaching.fit_polarity`.
    """  # noqa: D205

    train: LabelledImages
    step: Step
    weights: tuple[float, ...]
    curve: PolarityOfValence | None

    def targets(self, images: LabelledImages) -> NDArray[np.float32]:
        """Return the targets of images, float32 (n, C + K) or (n, C + K + 2)."""
        teaching = images.teaching
        assert teaching is not None
        shares = shares_with_polarity(images, self.curve)
        offsets = source_offsets(self._shares(), self._of(), teaching.matrix())
        weight = np.array(self.weights)[teaching.of]
        parts = [shares * weight[:, None], offsets[teaching.of]]
        if self.step.affect_weight:
            parts.append(ratings_of(images))
        return np.hstack(parts).astype(np.float32)

    def _shares(self) -> NDArray[np.float64]:
        return shares_with_polarity(self.train, self.curve)

    def _of(self) -> NDArray[np.int64]:
        assert self.train.teaching is not None
        return self.train.teaching.of

    def criterion(self) -> Criterion:
        """Return the cross-entropy of sums, and the error of ratings where they are learnt."""
        teaching, loss = self.train.teaching, self.step.loss
        assert teaching is not None
        if not isinstance(loss, CrossEntropy | Divergence):
            raise DataError(
                f"step {self.step.name}: the loss {loss.kind} is not defined for sums of "
                "emotions, which several sources teach: use cross_entropy or kl"
            )
        if self.step.sampling == "weighted" or self.step.mixup:
            raise DataError(
                f"step {self.step.name}: several sources are learnt from with sampling: shuffle "
                "and without mixup"
            )
        smoothing = loss.smoothing if isinstance(loss, CrossEntropy) else 0.0
        matrix = torch.tensor(teaching.matrix(), dtype=torch.float32)
        columns, labels = matrix.shape
        weight = self.step.affect_weight

        def of_sums(predictions: Tensor, target: Tensor) -> Tensor:
            shares, offsets = target[:, :columns], target[:, columns : columns + labels]
            logits = predictions[:, :labels] + offsets
            own = sums_cross_entropy(logits, shares, matrix.to(logits), smoothing)
            if not weight:
                return own
            rated = target[:, columns + labels :]
            return own + weight * rating_error(predictions[:, labels:], rated)

        return of_sums


def lessons_of(train: LabelledImages, step: Step, sources: Sources) -> Lessons:
    """Return what a step learns from images.

    Args:
        train: the images to learn from.
        step: of a recipe.
        sources: of the recipe.

    Raises:
        DataError: several weights of a source are given; a search chooses one.
    """
    teaching = train.teaching
    if teaching is None:
        return OneSource(train, step)
    candidates = sources.candidates(teaching.sources)
    if len(candidates) > 1:
        raise DataError(
            "sources.weights: a recipe with steps takes one weight, such as --set "
            "sources.weights=[0.3]; evoca search chooses among several"
        )
    return SeveralSources(train, step, candidates[0], fit_polarity(train))
