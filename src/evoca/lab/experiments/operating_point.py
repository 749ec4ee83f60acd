"""What a trained model predicts, and the operating point that validation images choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evoca.data.manifest.labelled import LabelledImages
from evoca.images.preprocess import Preprocessing
from evoca.lab.config.step import Step
from evoca.lab.training.data import Examples, PixelExamples, ratings_of
from evoca.lab.training.freezing import System, freeze, trainable_parameters
from evoca.lab.training.frozen_cache import cache_frozen
from evoca.lab.training.inference import ALONE, logits_of, plain_batches
from evoca.lab.training.machine import RunOptions
from evoca.metrics.calibration import fit_temperature
from evoca.metrics.conformal import interval_errors, set_threshold
from evoca.softmax import softmax

__all__ = ["OperatingPoint", "affect_in", "choose", "predict_logits", "run_over"]

_BATCH = 32


@dataclass(frozen=True)
class OperatingPoint:
    """The operating point that validation images choose for a trained system.

    Attributes:
        temperature: for softmax(logits / temperature).
        threshold: of the prediction set.
        c: of a support vector machine on the trained network's vectors; ``None`` without.
        chosen_on: logits (n, K) and labels (n,) of the validation images that have a label.
        affect_errors: half the widths of intervals of valence and arousal that hold the rating of
            a new image with the stated coverage; ``None`` where no image is rated.
    """

    temperature: float
    threshold: float
    c: float | None = None
    chosen_on: tuple[NDArray[np.float64], NDArray[np.int64]] | None = field(
        default=None, repr=False, compare=False
    )
    affect_errors: tuple[float, float] | None = None


def predict_logits(
    system: System,
    step: Step,
    images: LabelledImages,
    preprocessing: Preprocessing,
    options: RunOptions,
) -> NDArray[np.float32]:
    """Return the logits of images, in full precision.

    Args:
        system: trained.
        step: the last one; what it left frozen may be cached already.
        images: to predict.
        preprocessing: of the recipe.
        options: how to run.

    Returns:
        float32 (n, K); (n, K + 2) where the system predicts valence and arousal too.

    Raises:
        ImageError: an image cannot be read.
    """
    freeze(system, trainable_parameters(system, step))
    plain = step.model_copy(update={"augmentation": (), "mixup": 0.0})
    kept = cache_frozen(system, plain, (images, None), preprocessing, 0, options)
    network, workers = cast("nn.Module", system), options.loader_workers
    examples: Examples = PixelExamples(images, preprocessing, (), seed=0)
    if kept is not None:
        network, examples, workers = kept.network, kept.train, 0
    device = torch.device("cuda" if options.on_gpu else "cpu")
    network.to(device)
    batches = plain_batches(examples, len(images), _BATCH, workers, ALONE)
    logits = logits_of(network, batches, len(images), device, place=ALONE)
    cast("nn.Module", system).to("cpu").eval()
    return logits.numpy()


def run_over(
    network: nn.Module,
    compute: Callable[[Tensor], tuple[Tensor, ...]],
    images: LabelledImages,
    preprocessing: Preprocessing,
    options: RunOptions,
) -> list[NDArray[np.float32]]:
    """Return tensors computed from every image, in full precision, without gradients.

    Args:
        network: what computes it; is in evaluation mode, and frozen, from then on.
        compute: tensors (N, ...) of pixels uint8 (N, H, W, 3).
        images: to compute from.
        preprocessing: of the recipe.
        options: how to run.

    Returns:
        Each of the tensors for all images, (n, ...).

    Raises:
        ImageError: an image cannot be read.
    """
    device = torch.device("cuda" if options.on_gpu else "cpu")
    network.eval().requires_grad_(requires_grad=False).to(device)
    examples = PixelExamples(images, preprocessing, (), seed=0)
    batches = plain_batches(examples, len(images), _BATCH, options.loader_workers, ALONE)
    with torch.inference_mode():
        found = [
            [part.float().cpu() for part in compute(cast("Tensor", pixels).to(device))]
            for pixels in batches
        ]
    network.to("cpu")
    return [torch.cat(parts).numpy() for parts in zip(*found, strict=True)]


def choose(
    predictions: NDArray[np.float32], images: LabelledImages, step: Step, coverage: float
) -> OperatingPoint:
    """Return temperature (Guo et al. 2017) and set threshold (Sadinle et al. 2019), fitted.

    Where a step learns the viewers' distributions, so does the temperature. Without a
    label nothing can be chosen: the temperature stays 1 and sets hold every label.

    Args:
        predictions: (n, K) logits of validation images, or (n, K + 2).
        images: those.
        step: the last one.
        coverage: of the prediction sets.
    """
    labelled = images.truth >= 0
    errors = _affect_errors(predictions[:, len(images.labels) :], images, coverage)
    if not labelled.any():
        return OperatingPoint(1.0, 0.0, affect_errors=errors)
    logits, truth = predictions[:, : len(images.labels)].astype(np.float64), images.truth[labelled]
    shares = images.distribution if step.targets == "distribution" else None
    voted = labelled if shares is None else np.asarray(np.isfinite(shares).all(axis=1))
    if shares is None or not voted.any():
        temperature = fit_temperature(logits[labelled], truth)
    else:
        temperature = fit_temperature(logits[voted], shares[voted])
    own = softmax(logits[labelled], temperature)
    threshold = set_threshold(own, truth, coverage)
    return OperatingPoint(
        temperature, threshold, chosen_on=(logits[labelled], truth), affect_errors=errors
    )


def _affect_errors(
    affect: NDArray[np.float32], images: LabelledImages, coverage: float
) -> tuple[float, float] | None:
    rated = ratings_of(images)
    if not affect.shape[1] or not np.isfinite(rated).any(axis=0).all():
        return None
    return interval_errors(np.abs(affect - rated), coverage)


def affect_in(predictions: NDArray[np.float32], labels: int) -> NDArray[np.float64] | None:
    """Return valence and arousal (n, 2) of predictions (n, K + 2); ``None`` without."""
    affect = predictions[:, labels:].astype(np.float64)
    return affect if affect.shape[1] else None
