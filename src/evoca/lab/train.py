"""Cross-validate, train and keep: what ``evoca crossval`` and ``evoca train`` do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.labelled import LabelledImages
from evoca.errors import DataError
from evoca.evaluation.evaluate import evaluate_predictions
from evoca.evaluation.means import mean_figure
from evoca.evaluation.result import Figure, Report
from evoca.lab.backbones import load_probe
from evoca.lab.crossval import Calibrated, CrossValidation, calibrate, cross_validate, fit_head
from evoca.lab.deletion import deletion_test
from evoca.lab.features import FrozenTrunk, kept_features, load_pixels, pooled_features
from evoca.lab.recipe import Recipe
from evoca.lab.run import run_description, write_head
from evoca.runs import Predictions, new_run, write_json, write_predictions

__all__ = ["Measured", "Step", "measure", "train"]

Step = Callable[[str, int], Callable[[int], None]]
"""Announces a step of the work by name and size; gives what to call as it advances."""


def _silent(name: str, total: int) -> Callable[[int], None]:
    del name, total
    return lambda _: None


@dataclass(frozen=True)
class Measured:
    """A cross-validated recipe.

    Attributes:
        trunk: the compiled backbone.
        features: float32 (n, D), frozen.
        validation: held-out predictions.
        report: the figures.
        sets: ``set_coverage`` and ``set_size`` of the held-out prediction sets.
    """

    trunk: FrozenTrunk
    features: NDArray[np.float32]
    validation: CrossValidation
    report: Report
    sets: Mapping[str, Figure]

    def figures(self) -> dict[str, Any]:
        """Return the report and the set figures as plain data."""
        sets = {name: figure.to_dict() for name, figure in self.sets.items()}
        return self.report.to_dict() | sets


def measure(
    recipe: Recipe, data: LabelledImages, step: Step = _silent, *, cache: Path | None = None
) -> Measured:
    """Compute features once and cross-validate the head on them.

    Args:
        recipe: what to measure.
        data: labelled images.
        step: announces progress.
        cache: where features are kept for other runs; computed anew if omitted.

    Raises:
        DataError: an image has no label, or a class is too small.
        ImageError: an image cannot be read.
    """
    _require_labels(data)
    backbone = load_probe(recipe)
    trunk = FrozenTrunk(backbone, recipe.preprocessing)
    if cache is None:
        batches = load_pixels(data.paths, recipe.preprocessing)
        features = pooled_features(trunk, batches, step("features", len(data.paths)))
    else:
        features = kept_features(trunk, data, recipe.preprocessing, cache, step)
    rounds = recipe.protocol.folds * recipe.protocol.repeats
    validation = cross_validate(
        features, data.truth, data.groups, recipe, step("cross-validation", rounds)
    )
    report = evaluate_predictions(data.truth, validation.probabilities, data.labels, data.groups)
    return Measured(trunk, features, validation, report, _set_figures(validation, data))


def _require_labels(data: LabelledImages) -> None:
    missing = np.flatnonzero(data.truth < 0)
    if len(missing):
        raise DataError(
            f"{len(missing)} images have no label, the first is {data.paths[missing[0]]}: "
            "leave them out or label them"
        )
    empty = np.flatnonzero(np.bincount(data.truth, minlength=len(data.labels)) == 0)
    if len(empty):
        names = ", ".join(data.labels[i] for i in empty)
        raise DataError(f"no image is labelled {names}: a class cannot be learnt from nothing")


def _set_figures(validation: CrossValidation, data: LabelledImages) -> dict[str, Figure]:
    inside = validation.in_set()
    hit = np.take_along_axis(inside, data.truth[None, :, None], axis=2)[..., 0]
    return {
        "set_coverage": mean_figure(hit.mean(axis=0), data.groups),
        "set_size": mean_figure(inside.sum(axis=2).mean(axis=0), data.groups),
    }


def train(
    recipe: Recipe,
    data: LabelledImages,
    out: Path,
    step: Step = _silent,
    *,
    data_name: str | None = None,
    cache: Path | None = None,
) -> Measured:
    """Measure a recipe, fit it on all images, and write the run directory.

    Args:
        recipe: what to train.
        data: labelled images.
        out: the run directory; appears only when it is complete.
        step: announces progress.
        data_name: what to call the data in the model card; the folder's or file's own
            name if omitted.
        cache: where features are kept for other runs; computed anew if omitted.

    Raises:
        EvocaError: the data or the folder cannot be used.
    """
    with new_run(out) as folder:
        measured = measure(recipe, data, step, cache=cache)
        deletion = deletion_test(
            measured.trunk,
            measured.validation,
            data.paths,
            recipe.preprocessing,
            data.labels,
            progress=step("deletion test", min(200, len(data.paths))),
        )
        seed = recipe.protocol.seed
        chosen = calibrate(measured.features, data.truth, data.groups, recipe, seed)
        head = fit_head(measured.features, data.truth, chosen.c)
        write_run(folder, recipe, data, measured, chosen, data_name)
        write_json(folder / "deletion_test.json", deletion.model_dump(mode="json"))
        (folder / "checkpoints").mkdir()
        write_head(folder / "checkpoints" / "last", head)
    return measured


def write_run(
    folder: Path,
    recipe: Recipe,
    data: LabelledImages,
    measured: Measured,
    chosen: Calibrated | None = None,
    data_name: str | None = None,
) -> None:
    """Write ``run.json``, ``metrics.json`` and ``predictions.csv`` into a folder."""
    # Not the whole path: it would tell of the machine, and say nothing on another.
    name = data_name or Path(data.source).name
    description = run_description(recipe, data.fingerprint(), len(data.paths), name)
    description["labels"] = list(data.labels)
    if chosen is not None:
        description["chosen"] = {
            "c": chosen.c,
            "temperature": chosen.temperature,
            "set_threshold": chosen.threshold,
        }
        hashes = data.file_hashes()
        description["training_images"] = sorted({digest[:16] for digest in hashes})
    write_json(folder / "run.json", description)
    write_json(folder / "metrics.json", measured.figures())
    write_predictions(
        folder / "predictions.csv",
        Predictions(
            images=data.names,
            groups=data.group_names(),
            truth=data.truth,
            labels=data.labels,
            probabilities=measured.validation.probabilities,
            fold=measured.validation.fold,
            in_set=measured.validation.in_set(),
            distribution=data.distribution,
            agreement=data.agreement,
        ),
    )
