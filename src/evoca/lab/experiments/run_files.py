"""What a training leaves in its run directory, written and read back, validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError, field_validator

from evoca.cards.analysis import analysis_of
from evoca.data.manifest.labelled import LabelledImages
from evoca.drafts import drafted
from evoca.emotions import TAXONOMIES, parts_of
from evoca.errors import EvocaError, first_line, single_line
from evoca.images.walk import printable_name
from evoca.lab.arrays import read_arrays
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.holdout import first_source
from evoca.lab.experiments.preparation import Prepared
from evoca.lab.heads.base import FittedHead
from evoca.lab.heads.joint import JointHead
from evoca.lab.heads.linear import LinearHead
from evoca.lab.heads.svm import SvmMachine
from evoca.lab.heads.visual_words import WordsHead
from evoca.metrics.result import HEADLINE
from evoca.runs import read_json, read_run, write_json, write_predictions
from evoca.runs.evaluated_on import EvaluatedOn
from evoca.runs.provenance import describe_data, describe_run
from evoca.runs.result import Result
from evoca.runtime.card import Analysis, CalibrationRows, DeletionTest, Metric
from evoca.strict import Partial, place_and_reason

__all__ = [
    "CALIBRATION_FILE",
    "AnyOperatingPoint",
    "Training",
    "choice",
    "choice_in_fold",
    "class_frequencies",
    "describe_sources",
    "read_head",
    "read_training",
    "require_fresh",
    "run_description",
    "write_calibration",
    "write_head",
    "write_result",
]

CALIBRATION_FILE = "calibration.npz"
MOST_ROWS = 10_000
"""Of the images that chose, kept for thresholds under other priors."""

_CARRIED = (*HEADLINE, "top2_accuracy", "set_coverage", "set_size")


class RecordedOperatingPoint(Partial):
    """What the inner folds chose: see :class:`evoca.runtime.card.ModelCard`."""

    temperature: float
    set_threshold: float
    c: float | None = None
    affect_errors: tuple[float, float] | None = None


class Data(Partial):
    """The labelled images: how many, what they are called, and their SHA-256."""

    images: int
    name: str
    fingerprint: str


class Split(Partial):
    """How the figures were measured: a cross-validation has folds, one training has parts.

    Attributes:
        kind: in words.
        folds: outer folds; ``None`` where the recipe was trained once.
        repeats: how often with other folds.
        inner_folds: of the training images, where they chose.
        train: training images, where trained once.
        validation: images that chose.
        test: images that were only evaluated on; 0 where validation images did.
    """

    kind: str
    folds: int | None = None
    repeats: int = 1
    inner_folds: int | None = None
    train: int = 0
    validation: int = 0
    test: int = 0


class Description(Partial):
    """The content of ``run.json`` that a bundle needs."""

    recipe: Recipe
    labels: tuple[str, ...]
    chosen: RecordedOperatingPoint
    data: Data
    split: Split
    training_frequencies: dict[str, float] | None = None
    training_images: tuple[str, ...]
    training_perceptual_hashes: tuple[str, ...] = ()
    validation_images: tuple[str, ...] = ()
    validation_perceptual_hashes: tuple[str, ...] = ()
    evoca_version: str

    @property
    def taxonomy(self) -> str:
        """The name of the taxonomy that has these labels."""
        return _taxonomies_of(self.labels)[0]

    @field_validator("labels")
    @classmethod
    def _of_a_taxonomy(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if not _taxonomies_of(labels):
            raise ValueError(f"not the labels of a taxonomy: {', '.join(labels)}")
        return labels


def _taxonomies_of(labels: tuple[str, ...]) -> list[str]:
    """Return the taxonomies that have exactly these labels, merged ones taken apart."""
    parts = sorted(part for label in labels for part in parts_of(label))
    return [name for name, own in TAXONOMIES.items() if sorted(own) == parts]


class EmotionFigures(Partial):
    """How well one emotion is found; ``None`` where no image has it."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: float


