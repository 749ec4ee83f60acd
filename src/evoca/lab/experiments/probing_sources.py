"""Cross-validate, train and test a head on frozen features that learns from several sources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.deletion import ExplainedProbe
from evoca.lab.experiments.foldable import require_nested
from evoca.lab.experiments.holdout import first_source, of_first_source
from evoca.lab.experiments.preparation import Prepared, prepare
from evoca.lab.experiments.probing import test_by_deletion, write_run
from evoca.lab.experiments.results import RepeatedPredictions, result_of
from evoca.lab.experiments.run_files import (
    choice,
    choice_in_fold,
    write_head,
)
from evoca.lab.experiments.several_sources import (
    SourcePredictions,
    cross_validate_sources,
    fit_sources,
    leave_out_source,
    require_head,
    with_figures_by_source,
)
from evoca.lab.features.extract import Extractor, cached_features
from evoca.lab.heads.factory import extractor_of
from evoca.lab.training.machine import RunOptions
from evoca.runs import new_run
from evoca.runs.result import Result

__all__ = ["evaluate_sources", "train_sources"]


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """A recipe evaluated on several sources.

    Attributes:
        prepared: the images.
        trunk: what computed the features.
        features: float32 (n, D).
        predictions: of images that were not learnt from.
        result: the scores.
    """

    prepared: Prepared
    trunk: Extractor
    features: NDArray[np.float32]
    predictions: SourcePredictions
    result: Result

    def first_model_of(self, index: int) -> ExplainedProbe:
        """Return a model of the first repeat that was fitted without an image.

        Args:
            index: of the image, among those of the first source.
        """
        teaching = self.prepared.images.teaching
        assert teaching is not None
        fold = int(self.predictions.fold[0, teaching.of == 0][index])
        chosen, head = self.predictions.choices[fold], self.predictions.heads[fold]
        return ExplainedProbe(self.trunk, head.emotions, chosen.temperature)


def evaluate_sources(
    recipe: Recipe,
    data: LabelledImages,
    options: RunOptions,
    out: Path | None = None,
    *,
    leave_out: str | None = None,
) -> Result:
    """Return the scores of a recipe on several sources, in folds or on the one left out.

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
        return _evaluated(recipe, data, options, leave_out=leave_out).result
    with new_run(out) as folder:
        found = _evaluated(recipe, data, options, leave_out=leave_out)
        write_run(folder, recipe, found.prepared, found.result, leave_out=leave_out)
    return found.result


def _evaluated(
    recipe: Recipe, data: LabelledImages, options: RunOptions, *, leave_out: str | None = None
) -> _Evaluated:
    require_head(recipe)
    outer = leave_out is None
    check = partial(require_nested, protocol=recipe.protocol, outer=outer, whole=not outer)
    prepared = prepare(data, recipe, require=of_first_source(check, data, leave_out))
    for note in prepared.notes:
        options.say(f"evoca: {note}")
    trunk = extractor_of(recipe)
    images, protocol = prepared.images, recipe.protocol
    features = cached_features(
        trunk, images, recipe.preprocessing, options.cache_folder, options.announce, options.workers
    )
    if leave_out is None:
        advance = options.announce("cross-validation", protocol.folds * protocol.repeats)
        predictions = cross_validate_sources(recipe, images, features, advance)
    else:
        predictions = leave_out_source(recipe, images, features, leave_out)
    result = with_figures_by_source(
        _result(recipe, prepared, predictions),
        images,
        predictions.probabilities,
        predictions.affect,
        predictions.half_width,
        left_out=leave_out,
        say=options.say,
    )
    return _Evaluated(prepared, trunk, features, predictions, result)


def _result(
    recipe: Recipe,
    prepared: Prepared,
    found: SourcePredictions,
) -> Result:
    known = np.asarray(np.isfinite(found.probabilities).all(axis=(0, 2)))
    images = prepared.images.take(known)
    affect = None if found.affect is None else found.affect[:, known]
    predictions = RepeatedPredictions(
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
    return replace(result, chosen_in_folds=tuple(choices))


def train_sources(
    recipe: Recipe,
    data: LabelledImages,
    out: Path,
    options: RunOptions,
    *,
    data_name: str | None = None,
) -> Result:
    """Return the scores of a recipe fitted on several sources, and write the run directory.

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
        evaluated = _evaluated(recipe, data, options)
        if recipe.additive_probe and options.deletion_test:
            images = evaluated.prepared.images
            # Those of the first source, as for a recipe that learns from it alone.
            test_by_deletion(
                folder, evaluated.first_model_of, first_source(images), recipe, options.announce
            )
        chosen, head = fit_sources(
            recipe, evaluated.prepared.images, evaluated.features, recipe.protocol.seed
        )
        result = replace(evaluated.result, chosen=choice(chosen) | chosen.to_dict())
        write_run(folder, recipe, evaluated.prepared, result, chosen, data_name)
        (folder / "checkpoints").mkdir()
        write_head(folder / "checkpoints" / "last", head)
    return result
