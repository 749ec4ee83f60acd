"""One fold: a model trained on its images, and what its validation images choose.

Papers print figures of validation images (sreenivas2018's search, jacobson2019) beside those
of test images, so runs keep them too, apart from their own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.drafts import drafted
from evoca.images import printable_name
from evoca.lab.arrays import DamagedArraysError, read_arrays
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.fold_vectors import (
    FOLDER,
    HELD_OUT,
    TRAIN,
    VALIDATION,
    FoldVectors,
    write_vectors,
)
from evoca.lab.experiments.holdout import cut_validation, learnt_without
from evoca.lab.experiments.operating_point import OperatingPoint, choose, run_over
from evoca.lab.experiments.scorer import scorer_of
from evoca.lab.models.differential import DifferentialNetworks
from evoca.lab.training import RunOptions, Task, fit
from evoca.lab.training.checkpoint import CheckpointError, Identity, identity_of
from evoca.lab.training.freezing import System
from evoca.metrics.evaluate import evaluate_predictions
from evoca.softmax import softmax

__all__ = ["Build", "Fold", "Found", "Seen", "Tune", "validation_figures"]

_METRICS = ("accuracy", "balanced_accuracy")
_NOTE = "of the validation images: where these stop the training or choose C, they flatter"


@dataclass(frozen=True, eq=False)
class Seen:
    """What one trained system predicts of its n validation images.

    Attributes:
        logits: float32 (n, K).
        truth: (n,) class indices; -1 where there is none.
        groups: (n,) clusters of copies, numbered alike in all folds.
    """

    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, predictions: NDArray[np.float32], images: LabelledImages) -> Seen:
        """Return the predictions (n, K), or (n, K + 2) with valence and arousal, of images."""
        return cls(predictions[:, : len(images.labels)], images.truth, images.groups)


def validation_figures(seen: Sequence[Seen], labels: Sequence[str]) -> dict[str, Any] | None:
    """Return accuracy and average recall on validation images as plain data.

    Those of several folds are pooled; an image that is a validation image in several of
    them counts in each, and its cluster of copies is drawn as a whole.

    Args:
        seen: one entry per trained system.
        labels: the K labels.

    Returns:
        ``n``, ``note`` and the figures with their intervals; ``None`` where fewer than two
        clusters have a label.
    """
    truth = np.concatenate([one.truth for one in seen])
    groups = np.concatenate([one.groups for one in seen])
    logits = np.concatenate([one.logits for one in seen])
    known = truth >= 0
    if len(np.unique(groups[known])) < 2:
        return None
    report = evaluate_predictions(
        truth[known], softmax(logits[known]), labels, groups[known], allow_missing=True
    )
    figures = {name: report[name].to_dict() for name in _METRICS if name in report.figures}
    return {"n": report.n, "note": _NOTE, **figures}


Build: TypeAlias = Callable[[Recipe, Sequence[str], int], System]
"""Builds a recipe's system for some labels, its new layers drawn with a seed."""