class Figures(Partial):
    """The content of ``metrics.json`` that a bundle needs.

    Attributes:
        headline: name to figure; what the labels do not define is left out.
        per_emotion: label to its figures.
    """

    headline: dict[str, Metric]
    per_emotion: dict[str, EmotionFigures]


@dataclass(frozen=True)
class Training:
    """What a bundle records of the training it comes from.

    Attributes:
        description: recipe, data and what was chosen.
        figures: scores of the held-out predictions.
        deletion: the deletion test of the evidence map; ``None`` where none was made.
        analysis: where the model errs, and how reliable it is.
        calibration: logits and labels of images that chose; ``None`` where the run has none.
    """

    description: Description
    figures: Figures
    deletion: DeletionTest | None
    analysis: Analysis
    calibration: CalibrationRows | None = None


def read_training(path: Path) -> Training:
    """Return what ``evoca train`` wrote.

    Raises:
        EvocaError: not a training, or an incomplete or damaged one.
    """
    run = read_run(path)
    kind = run.description.get("kind")
    if kind == "evaluation" or ("model" in run.description and "chosen" not in run.description):
        raise EvocaError(
            f"{printable_name(path)}: an evaluation, not a training: nothing to export; name the "
            "run that evoca train wrote"
        )
    if "recipe" in run.description and "chosen" not in run.description:
        raise EvocaError(
            f"{printable_name(path)}: a cross-validation, not a training: nothing to export"
        )
    description = _validated(Description, run.description, path / "run.json")
    # A figure may hold more than a card needs.
    defined = {
        name: {key: found.get(key) for key in ("value", "ci95")}
        if isinstance(found, Mapping)
        else found
        for name in _CARRIED
        if (found := run.metrics.get(name)) is not None
    }
    figures = {**run.metrics, "headline": defined}
    return Training(
        description,
        _validated(Figures, figures, path / "metrics.json"),
        _deletion(path / "deletion_test.json", description.recipe),
        analysis_of(run),
        _calibration(path / CALIBRATION_FILE, len(description.labels)),
    )


def _deletion(file: Path, recipe: Recipe) -> DeletionTest | None:
    if not file.is_file():
        if recipe.additive_probe:
            raise EvocaError(
                f"{printable_name(file)}: missing: a bundle's card states how good its "
                "evidence map is, so train without --no-deletion-test"
            )
        return None
    return _validated(DeletionTest, read_json(file), file)


_M = TypeVar("_M", bound=BaseModel)


def _validated(model: type[_M], content: Mapping[str, Any], file: Path) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        reason = single_line(place_and_reason(error))
        raise EvocaError(
            f"{printable_name(file)}: {reason}; the run is incomplete or of another version: "
            "train it again"
        ) from error


def write_calibration(folder: Path, chosen: AnyOperatingPoint) -> None:
    """Write the logits and labels that chose, where there are any, for other priors' thresholds."""
    if chosen.chosen_on is not None:
        logits, truth = chosen.chosen_on
        kept = _spread(len(truth))
        np.savez(
            folder / CALIBRATION_FILE, logits=logits[kept].astype(np.float32), truth=truth[kept]
        )


def _spread(count: int) -> NDArray[np.int64]:
    """Return positions of at most :data:`MOST_ROWS` rows, drawn alike in every run."""
    if count <= MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_ROWS, replace=False))


def _calibration(file: Path, labels: int) -> CalibrationRows | None:
    if not file.is_file():  # a run of an earlier version
        return None
    try:
        stored = read_arrays(file)
        rows = CalibrationRows.of(stored["logits"], stored["truth"])
        rows.read(labels)
    except (ValueError, KeyError, AttributeError) as error:
        raise EvocaError(
            f"{printable_name(file)}: {first_line(error)}: the run is incomplete or damaged: "
            "train it again"
        ) from error
    return rows


