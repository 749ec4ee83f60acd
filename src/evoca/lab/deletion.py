"""Run the deletion test on held-out images of a cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.deletion import centre_map, deletion_masks, relative_area, remove_cells
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import load_image
from evoca.lab.crossval import CrossValidation
from evoca.lab.features import Extractor
from evoca.lab.heads import LinearHead
from evoca.prediction import EvidenceMap
from evoca.runtime.card import DeletionTest, Metric
from evoca.softmax import softmax

__all__ = ["deletion_test"]


def deletion_test(
    trunk: Extractor,
    validation: CrossValidation,
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    labels: tuple[str, ...],
    *,
    images: int = 200,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> DeletionTest:
    """Compare the evidence map with a random and a centre map.

    Every image is judged by the head of the first repeat that was fitted without it.

    Args:
        trunk: the frozen backbone; its maps do not depend on the fold.
        validation: gives the heads and folds of the first repeat.
        paths: (n,) images, in the order of the validation.
        preprocessing: of the recipe.
        labels: K labels.
        images: how many to measure, drawn at random.
        seed: of that draw, of the random maps and of the interval.
        progress: called with 1 after each image.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(paths))[:images])
    areas = np.empty((len(chosen), 3))
    for row, index in enumerate(chosen):
        fold = int(validation.fold[0, index])
        head, temperature = validation.heads[fold], validation.choices[fold].temperature
        if not isinstance(head, LinearHead):
            raise TypeError(f"a {type(head).__name__} has no map to test")
        pixels = load_image(paths[index], preprocessing).pixels
        areas[row] = _areas(trunk, head, temperature, pixels, labels, rng)
        if progress is not None:
            progress(1)
    evidence, by_chance, centre = (float(mean) for mean in areas.mean(axis=0))
    return DeletionTest(
        evidence=evidence,
        random=by_chance,
        centre=centre,
        images=len(chosen),
        evidence_minus_random=_difference(areas[:, 0] - areas[:, 1], rng),
        evidence_minus_centre=_difference(areas[:, 0] - areas[:, 2], rng),
    )


def _areas(
    trunk: Extractor,
    head: LinearHead,
    temperature: float,
    pixels: NDArray[np.uint8],
    labels: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[float, ...]:
    def probabilities(
        batch: NDArray[np.uint8],
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        maps = trunk(batch)
        return softmax(head.logits(maps.mean(axis=(2, 3))), temperature), maps

    before, maps = probabilities(pixels[None])
    top = int(before[0].argmax())
    cells = np.einsum("kc,chw->khw", head.weight, maps[0]).astype(np.float32)
    own = EvidenceMap(cells, "additive", labels).of(labels[top])
    rivals = (own, rng.random(own.shape), centre_map(*own.shape))
    masks = np.concatenate([deletion_masks(importance) for importance in rivals])
    after, _ = probabilities(np.stack([remove_cells(pixels, mask) for mask in masks]))
    return tuple(
        relative_area(float(before[0, top]), part) for part in np.split(after[:, top], len(rivals))
    )


def _difference(values: NDArray[np.float64], rng: np.random.Generator) -> Metric:
    draws = rng.choice(values, size=(1000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Metric(value=float(values.mean()), ci95=(float(low), float(high)))
