"""Cross-validate, train and keep: what ``evoca crossval`` and ``evoca train`` do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.data.labelled import LabelledImages
from evoca.lab.copied import hashes_of
from evoca.lab.crossval import Calibrated, CrossValidation, calibrate, cross_validate, fit_head
from evoca.lab.deletion import DELETION_IMAGES, ExplainedProbe, deletion_test
from evoca.lab.features import Extractor, kept_features, load_pixels, pooled_features
from evoca.lab.fitters import Fitter
from evoca.lab.fixed import extractor_of, fitter_of
from evoca.lab.heads import LinearHead
from evoca.lab.holdout import require_folds
from evoca.lab.outcome import Outcome, outcome_of
from evoca.lab.prepare import Prepared, prepare
from evoca.lab.recipe import Recipe
from evoca.lab.run import run_description, write_head
from evoca.runs import new_run, write_json, write_predictions

__all__ = ["Measured", "Step", "measure", "train"]

Step = Callable[[str, int], Callable[[int], None]]
"""Announces a step of the work by name and size; gives what to call as it advances."""

Say = Callable[[str], None]
"""Shows a line."""


def _silent(name: str, total: int) -> Callable[[int], None]:
    del name, total
    return lambda _: None


def _unsaid(line: str) -> None:
    del line


@dataclass(frozen=True)
class Measured:
    """A cross-validated recipe.

    Attributes:
        prepared: the images.
        trunk: what computed the features.
        fitter: of the head.
        features: float32 (n, D), frozen.
        validation: held-out predictions, and the heads that made them.
        outcome: their figures.
    """

    prepared: Prepared
    trunk: Extractor
    fitter: Fitter
    features: NDArray[np.float32]
    validation: CrossValidation
    outcome: Outcome

    def model_of(self, index: int) -> ExplainedProbe:
        """Return the first repeat's model that was fitted without an image."""
        fold = int(self.validation.fold[0, index])
        temperature = self.validation.choices[fold].temperature
        head = self.validation.heads[fold]
        if not isinstance(head, LinearHead):
            raise TypeError(f"a {type(head).__name__} has no map to test")
        return ExplainedProbe(self.trunk, head, temperature)


def measure(
    recipe: Recipe,
    data: LabelledImages,
    step: Step = _silent,
    *,
    say: Say = _unsaid,
    cache: Path | None = None,
) -> Measured:
    """Compute features once and cross-validate the head on all images but the test ones.

    Args:
        recipe: what to measure.
        data: labelled images.
        step: announces progress.
        say: shows a line.
        cache: where features are kept for other runs; computed anew if omitted.

    Raises:
        DataError: a class has no image, or too few.
        ImageError: an image cannot be read.
    """
    prepared = prepare(data)
    for note in prepared.notes:
        say(f"evoca: {note}")
    images = prepared.images
    require_folds(images, recipe.protocol.folds, recipe.protocol.inner_folds)
    trunk, fitter = extractor_of(recipe), fitter_of(recipe, images.labels)
    if cache is None:
        batches = load_pixels(images.paths, recipe.preprocessing)
        features = pooled_features(trunk, batches, step("features", len(images)))
    else:
        features = kept_features(trunk, images, recipe.preprocessing, cache, step)
    rounds = recipe.protocol.folds * recipe.protocol.repeats
    validation = cross_validate(
        features,
        images.truth,
        images.groups,
        fitter,
        recipe.protocol,
        step("cross-validation", rounds),
    )
    outcome = outcome_of(
        images, validation.held_out(), recipe.protocol.coverage, notes=prepared.notes
    )
    return Measured(prepared, trunk, fitter, features, validation, outcome)


def train(
    recipe: Recipe,
    data: LabelledImages,
    out: Path,
    step: Step = _silent,
    *,
    say: Say = _unsaid,
    data_name: str | None = None,
    cache: Path | None = None,
) -> Measured:
    """Measure a recipe, fit it on all images but the test ones, and write the run directory.

    Args:
        recipe: what to train.
        data: labelled images.
        out: the run directory; appears only when it is complete.
        step: announces progress.
        say: shows a line.
        data_name: what to call the data in the model card; the folder's or file's own
            name if omitted.
        cache: where features are kept for other runs; computed anew if omitted.

    Raises:
        EvocaError: the data or the folder cannot be used.
    """
    with new_run(out) as folder:
        measured = measure(recipe, data, step, say=say, cache=cache)
        images, protocol = measured.prepared.images, recipe.protocol
        if recipe.additive_probe:
            _test_by_deletion(folder, measured, recipe, step)
        known = measured.features, images.truth
        chosen = calibrate(*known, images.groups, measured.fitter, protocol, protocol.seed)
        head = fit_head(*known, measured.fitter, chosen.c)
        write_run(folder, recipe, measured, chosen, data_name)
        (folder / "checkpoints").mkdir()
        write_head(folder / "checkpoints" / "last", head)
    return measured


def _test_by_deletion(folder: Path, measured: Measured, recipe: Recipe, step: Step) -> None:
    images = measured.prepared.images
    deletion = deletion_test(
        measured.model_of,
        images.paths,
        recipe.preprocessing,
        images.labels,
        progress=step("deletion test", min(DELETION_IMAGES, len(images))),
    )
    write_json(folder / "deletion_test.json", deletion.model_dump(mode="json"))


def write_run(
    folder: Path,
    recipe: Recipe,
    measured: Measured,
    chosen: Calibrated | None = None,
    data_name: str | None = None,
) -> None:
    """Write ``run.json``, ``metrics.json`` and ``predictions.csv`` into a folder."""
    data = measured.prepared.images
    kind = "cross-validation" if chosen is None else "training"
    description = run_description(kind, recipe, measured.prepared, data_name)
    if chosen is not None:
        description["chosen"] = {
            "c": chosen.c,
            "temperature": chosen.temperature,
            "set_threshold": chosen.threshold,
        }
        description |= hashes_of(data, "training", measured.prepared.fingerprints)
    write_json(folder / "run.json", description)
    write_json(folder / "metrics.json", measured.outcome.figures())
    write_predictions(folder / "predictions.csv", measured.outcome.predictions)