def class_frequencies(images: LabelledImages, recipe: Recipe) -> dict[str, float] | None:
    """Return the class frequencies that a model learns under: label to share.

    Where the last step draws images by the inverse of their class's size, all are alike;
    where it learns the viewers' distributions, their mean counts. ``None`` where some label
    has no share, so that no other frequencies can be reached from there. Of several sources
    those of the first, which a model predicts for.
    """
    k = len(images.labels)
    last = recipe.steps[-1] if recipe.steps else None
    if last is not None and last.sampling == "weighted":
        return dict.fromkeys(images.labels, 1 / k)
    images = first_source(images)
    shares = np.zeros((len(images), k))
    known = images.truth >= 0
    shares[known, images.truth[known]] = 1.0
    if last is not None and last.targets == "distribution" and images.distribution is not None:
        voted = np.isfinite(images.distribution).all(axis=1)
        shares[voted] = images.distribution[voted]
    total = shares.sum(axis=0)
    if not (total > 0).all():
        return None
    return dict(zip(images.labels, (total / total.sum()).tolist(), strict=True))


class AnyOperatingPoint(Protocol):
    """The operating point that validation images or inner folds chose."""

    @property
    def c(self) -> float | None:
        """C of the head; ``None`` where there is none to choose for."""

    @property
    def temperature(self) -> float:
        """The temperature for softmax(logits / temperature)."""

    @property
    def threshold(self) -> float:
        """The threshold of the prediction set."""

    @property
    def affect_errors(self) -> tuple[float, float] | None:
        """Half the widths of the intervals of valence and arousal; ``None`` without."""

    @property
    def chosen_on(self) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        """Logits (n, K) and labels (n,) of the images that chose."""


def choice(chosen: AnyOperatingPoint) -> dict[str, Any]:
    """Return a choice as ``run.json`` and ``metrics.json`` store it; C where there is one."""
    own: dict[str, Any] = {
        "temperature": chosen.temperature,
        "set_threshold": chosen.threshold,
    }
    if chosen.affect_errors is not None:
        own["affect_errors"] = list(chosen.affect_errors)
    return own if chosen.c is None else {"c": chosen.c, **own}


def choice_in_fold(repeat: int, fold: int, chosen: AnyOperatingPoint) -> dict[str, Any]:
    """Return the choice of one fold, numbered from 0, of a cross-validation."""
    return {"repeat": repeat, "fold": fold, **choice(chosen)}


def run_description(
    kind: str,
    recipe: Recipe,
    prepared: Prepared,
    data_name: str | None = None,
    *,
    leave_out: str | None = None,
) -> dict[str, Any]:
    """Return the content of ``run.json`` that trainings and cross-validations share.

    Args:
        kind: ``training`` or ``cross-validation``.
        recipe: what was evaluated.
        prepared: the images it was evaluated on.
        data_name: what to call the data; the folder's or file's own name if omitted.
        leave_out: name of the source that was predicted, taught by the others.
    """
    protocol, tested = recipe.protocol, prepared.test is not None
    repeats = 1 if tested else protocol.repeats
    teaching = prepared.used.teaching
    if data_name is None and teaching is not None:
        data_name = ", ".join(teaching.sources)
    found = describe_run(
        kind,
        data=describe_data(prepared.used, data_name),
        split=_split(recipe, prepared),
        system={"recipe": recipe.model_dump(mode="json")},
        seeds=[protocol.seed + r for r in range(repeats)],
        labels=prepared.images.labels,
        protocol=_protocol_in_words(recipe, prepared),
    )
    if teaching is not None:
        describe_sources(found, prepared.images, leave_out)
    return found


def describe_sources(
    description: dict[str, Any], images: LabelledImages, leave_out: str | None = None
) -> None:
    """Add to the content of ``run.json`` what images of several sources are.

    Args:
        description: is changed.
        images: of several sources.
        leave_out: name of the source that was predicted, taught by the others.
    """
    teaching = images.teaching
    assert teaching is not None  # of several sources
    counts = np.bincount(teaching.of, minlength=len(teaching.sources)).tolist()
    description["data"]["sources"] = [
        {"name": name, "images": count}
        for name, count in zip(teaching.sources, counts, strict=True)
    ]
    if leave_out is not None:
        description["split"] |= {"kind": f"the source {leave_out}, left out", "folds": 1}
        description["left_out"] = leave_out


