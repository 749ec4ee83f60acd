"""Settings of a recipe to try, as data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from evoca.errors import EvocaError
from evoca.lab.config.base import explain
from evoca.strict import Strict

__all__ = ["Choice", "Range", "Search", "read_space", "short", "short_names"]


class Choice(Strict):
    """One of some values, of any kind that YAML has.

    Attributes:
        values: at least one.
    """

    values: Annotated[tuple[Any, ...], Field(min_length=1)]


class Range(Strict):
    """A number between two ends.

    Attributes:
        low: included.
        high: included.
        log: draw evenly in the logarithm, as fits rates.
        whole: whole numbers alone.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError("a range in the logarithm begins above 0")
        return self


def _kind(content: Any) -> str:
    if isinstance(content, Choice) or (isinstance(content, dict) and "values" in content):
        return "values"
    return "range"


Setting = Annotated[
    Annotated[Choice, Tag("values")] | Annotated[Range, Tag("range")], Discriminator(_kind)
]


class Search(Strict):
    """A search of settings.

    Attributes:
        settings: dotted keys of the recipe, such as ``steps.0.rate``, and what to try.
        metric: of the validation images: ``accuracy``, ``balanced_accuracy`` or ``loss``.
        sampler: ``tpe`` learns from earlier trials (Bergstra et al. 2011), ``random``
            does not, ``grid`` tries every combination of choices.
    """

    settings: Annotated[dict[str, Setting], Field(min_length=1)]
    metric: Literal["accuracy", "balanced_accuracy", "loss"] = "accuracy"
    sampler: Literal["tpe", "random", "grid"] = "tpe"

    @model_validator(mode="after")
    def _grid_of_choices(self) -> Self:
        ranges = [key for key, what in self.settings.items() if isinstance(what, Range)]
        if self.sampler == "grid" and ranges:
            raise ValueError(f"a grid needs values, but {ranges[0]} is a range")
        return self


def read_space(file: str | Path) -> Search:
    """Return a search read from a YAML file.

    Raises:
        EvocaError: missing, not YAML, or not a search; one line.
    """
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        return Search.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EvocaError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise EvocaError(f"{file}: {explain(error, content, Search)}") from error


def short(value: Any) -> str:
    """Return the value of a setting as short text."""
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


def short_names(keys: Sequence[str]) -> list[str]:
    """Return dotted keys, shortened as far as they stay distinct.

    >>> short_names(["model.hidden", "steps.0.rate", "steps.1.rate"])
    ['hidden', '0.rate', '1.rate']
    """

    def ending(key: str, parts: int) -> str:
        return ".".join(key.split(".")[-parts:])

    names = []
    for key in keys:
        sizes = range(1, key.count(".") + 2)
        alone = (n for n in sizes if sum(ending(k, n) == ending(key, n) for k in keys) == 1)
        names.append(ending(key, next(alone, len(sizes))))
    return names
