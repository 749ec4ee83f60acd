"""Schemas of the files of a run directory.

Every key may be absent, since runs of earlier versions lack some. Keys that are not named
here may hold anything. A key that is present must have the type that its readers expect.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from evoca.errors import DataError
from evoca.images import printable_name
from evoca.strict import Lenient, place_and_reason

__all__ = [
    "Description",
    "Metrics",
    "PredictionSets",
    "RobustnessContent",
    "Scores",
    "require",
]

_Count = Annotated[int, Field(ge=0, le=10**12)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
# An undefined figure and its ends are null.
_Ends = tuple[_Number | None, _Number | None]
_Cell = Annotated[float, Field(ge=0, le=1e12)]


class _Interval(Lenient):
    value: _Number | None
    # JSON has lists only, which a strict tuple does not accept.
    ci95: Annotated[_Ends, Field(strict=False)]
    chance_band: Annotated[tuple[_Number, _Number] | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _parts(self) -> _Interval:
        for part in (self.model_extra or {}).values():
            if isinstance(part, Mapping):
                _Interval.model_validate(part)
        return self


class _Data(Lenient):
    images: _Count | None = None
    name: str | None = None
    fingerprint: str | None = None
    location: str | None = None


class _Split(Lenient):
    kind: str | None = None
    name: str | None = None
    folds: _Count | None = None
    repeats: _Count | None = None
    train: _Count | None = None
    validation: _Count | None = None
    test: _Count | None = None


class _Origin(Lenient):
    recipe: dict[str, Any] | None = None
    data: _Data | None = None
    split: _Split | str | None = None
    training_images: _Count | None = None


class _Choice(Lenient):
    c: _Number | None = None
    temperature: _Number | None = None
    set_threshold: _Number | None = None


class Description(Lenient):
    """The content of ``run.json``."""

    kind: str | None = None
    model: str | None = None
    recipe: dict[str, Any] | None = None
    system: dict[str, Any] | None = None
    origin: _Origin | None = None
    data: _Data | None = None
    split: _Split | str | None = None
    seeds: list[int] | None = None
    labels: Annotated[list[str], Field(min_length=2)] | None = None
    fingerprint: str | None = None
    protocol: str | None = None
    notes: list[str] | None = None
    chosen: _Choice | None = None
    chosen_in_folds: list[_Choice | None] | None = None
    # Hashes of the images in a training; in an evaluation, the number of known images.
    training_images: _Count | list[str] | None = None
    validation_images: _Count | list[str] | None = None
    training_perceptual_hashes: list[str] | None = None
    validation_perceptual_hashes: list[str] | None = None
    copies_of_training_images: _Count | None = None
    copies_of_validation_images: _Count | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Description:
        if self.labels is not None and len(set(self.labels)) < len(self.labels):
            raise ValueError("a label is there twice")
        return self


class _Emotion(Lenient):
    support: _Count
    precision: _Number | None
    recall: _Number | None
    f1: _Number | None
    ci95: dict[str, Annotated[_Ends, Field(strict=False)]]


class _Bootstrap(Lenient):
    draws: _Count
    groups: _Count


class _Method(Lenient):
    nll: _Interval
    brier: _Interval
    ece: _Number
    nll_change: _Interval | None = None
    brier_change: _Interval | None = None


class _Band(Lenient):
    mean: _Number
    ci95: Annotated[tuple[_Number, _Number], Field(strict=False)]


class _Calibration(Lenient):
    ece: _Number | None = None
    perfect: _Band | None = None
    methods: dict[str, _Method] | None = None


class _Sets(Lenient):
    coverage: _Interval | None = None
    size: _Interval | None = None
    by_emotion: dict[str, _Interval] = Field(default_factory=dict)


class PredictionSets(Lenient):
    """The section ``prediction_sets`` of ``metrics.json``."""

    model: _Sets | None = None
    class_conditional: _Sets | None = None


class _TestUses(Lenient):
    by_this_model: _Count | None = None
    by_other_models: _Count | None = None
    other_models: _Count | None = None
    last: str | None = None


class _Source(Lenient):
    source: str
    images: _Count
    groups: list[str]
    figures: dict[str, _Interval]
    counts: dict[str, _Count]
    without_looking: dict[str, _Number]


class Scores(Lenient):
    """What :class:`evoca.runs.result.Result` adds to the figures, in the order of the file.

    The one declaration of these keys: what is written is the attribute of each name, and what
    an older run lacks is read as the value given here.
    """

    set_coverage: _Interval | None = None
    set_size: _Interval | None = None
    prediction_sets: PredictionSets | None = None
    calibration: _Calibration | None = None
    validation: dict[str, Any] | None = None
    chosen: _Choice | None = None
    chosen_in_folds: list[_Choice] = Field(default_factory=list)
    training_images: _Count | None = None
    copies_of_training_images: _Count | None = None
    copies_of_validation_images: _Count | None = None
    copies_left_out: _Count | None = None
    left_out: _Count | None = None
    unreadable: _Count | None = None
    restricted: bool = False
    test_uses: _TestUses | None = None
    fingerprint: str = ""
    by_source: list[_Source] = Field(default_factory=list)
    notes: list[str] | None = Field(default_factory=list)

    @classmethod
    def completed(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a file of any version, with every key of this schema."""
        absent = {
            name: field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
        }
        given = {k: v for k, v in content.items() if v is not None or absent.get(k) is None}
        sets = dict.fromkeys(PredictionSets.model_fields)
        found = {**absent, **given}
        return found | {"prediction_sets": sets | dict(found["prediction_sets"] or {})}


