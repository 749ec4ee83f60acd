"""Cross-validate and train recipes with a head on frozen features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.copies import hashes_of
from evoca.lab.experiments.deletion import DELETION_IMAGES, ExplainedProbe, deletion_test
from evoca.lab.experiments.foldable import require_nested
from evoca.lab.experiments.holdout import Holdout, has_test, require_two_groups
from evoca.lab.experiments.nested_cv import (
    CrossValidation,
    HeadOperatingPoint,
    calibrate,
    cross_validate,
    fit_head,
)
from evoca.lab.experiments.preparation import Prepared, prepare
from evoca.lab.experiments.results import RepeatedPredictions, result_of
from evoca.lab.experiments.run_files import (
    AnyOperatingPoint,
    choice,
    choice_in_fold,
    class_frequencies,
    run_description,
    write_calibration,
    write_head,
)
from evoca.lab.features.extract import Extractor, cached_features
from evoca.lab.heads.base import FittedHead, Fitter
from evoca.lab.heads.factory import extractor_of, fitter_of
from evoca.lab.heads.linear import LinearHead
from evoca.progress import Announce, silent
from evoca.runs import new_run, write_json, write_predictions
from evoca.runs.result import Counts, Result
from evoca.softmax import softmax
from evoca.words import by_number, counted

__all__ = ["Evaluated", "evaluate", "test_by_deletion", "train", "write_run"]


Say = Callable[[str], None]
"""Shows a line."""


def _unsaid(line: str) -> None:
    del line


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A recipe that was evaluated.

    Attributes:
        prepared: the images.
        trunk: what computed the features.
        fitter: of the head.
        features: float32 (n, D), frozen, of the images that were learnt from.
        validation: held-out predictions, and the heads that made them; ``None`` where test
            images were evaluated.
        fitted: what the inner folds of all that was learnt from chose, and its head;
            ``None`` until it is fitted.
        result: the scores.
        copies_left_out: how many test images were left out as copies of what was learnt
            from; ``None`` where they were not to be.
    """

    prepared: Prepared
    trunk: Extractor
    fitter: Fitter
    features: NDArray[np.float32]
    validation: CrossValidation | None
    fitted: tuple[HeadOperatingPoint, FittedHead] | None
    result: Result
    copies_left_out: int | None = None

    @property
    def images(self) -> LabelledImages:
        """The images that figures are of: test images, where there are any."""
        return self.prepared.images if self.prepared.test is None else self.prepared.test

    def model_of(self, index: int) -> ExplainedProbe:
        """Return a model fitted without an image: of the first repeat, if several."""
        if self.validation is not None:
            fold = int(self.validation.fold[0, index])
            chosen, head = self.validation.choices[fold], self.validation.heads[fold]
        else:
            assert self.fitted is not None  # it was evaluated
            chosen, head = self.fitted
        if not isinstance(head, LinearHead):
            raise TypeError(f"a {type(head).__name__} has no map to test")
        return ExplainedProbe(self.trunk, head, chosen.temperature)


@dataclass(frozen=True)
class _Work:
    """A recipe at work: how it shows progress, and where it caches and decodes."""

    recipe: Recipe
    announce: Announce
    say: Say
    cache: Path | None
    workers: int | None

    def begin(self, prepared: Prepared) -> tuple[Extractor, Fitter]:
        """Show what was done to the images; build the trunk, and the fitter of the head."""
        for note in prepared.notes:
            self.say(f"evoca: {note}")
        return extractor_of(self.recipe), fitter_of(self.recipe, prepared.images.labels)

    def features(self, trunk: Extractor, images: LabelledImages) -> NDArray[np.float32]:
        """Return the features, computed or read from the cache."""
        pixels = self.recipe.preprocessing
        return cached_features(trunk, images, pixels, self.cache, self.announce, self.workers)

    def fit(
        self, fitter: Fitter, features: NDArray[np.float32], images: LabelledImages
    ) -> tuple[HeadOperatingPoint, FittedHead]:
        """Return the choice of the inner folds of all images, and the head fitted on all."""
        known, protocol = (features, images.truth), self.recipe.protocol
        chosen = calibrate(*known, images.groups, fitter, protocol, protocol.seed)
        return chosen, fit_head(*known, fitter, chosen.c)


