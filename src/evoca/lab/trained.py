"""What a training leaves in its run directory for an export, validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from evoca.cards.analysis import analysis_of
from evoca.emotions import TAXONOMIES, parts_of
from evoca.errors import EvocaError, single_line
from evoca.evaluation.result import HEADLINE
from evoca.images.walk import printable_name
from evoca.lab.config.recipe import Recipe
from evoca.runs import read_json, read_run
from evoca.runtime.card import DeletionTest, Metric
from evoca.runtime.card_analysis import Analysis

__all__ = ["Training", "read_training"]

_CARRIED = (*HEADLINE, "top2_accuracy", "set_coverage", "set_size")


class _Part(BaseModel):
    """A run may say more than an export needs."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Chosen(_Part):
    """What the inner folds chose: see :class:`evoca.runtime.card.ModelCard`."""

    temperature: float
    set_threshold: float
    c: float | None = None


class Data(_Part):
    """The labelled images: how many, what they are called, and their SHA-256."""

    images: int
    name: str
    fingerprint: str


class Split(_Part):
    """How the figures came about: a cross-validation has folds, a training once parts.

    Attributes:
        kind: in words.
        folds: outer folds; ``None`` where the recipe was trained once.
        repeats: how often with other folds.
        inner_folds: of the images learnt from, where they chose.
        train: images learnt from, where trained once.
        validation: images that chose.
        test: images that only measured; 0 where validation images did.
    """

    kind: str
    folds: int | None = None
    repeats: int = 1
    inner_folds: int | None = None
    train: int = 0
    validation: int = 0
    test: int = 0


class Description(_Part):
    """``run.json``, as far as a bundle tells of it."""

    recipe: Recipe
    labels: tuple[str, ...]
    chosen: Chosen
    data: Data
    split: Split
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
    """Name the taxonomies that have just these labels, merged ones taken apart."""
    parts = sorted(part for label in labels for part in parts_of(label))
    return [name for name, own in TAXONOMIES.items() if sorted(own) == parts]


class EmotionFigures(_Part):
    """How well one emotion is found."""

    precision: float
    recall: float
    f1: float
    support: float


class Figures(_Part):
    """``metrics.json``, as far as a bundle tells of it.

    Attributes:
        headline: name to figure; what the labels do not define is left out.
        per_emotion: label to its figures.
    """

    headline: dict[str, Metric]
    per_emotion: dict[str, EmotionFigures]


@dataclass(frozen=True)
class Training:
    """All that a bundle tells of the training it comes from.

    Attributes:
        description: recipe, data and what was chosen.
        figures: how well the held-out predictions did.
        deletion: the deletion test of the evidence map; ``None`` where none was made.
        analysis: where the model errs, and how far to trust it.
    """

    description: Description
    figures: Figures
    deletion: DeletionTest | None
    analysis: Analysis


def read_training(path: Path) -> Training:
    """Read what ``evoca train`` wrote.

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
    # A figure may say more than a card keeps.
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
    )


def _deletion(file: Path, recipe: Recipe) -> DeletionTest | None:
    # An additive probe's map is always tested; other systems have none, or none tested.
    if not recipe.additive_probe and not file.is_file():
        return None
    return _validated(DeletionTest, read_json(file), file)


_M = TypeVar("_M", bound=BaseModel)


def _validated(model: type[_M], content: Mapping[str, Any], file: Path) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = single_line(f"{place}: {first['msg']}")
        raise EvocaError(
            f"{printable_name(file)}: {reason}; the run is incomplete or of another version: "
            "train it again"
        ) from error
