"""Cross-validate, train and test a head on frozen features that learns from several sources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.copies import hashes_of
from evoca.lab.experiments.deletion import DELETION_IMAGES, ExplainedProbe, deletion_test
from evoca.lab.experiments.foldable import require_nested
from evoca.lab.experiments.holdout import in_source
from evoca.lab.experiments.preparation import Prepared, prepare
from evoca.lab.experiments.results import HeldOut, result_of
from evoca.lab.experiments.run_files import (
    choice,
    choice_in_fold,
    class_frequencies,
    describe_sources,
    run_description,
    write_calibration,
    write_head,
)
from evoca.lab.experiments.several_sources import (
    HeldOutOfSources,
    JointChoice,
    cross_validate_sources,
    figures_by_source,
    fit_sources,
    leave_out_source,
    not_taught,
    require_head,
)
from evoca.lab.features.extract import Extractor, kept_features, load_pixels, pooled_features
from evoca.lab.heads.factory import extractor_of
from evoca.lab.training.machine import RunOptions
from evoca.runs import new_run, write_json, write_predictions
from evoca.runs.result import Result

__all__ = ["measure_sources", "train_sources"]


@dataclass(frozen=True, eq=False)
class _Measured:
    """A recipe measured on several sources.

    Attributes:
        prepared: the images.
        trunk: what computed the features.
        features: float32 (n, D).
        held_out: predictions of images that were not learnt from.
        result: the scores.
    """

    prepared: Prepared
    trunk: Extractor
    features: NDArray[np.float32]
    held_out: HeldOutOfSources
    result: Result

    def model_of(self, index: int) -> ExplainedProbe:
        """Return a model of the first repeat that was fitted without an image."""
        fold = int(self.held_out.fold[0, index])
        chosen, head = self.held_out.choices[fold], self.held_out.heads[fold]
        return ExplainedProbe(self.trunk, head.emotions, chosen.temperature)


def measure_sources(
    recipe: Recipe,
    data: LabelledImages,
    options: RunOptions,
    out: Path | None = None,
    *,
    leave_out: str | None = None,
) -> Result:
    """Cross-validate a recipe on several sources, or test it on the one that is left out.

    Args:
        recipe: with a linear head.
        data: of several sources.
        options: where and how to run.
        out: the run directory; nothing is stored if omitted.
        leave_out: name of the source to predict, taught by all others.

    Raises:
        EvocaError: the recipe, the data or the folder cannot be used.
    """
    if out is None:
        return _measured(recipe, data, options, leave_out=leave_out).result
    with new_run(out) as folder:
        found = _measured(recipe, data, options, leave_out=leave_out)
        _write(folder, recipe, found, leave_out=leave_out)
    return found.result


def _measured(
    recipe: Recipe, data: LabelledImages, options: RunOptions, *, leave_out: str | None = None
) -> _Measured:
    require_head(recipe)
    if leave_out is not None:
        in_source(data, leave_out)
    prepared = prepare(data, recipe, require=partial(_require, recipe=recipe, leave_out=leave_out))
    for note in prepared.notes:
        options.say(f"evoca: {note}")
    trunk = extractor_of(recipe)
    features = _features(recipe, trunk, prepared.images, options)
    images, protocol = prepared.images, recipe.protocol
    if leave_out is None:
        advance = options.announce("cross-validation", protocol.folds * protocol.repeats)
        held_out = cross_validate_sources(recipe, images, features, advance)
    else:
        held_out = leave_out_source(recipe, images, features, leave_out)
    result = _result(recipe, prepared, held_out, leave_out=leave_out)
    notes = not_taught(result.predictions.truth, result.by_source, leave_out)
    for note in notes:
        options.say(f"evoca: {note}")
    result = replace(result, notes=(*notes, *result.notes))
    return _Measured(prepared, trunk, features, held_out, result)


def _require(
    images: LabelledImages, grouped: bool, *, recipe: Recipe, leave_out: str | None = None
) -> None:
    """Refuse a first source that cannot be divided."""
    teaching = images.teaching
    assert teaching is not None
    first = images.take(teaching.of == 0)
    if leave_out == teaching.sources[0]:
        return
    outer = leave_out is None
    require_nested(first, grouped, recipe.protocol, outer=outer, whole=not outer)


def _features(
    recipe: Recipe, trunk: Extractor, images: LabelledImages, options: RunOptions
) -> NDArray[np.float32]:
    pixels, workers = recipe.preprocessing, options.workers
    if options.cache is not None:
        return kept_features(trunk, images, pixels, options.cache, options.announce, workers)
    batches = load_pixels(images.paths, pixels, workers=workers)
    return pooled_features(trunk, batches, options.announce("features", len(images)))


def _result(
    recipe: Recipe,
    prepared: Prepared,
    found: HeldOutOfSources,
    *,
    leave_out: str | None = None,
) -> Result:
    known = np.asarray(np.isfinite(found.probabilities).all(axis=(0, 2)))
    images = prepared.images.take(known)
    affect = None if found.affect is None else found.affect[:, known]
    predictions = HeldOut(
        found.probabilities[:, known],
        found.fold[:, known],
        found.threshold[:, known],
        found.temperature[:, known],
        affect,
    )
    result = result_of(images, predictions, recipe.protocol.coverage, notes=prepared.notes)
    folds = recipe.protocol.folds
    choices = [
        choice_in_fold(*divmod(i, folds), own) | own.to_dict()
        for i, own in enumerate(found.choices)
    ]
    by_source = figures_by_source(
        prepared.images, found.probabilities, found.affect, found.half_width, left_out=leave_out
    )
    return replace(result, chosen_in_folds=tuple(choices), by_source=by_source)


def train_sources(
    recipe: Recipe,
    data: LabelledImages,
    out: Path,
    options: RunOptions,
    *,
    data_name: str | None = None,
) -> Result:
    """Fit a recipe on several sources, cross-validate it on them, and write the run directory.

    Args:
        recipe: with a linear head.
        data: of several sources; those of the split ``test`` stay unseen.
        out: the run directory; appears only when it is complete.
        options: where and how to run.
        data_name: what to call the data in the model card; the sources' names if omitted.

    Raises:
        EvocaError: the data or the folder cannot be used.
    """
    with new_run(out) as folder:
        measured = _measured(recipe, data, options)
        if recipe.additive_probe and options.deletion_test:
            _test_by_deletion(folder, measured, recipe, options)
        chosen, head = fit_sources(
            recipe, measured.prepared.images, measured.features, recipe.protocol.seed
        )
        result = replace(measured.result, chosen=choice(chosen) | chosen.to_dict())
        measured = replace(measured, result=result)
        _write(folder, recipe, measured, chosen, data_name)
        (folder / "checkpoints").mkdir()
        write_head(folder / "checkpoints" / "last", head)
    return result


def _test_by_deletion(
    folder: Path, measured: _Measured, recipe: Recipe, options: RunOptions
) -> None:
    images = measured.prepared.images
    assert images.teaching is not None
    # The images of the first source, as for a recipe that learns from it alone.
    first = np.flatnonzero(images.teaching.of == 0)

    def model_of(index: int) -> ExplainedProbe:
        return measured.model_of(int(first[index]))

    own = images.take(first)
    deletion = deletion_test(
        model_of,
        own.paths,
        recipe.preprocessing,
        own.labels,
        advance=options.announce("deletion test", min(DELETION_IMAGES, len(own))),
    )
    write_json(folder / "deletion_test.json", deletion.model_dump(mode="json"))


def _write(
    folder: Path,
    recipe: Recipe,
    measured: _Measured,
    chosen: JointChoice | None = None,
    data_name: str | None = None,
    *,
    leave_out: str | None = None,
) -> None:
    data = measured.prepared.images
    kind = "cross-validation" if chosen is None else "training"
    teaching = data.teaching
    assert teaching is not None
    description = run_description(kind, recipe, measured.prepared, data_name)
    describe_sources(description, data, leave_out)
    description["chosen_in_folds"] = list(measured.result.chosen_in_folds)
    if chosen is not None:
        description["chosen"] = choice(chosen) | chosen.to_dict()
        description["training_frequencies"] = class_frequencies(data.take(teaching.of == 0), recipe)
        write_calibration(folder, chosen)
        description |= hashes_of(data, "training", measured.prepared.fingerprints)
        description |= measured.result.copies
    write_json(folder / "run.json", description)
    write_json(folder / "metrics.json", measured.result.to_dict())
    write_predictions(folder / "predictions.csv", measured.result.predictions)