def evaluate(
    recipe: Recipe,
    data: LabelledImages,
    announce: Announce = silent,
    *,
    say: Say = _unsaid,
    cache: Path | None = None,
    workers: int | None = None,
) -> Evaluated:
    """Return a recipe that was evaluated: features computed once, the head cross-validated.

    Args:
        recipe: what to evaluate.
        data: labelled images.
        announce: shows progress.
        say: shows a line.
        cache: where features are cached for other runs; computed anew if omitted.
        workers: threads that decode; two if omitted.

    Raises:
        DataError: a class has no image, or too few.
        ImageError: an image cannot be read.
    """
    require = partial(require_nested, protocol=recipe.protocol)
    work = _Work(recipe, announce, say, cache, workers)
    return _cross_validated(work, prepare(data, recipe, require=require))


def _cross_validated(work: _Work, prepared: Prepared) -> Evaluated:
    recipe, images = work.recipe, prepared.images
    trunk, fitter = work.begin(prepared)
    features = work.features(trunk, images)
    rounds = recipe.protocol.folds * recipe.protocol.repeats
    validation = cross_validate(
        features,
        images.truth,
        images.groups,
        fitter,
        recipe.protocol,
        work.announce("cross-validation", rounds),
    )
    result = result_of(
        images, validation.predictions(), recipe.protocol.coverage, notes=prepared.notes
    )
    folds = recipe.protocol.folds
    choices = [choice_in_fold(*divmod(i, folds), own) for i, own in enumerate(validation.choices)]
    result = replace(result, chosen_in_folds=tuple(choices))
    return Evaluated(prepared, trunk, fitter, features, validation, None, result)


def _tested(work: _Work, prepared: Prepared, *, without_copies: bool) -> Evaluated:
    """Return a recipe evaluated on the test images, fitted and chosen on all others."""
    images, asked = prepared.images, prepared.test
    assert asked is not None  # it is what is evaluated
    parts = Holdout(images, images.take([]), asked, cut=False)
    parts = parts.without_copies() if without_copies else parts
    require_two_groups(parts)
    test, copies = parts.evaluated, parts.copied()
    prepared = replace(prepared, test=test)
    trunk, fitter = work.begin(prepared)
    features = work.features(trunk, images)
    chosen, head = work.fit(fitter, features, images)
    predictions = RepeatedPredictions.once(
        softmax(head.logits(work.features(trunk, test)), chosen.temperature),
        threshold=chosen.threshold,
        temperature=chosen.temperature,
    )
    lost = len(asked) - len(test)
    known = copies.notes()
    if lost:
        known += (
            f"{counted(lost, 'copy')} of images that were learnt from "
            f"{by_number(lost, 'is', 'are')} left out",
        )
    for note in known:
        work.say(f"evoca: {note}")
    notes = (*known, *prepared.notes)
    result = result_of(test, predictions, work.recipe.protocol.coverage, notes=notes)
    return Evaluated(
        prepared,
        trunk,
        fitter,
        features,
        None,
        (chosen, head),
        replace(result, counts=Counts(copies_left_out=lost, **copies.counts())),
        lost if without_copies else None,
    )