Tune: TypeAlias = Callable[[LabelledImages, Path], Recipe]
"""Chooses a recipe on training images; works, and resumes, in a folder."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a fold computes.

    Attributes:
        predictions: float32 (n, K), or (n, K + 2), of its held-out images.
        chosen: on its validation images.
        seen: what it predicts of these.
    """

    predictions: NDArray[np.float32]
    chosen: OperatingPoint
    seen: Seen


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation; finished, it is a file of a few numbers."""

    recipe: Recipe
    build: Build
    data: LabelledImages
    held_out: NDArray[np.bool_]
    seed: int
    folder: Path
    division: str
    options: RunOptions
    tune: Tune | None

    @property
    def vectors(self) -> Path:
        """The file of a differential system's vectors, outside the fold's own folder."""
        return self.folder.parent.parent / FOLDER / f"{self.folder.name}.npz"

    def _vectors(
        self,
        system: DifferentialNetworks,
        recipe: Recipe,
        train: LabelledImages,
        validation: LabelledImages,
    ) -> FoldVectors:
        networks, data = system.networks(), self.data
        found = run_over(networks, networks, data, recipe.preprocessing, self.options)
        place = dict.fromkeys(train.names, TRAIN) | dict.fromkeys(validation.names, VALIDATION)
        part = np.array([place.get(name, HELD_OUT) for name in data.names], dtype=np.int64)
        return FoldVectors(tuple(found), data.truth, data.groups, part)

    def run(self) -> Found:
        """Return the predictions of the held-out images, and what the fold chose."""
        inside = self.data.take(learnt_without(self.data, self.held_out))
        recipe = self.recipe if self.tune is None else self.tune(inside, self.folder / "search")
        train, validation = cut_validation(inside, recipe.protocol.validation, self.seed)
        identity = identity_of(recipe, train, validation, division=self.division)
        done = self.folder / "fold.npz"
        if done.is_file():
            try:
                shape = int(self.held_out.sum()), len(self.data.labels)
                return _read_fold(done, identity, shape)
            except DamagedArraysError:
                self.options.say(f"{printable_name(done)} is damaged: the fold is trained again")
                done.unlink()
        task = Task.of(recipe, train, validation, self.seed, identity)
        system = self.build(recipe, self.data.labels, self.seed)
        fit(system, task, self.folder, self.options, resume=True)

        if isinstance(system, DifferentialNetworks):
            write_vectors(self.vectors, self._vectors(system, recipe, train, validation))
        scorer = scorer_of(recipe, system, train, validation, self.options)
        step, coverage = recipe.steps[-1], recipe.protocol.coverage
        own = scorer.logits(validation)
        chosen = replace(choose(own, validation, step, coverage), c=scorer.c)
        predictions = scorer.logits(self.data.take(self.held_out))
        found = Found(predictions, chosen, Seen.of(own, validation))
        _write_fold(done, found, identity)
        shutil.rmtree(self.folder / "checkpoints")
        return found


def _write_fold(file: Path, fold: Found, identity: Identity) -> None:
    chosen = asdict(replace(fold.chosen, chosen_on=None))
    del chosen["chosen_on"]  # of a training alone, for bundles
    about = json.dumps({"identity": asdict(identity), "chosen": chosen})
    with drafted(file) as draft, draft.open("wb") as stream:
        np.savez(
            stream,
            logits=fold.predictions,
            about=np.frombuffer(about.encode(), dtype=np.uint8),
            seen_logits=fold.seen.logits,
            seen_truth=fold.seen.truth,
            seen_groups=fold.seen.groups,
        )


def _read_fold(file: Path, identity: Identity, shape: tuple[int, int]) -> Found:
    """Return a finished fold, read from its file.

    Raises:
        DamagedArraysError: cut short, or not what a fold of so many held-out images and labels
            leaves.
        CheckpointError: of another cross-validation.
    """
    arrays = read_arrays(file)
    try:
        logits, about = arrays["logits"], json.loads(arrays["about"].tobytes())
        seen = Seen(arrays["seen_logits"], arrays["seen_truth"], arrays["seen_groups"])
        found, chosen = Identity(**about["identity"]), _chosen(about["chosen"])
        whole = _is_whole(logits, seen, shape)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedArraysError(str(error)) from error
    if not whole:
        raise DamagedArraysError("not a row of every array for each image")
    if found != identity:
        raise CheckpointError(
            f"{file}: the fold of another recipe, of other images, splits or groups, or of another "
            "version of Evoca: go on with the same, or start anew elsewhere"
        )
    return Found(logits, chosen, seen)


def _chosen(content: dict[str, Any]) -> OperatingPoint:
    """Return what validation images chose, from its plain data."""
    errors = content.get("affect_errors")
    return OperatingPoint(
        **(content | {"affect_errors": None if errors is None else tuple(errors)})
    )


def _is_whole(predictions: NDArray[np.float32], seen: Seen, shape: tuple[int, int]) -> bool:
    held_out, labels = shape
    n = seen.truth.size
    return (
        predictions.dtype.kind == seen.logits.dtype.kind == "f"
        and predictions.shape in {(held_out, labels), (held_out, labels + 2)}
        and seen.logits.shape == (n, labels)
        and seen.truth.shape == seen.groups.shape == (n,)
    )