def _split(recipe: Recipe, prepared: Prepared) -> dict[str, Any]:
    protocol = recipe.protocol
    # A recipe with steps has no inner folds: images set aside in each training part choose.
    inner = {} if recipe.steps else {"inner_folds": protocol.inner_folds}
    shared = {"groups": prepared.basis, **inner, **prepared.division}
    if prepared.test is None:
        folds = {"folds": protocol.folds, "repeats": protocol.repeats}
        kind = EvaluatedOn.PLAIN_FOLDS if recipe.steps else EvaluatedOn.FOLDS
        return {"kind": kind, **folds, **shared}
    parts = {"train": len(prepared.images), "validation": 0, "test": len(prepared.test)}
    return {"kind": EvaluatedOn.TEST, **parts, **shared}


def _protocol_in_words(recipe: Recipe, prepared: Prepared) -> str:
    protocol = recipe.protocol
    intervals = "intervals from 1,000 bootstrap draws over groups"
    if prepared.test is not None:
        return (
            f"fitted once on {len(prepared.images)} images, whose {protocol.inner_folds} inner "
            f"folds choose what is chosen; figures of {EvaluatedOn.TEST}; {intervals} "
            f"({prepared.basis})"
        )
    nested, by = "nested ", f"{protocol.inner_folds} inner folds"
    if recipe.steps:
        nested = ""
        by = f"validation images, {protocol.validation:.0%} of each training part, set aside"
    return (
        f"{protocol.repeats} x {protocol.folds}-fold {nested}cross-validation, stratified, "
        f"no group ({prepared.basis}) in two folds; what is chosen is chosen by {by}; figures of "
        f"the pooled held-out predictions, averaged over repeats; {intervals}"
    )


def write_head(folder: Path, head: FittedHead) -> None:
    """Write a head as plain arrays."""
    folder.mkdir(exist_ok=True)
    arrays: dict[str, Any] = head.arrays()
    np.savez(folder / "head.npz", **arrays)


def read_head(folder: Path) -> LinearHead | JointHead | SvmMachine | WordsHead:
    """Return a head read from its file; arrays only, nothing is unpickled.

    Raises:
        EvocaError: missing or damaged.
    """
    file = folder / "head.npz"
    try:
        arrays = read_arrays(file)
        head = _head_of(arrays)
        if "words" in arrays:
            return WordsHead(arrays["words"].astype(np.float32), head)
        return head
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise EvocaError(f"{file}: missing or damaged: this is not a trained run") from error


def _head_of(arrays: Mapping[str, NDArray[Any]]) -> LinearHead | JointHead | SvmMachine:
    if "affect_weight" in arrays:
        return JointHead.of_arrays(arrays)
    if "support" not in arrays:
        return LinearHead(arrays["weight"], arrays["bias"], float(arrays["c"]))
    return SvmMachine(
        centre=arrays["centre"],
        spread=arrays["spread"],
        support=arrays["support"],
        weight=arrays["weight"],
        bias=arrays["bias"],
        gamma=float(arrays["gamma"]),
        c=float(arrays["c"]),
    )


def require_fresh(out: Path, *, resume: bool) -> None:
    """Refuse a folder that holds a finished run, or anything else unless it is gone on with.

    Raises:
        EvocaError: one of these.
    """
    if (out / "run.json").is_file():
        raise EvocaError(f"{out}: a finished run: nothing is left to do; name another")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvocaError(f"{out}: exists already; add --resume to go on with it, or name another")


def write_result(
    folder: Path,
    description: Mapping[str, Any],
    result: Result,
    deletion: DeletionTest | None = None,
) -> None:
    """Write the run; ``run.json`` comes last, since it marks the run as complete.

    Raises:
        EvocaError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / "predictions.csv", result.predictions)
        write_json(folder / "metrics.json", result.to_dict())
        if deletion is not None:
            write_json(folder / "deletion_test.json", deletion.model_dump(mode="json"))
        with drafted(folder / "run.json") as draft:
            write_json(draft, description)
    except OSError as error:
        raise EvocaError(f"{folder}: cannot be written: {error.strerror}") from error