class Metrics(Scores):
    """The content of ``metrics.json``; an object with the key ``ci95`` is a figure."""

    n: _Count = 0
    labels: list[str] = Field(default_factory=list)
    per_emotion: dict[str, _Emotion] = Field(default_factory=dict)
    confusion: list[list[_Cell]] | None = None
    bootstrap: _Bootstrap | None = None
    n_labelled: _Count = 0
    n_distributions: _Count = 0
    n_rated: _Count = 0
    ties: _Count = 0
    polarity_ties: _Count = 0
    exact_intervals: list[str] = Field(default_factory=list)
    unvaried: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _agree(self) -> Metrics:
        for entries in (self.model_extra or {}, self.validation or {}):
            for entry in entries.values():
                if isinstance(entry, Mapping) and "ci95" in entry:
                    _Interval.model_validate(entry)
        if not self.labels:
            return self
        if set(self.per_emotion) - set(self.labels):
            raise ValueError("per_emotion names what is no label")
        k = len(self.labels)
        if self.confusion is not None and [len(row) for row in self.confusion] != [k] * k:
            raise ValueError(f"confusion is not {k} x {k}, as there are labels")
        return self


class _Movement(Lenient):
    change: str
    accuracy: _Interval | None
    accuracy_change: _Interval | None
    same_emotion: _Interval | None
    distance: _Interval
    drop: _Interval


class _Masking(Lenient):
    faces: _Movement
    elsewhere: _Movement
    n: _Count
    with_faces: _Count


class _RobustnessBootstrap(_Bootstrap):
    basis: str


class RobustnessContent(Lenient):
    """The content of ``probe.json``."""

    model: str
    data: str
    n: _Count
    labelled: _Count
    training_images: _Count
    copies_of_training_images: _Count | None = None
    accuracy: _Interval | None
    perturbations: list[_Movement]
    masking: _Masking | None
    unreadable: list[str]
    notes: list[str]
    evoca: str
    bootstrap: _RobustnessBootstrap


def require(schema: type[BaseModel], content: Mapping[str, Any], file: Path, what: str) -> None:
    """Raise an error if the content of a file does not fit a schema.

    Args:
        schema: that it must fit.
        content: of the file.
        file: named in the error.
        what: the kind of content, in words.

    Raises:
        DataError: it does not fit; the first wrong place is named.
    """
    try:
        schema.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{printable_name(file)}: not {what}: {place_and_reason(error)}") from error
