"""What predicts after all steps: the trained network, or a machine fitted on its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError, EvocaError
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.operating_point import predict_logits, run_over
from evoca.lab.heads.factory import head_fitter
from evoca.lab.heads.svm import SvmMachine
from evoca.lab.training import RunOptions
from evoca.lab.training.freezing import System
from evoca.metrics.calibration import likeliest

__all__ = ["MachineScorer", "NetworkScorer", "Scorer", "scorer_of"]


class Scorer(Protocol):
    """Computes the logits of images."""

    @property
    def c(self) -> float | None:
        """The C that validation images chose; ``None`` where there is no machine."""

    def logits(self, images: LabelledImages) -> NDArray[np.float32]:
        """Return (n, K), or (n, K + 2) with valence and arousal."""


@dataclass(frozen=True)
class NetworkScorer:
    """The trained network itself."""

    recipe: Recipe
    system: System
    options: RunOptions
    c: None = None

    def logits(self, images: LabelledImages) -> NDArray[np.float32]:
        """See :func:`evoca.lab.experiments.operating_point.predict_logits`."""
        step = self.recipe.steps[-1]
        return predict_logits(self.system, step, images, self.recipe.preprocessing, self.options)


@dataclass(frozen=True)
class MachineScorer:
    """A machine on the vectors that the trained network computes."""

    recipe: Recipe
    system: System
    options: RunOptions
    machine: SvmMachine

    @property
    def c(self) -> float:
        """The C of the machine."""
        return self.machine.c

    def logits(self, images: LabelledImages) -> NDArray[np.float32]:
        """Return the machine's decision values (n, K)."""
        vectors = _vectors(self.recipe, self.system, images, self.options)
        return self.machine.logits(vectors).astype(np.float32)


def scorer_of(
    recipe: Recipe,
    system: System,
    train: LabelledImages,
    validation: LabelledImages,
    options: RunOptions,
) -> NetworkScorer | MachineScorer:
    """Return what predicts; the recipe's head is fitted first where it has one.

    Args:
        recipe: with steps.
        system: trained.
        train: what it was trained on, and the head is fitted on.
        validation: chooses among the head's candidates.
        options: how to run.

    Raises:
        DataError: a label has no training image.
        EvocaError: the system has no vector.
        ImageError: an image cannot be read.
    """
    head = recipe.head
    if head is None or not head.after_steps:
        return NetworkScorer(recipe, system, options)
    train, validation = train.with_truth(), validation.with_truth()
    counts = np.bincount(train.truth, minlength=len(train.labels))
    if missing := [label for label, n in zip(train.labels, counts, strict=True) if not n]:
        raise DataError(
            f"{train.source}: a support vector machine needs an image of every label to learn "
            f"from; none is {', '.join(missing)}"
        )
    vectors, seen = (_vectors(recipe, system, part, options) for part in (train, validation))
    fitter = head_fitter(head)
    machines = list(fitter.path(vectors, train.truth, fitter.candidates))
    best, _ = likeliest([machine.logits(seen) for machine in machines], validation.truth)
    return MachineScorer(recipe, system, options, cast("SvmMachine", machines[best]))


def _vectors(
    recipe: Recipe, system: System, images: LabelledImages, options: RunOptions
) -> NDArray[np.float32]:
    network = cast("nn.Module", system)

    def embedding(pixels: Tensor) -> tuple[Tensor, ...]:
        found: Tensor | None = network(pixels).embedding
        if found is None:
            raise EvocaError(f"{recipe.name}: a {recipe.model.system} has no vector to fit on")
        return (found,)

    return run_over(network, embedding, images, recipe.preprocessing, options)[0]
