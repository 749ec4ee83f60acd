"""What a trained system answers, and what is chosen on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evoca.data.labelled import LabelledImages
from evoca.evaluation import paired_affect
from evoca.evaluation.calibration import fit_temperature
from evoca.evaluation.conformal import prediction_sets, set_threshold
from evoca.evaluation.evaluate import evaluate_predictions
from evoca.evaluation.result import Report
from evoca.evaluation.set_figures import SetFigures, set_figures
from evoca.images.preprocess import Preprocessing
from evoca.lab.examples import Examples, PixelExamples
from evoca.lab.fitting.measure import ALONE, logits_of, plain_batches
from evoca.lab.fitting.options import RunOptions
from evoca.lab.freezing import System, freeze, trainable_parameters
from evoca.lab.kept import keep_frozen
from evoca.lab.steps import Step
from evoca.runs import Predictions
from evoca.softmax import softmax

__all__ = ["Chosen", "Outcome", "choose", "outcome_of", "predict_answers"]

_BATCH = 32


@dataclass(frozen=True)
class Chosen:
    """What validation images decide about a trained system.

    Attributes:
        temperature: for softmax(logits / temperature).
        threshold: of the prediction set.
    """

    temperature: float
    threshold: float


@dataclass(frozen=True)
class Outcome:
    """Figures of a training or a cross-validation.

    Attributes:
        predictions: what was predicted of images that were not learnt from.
        report: the figures.
        sets: of the prediction sets; ``None`` where no image has a label.
    """

    predictions: Predictions
    report: Report
    sets: SetFigures | None

    def figures(self) -> dict[str, Any]:
        """Return the report and the set figures as plain data."""
        if self.sets is None:
            return self.report.to_dict()
        return self.report.to_dict() | {
            "set_coverage": self.sets.coverage.to_dict(),
            "set_size": self.sets.size.to_dict(),
            "prediction_sets": {"model": self.sets.to_dict()},
        }


def predict_answers(
    system: System,
    step: Step,
    images: LabelledImages,
    preprocessing: Preprocessing,
    options: RunOptions,
) -> NDArray[np.float32]:
    """Compute the answers to images, in full precision.

    Args:
        system: trained.
        step: the last one; what it left frozen may be kept already.
        images: to predict.
        preprocessing: of the recipe.
        options: how to run.

    Returns:
        float32 (n, K), logits; (n, K + 2) where the system predicts valence and arousal.

    Raises:
        ImageError: an image cannot be read.
    """
    freeze(system, trainable_parameters(system, step))
    plain = step.model_copy(update={"augmentation": (), "mixup": 0.0})
    kept = keep_frozen(system, plain, (images, None), preprocessing, 0, options)
    network, workers = cast("nn.Module", system), options.loader_workers
    examples: Examples = PixelExamples(images, preprocessing, (), seed=0)
    if kept is not None:
        network, examples, workers = kept.network, kept.train, 0
    device = torch.device("cuda" if options.on_gpu else "cpu")
    network.to(device)
    batches = plain_batches(examples, len(images), _BATCH, workers, ALONE)
    answers = logits_of(network, batches, len(images), device, place=ALONE)
    cast("nn.Module", system).to("cpu").eval()
    return answers.numpy()


def choose(
    logits: NDArray[np.float32], images: LabelledImages, step: Step, coverage: float
) -> Chosen:
    """Fit temperature (Guo et al. 2017) and set threshold (Sadinle et al. 2019).

    Where a step learns the viewers' distributions, so does the temperature. Without a
    label nothing can be chosen: the temperature stays 1 and sets hold every label.

    Args:
        logits: (n, K) of validation images.
        images: those.
        step: the last one.
        coverage: of the prediction sets.
    """
    labelled, wide = images.truth >= 0, logits.astype(np.float64)
    if not labelled.any():
        return Chosen(1.0, 0.0)
    truth = images.truth[labelled]
    shares = images.distribution if step.targets == "distribution" else None
    voted = labelled if shares is None else np.isfinite(shares).all(axis=1)
    if shares is None or not voted.any():
        temperature = fit_temperature(wide[labelled], truth)
    else:
        temperature = fit_temperature(wide[voted], shares[voted])
    own = softmax(wide[labelled], temperature)
    return Chosen(temperature, set_threshold(own, truth, coverage))


def outcome_of(
    images: LabelledImages,
    probabilities: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    fold: NDArray[np.int64],
    felt: NDArray[np.float64] | None = None,
) -> Outcome:
    """Measure predictions.

    Args:
        images: n of them, each with some truth.
        probabilities: (R, n, K).
        thresholds: (R, n), of each image's prediction set.
        fold: (R, n); -1 where there are no folds.
        felt: (R, n, 2), predicted valence and arousal; ``None`` without.

    Raises:
        DataError: too few images with a truth.
    """
    inside = np.stack(
        [prediction_sets(p, t[:, None]) for p, t in zip(probabilities, thresholds, strict=True)]
    )
    predictions = Predictions(
        images=images.names,
        groups=images.group_names(),
        truth=images.truth,
        labels=images.labels,
        probabilities=probabilities,
        fold=fold,
        in_set=inside,
        distribution=images.distribution,
        agreement=images.agreement,
        rated=None if felt is None else images.affect,
        felt=felt,
    )
    report = evaluate_predictions(
        images.truth,
        probabilities,
        images.labels,
        images.groups,
        distributions=images.distribution,
        affect=paired_affect(images.affect, felt),
        names=images.names,
        allow_missing=True,
    )
    rows = images.truth >= 0
    sets = None
    if len(np.unique(images.groups[rows])) > 1:
        sets = set_figures(inside[:, rows], images.truth[rows], images.labels, images.groups[rows])
    return Outcome(predictions, report, sets)