def train(
    recipe: Recipe,
    data: LabelledImages,
    out: Path,
    announce: Announce = silent,
    *,
    say: Say = _unsaid,
    data_name: str | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    without_copies: bool = False,
    deletion: bool = True,
) -> Evaluated:
    """Return the scores of a recipe fitted on all but test images, and write the run directory.

    Figures are of the test images where the data name some, else of a cross-validation on
    what is learnt from. Whatever is chosen is chosen by inner folds of the images learnt
    from, those of the split ``val`` among them.

    Args:
        recipe: what to train.
        data: labelled images.
        out: the run directory; appears only when it is complete.
        announce: shows progress.
        say: shows a line.
        data_name: what to call the data in the model card; the folder's or file's own
            name if omitted.
        cache: where features are cached for other runs; computed anew if omitted.
        workers: threads that decode; two if omitted.
        without_copies: leave out test images that have a copy among the training images.
        deletion: test the evidence map by deletion.

    Raises:
        EvocaError: the data or the folder cannot be used.
    """
    with new_run(out) as folder:
        outer = not has_test(data)
        require = partial(require_nested, protocol=recipe.protocol, outer=outer, whole=True)
        prepared = prepare(data, recipe, with_test=True, require=require)
        work = _Work(recipe, announce, say, cache, workers)
        if outer:
            if without_copies:
                say("evoca: cross-validation keeps copies in one fold: none is left out")
            evaluated = _cross_validated(work, prepared)
        else:
            evaluated = _tested(work, prepared, without_copies=without_copies)
        if deletion and recipe.additive_probe:
            test_by_deletion(folder, evaluated.model_of, evaluated.images, recipe, announce)
        if evaluated.fitted is None:
            fitted = work.fit(evaluated.fitter, evaluated.features, prepared.images)
            evaluated = replace(evaluated, fitted=fitted)
        chosen, head = cast("tuple[HeadOperatingPoint, FittedHead]", evaluated.fitted)
        evaluated = replace(evaluated, result=replace(evaluated.result, chosen=choice(chosen)))
        write_run(
            folder,
            recipe,
            evaluated.prepared,
            evaluated.result,
            chosen,
            data_name,
            copies_left_out=evaluated.copies_left_out,
        )
        (folder / "checkpoints").mkdir()
        write_head(folder / "checkpoints" / "last", head)
    return evaluated


def test_by_deletion(
    folder: Path,
    model_of: Callable[[int], ExplainedProbe],
    images: LabelledImages,
    recipe: Recipe,
    announce: Announce,
) -> None:
    """Test the evidence maps of held-out images by deletion, and write what came out.

    Args:
        folder: of the run.
        model_of: returns a model that was fitted without an image, by its position.
        images: to test on.
        recipe: states the preprocessing.
        announce: shows progress.
    """
    deletion = deletion_test(
        model_of,
        images.paths,
        recipe.preprocessing,
        images.labels,
        advance=announce("deletion test", min(DELETION_IMAGES, len(images))),
    )
    write_json(folder / "deletion_test.json", deletion.model_dump(mode="json"))


def write_run(
    folder: Path,
    recipe: Recipe,
    prepared: Prepared,
    result: Result,
    chosen: AnyOperatingPoint | None = None,
    data_name: str | None = None,
    *,
    copies_left_out: int | None = None,
    leave_out: str | None = None,
) -> None:
    """Write ``run.json``, ``metrics.json`` and ``predictions.csv`` into a folder.

    Args:
        folder: of the run.
        recipe: what was evaluated.
        prepared: the images.
        result: the scores.
        chosen: by the inner folds of all images, of a training.
        data_name: what to call the data; their own name if omitted.
        copies_left_out: how many test images were left out as copies; ``None`` where they
            were not to be.
        leave_out: name of the source that was predicted, taught by the others.
    """
    data = prepared.images
    kind = "cross-validation" if chosen is None else "training"
    description = run_description(kind, recipe, prepared, data_name, leave_out=leave_out)
    description["chosen_in_folds"] = list(result.chosen_in_folds)
    if chosen is not None:
        description["chosen"] = dict(result.chosen or {})
        description["training_frequencies"] = class_frequencies(data, recipe)
        write_calibration(folder, chosen)
        description |= hashes_of(data, "training", prepared.fingerprints)
        description |= result.copies
        if copies_left_out is not None:
            lost = {"without_copies": True, "copies_left_out": copies_left_out}
            description["split"] |= lost
    write_json(folder / "run.json", description)
    write_json(folder / "metrics.json", result.to_dict())
    write_predictions(folder / "predictions.csv", result.predictions)
