"""A recipe: everything that decides what a model becomes, validated strictly."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evoca.errors import EvocaError
from evoca.images.preprocess import Preprocessing
from evoca.lab.search_space import Search
from evoca.lab.steps import Step

__all__ = ["Recipe", "RecipeError", "load_recipe", "recipe_names"]


class RecipeError(EvocaError, ValueError):
    """A recipe that does not exist or does not hold together."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Strict):
    """The network.

    Attributes:
        backbone: a name in :data:`evoca.lab.backbones.BACKBONES`; its weights stay frozen.
        stages: ``last`` uses the final map; ``all`` adds the map of every block stage.
    """

    backbone: str
    stages: Literal["last", "all"] = "all"


class Head(_Strict):
    """The classifier on the averaged features: multinomial logistic regression.

    Attributes:
        kind: ``linear``, whose evidence map is exactly additive.
        c_grid: candidates for the inverse L2 penalty, on standardised features whose
            mean squared norm is 100; inner folds choose by likelihood.
    """

    kind: Literal["linear"] = "linear"
    c_grid: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


class Protocol(_Strict):
    """How the recipe is measured and calibrated.

    Attributes:
        folds: outer folds, stratified and grouped.
        inner_folds: folds inside each training part that choose the penalty, the
            temperature and the set threshold.
        repeats: repetitions with other folds.
        seed: of the first repeat; repeat r uses seed + r.
        coverage: of the prediction sets.
        validation: share of the training images that is set aside to choose, where the
            data name no validation images.
    """

    folds: int = Field(default=5, ge=2)
    inner_folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=3, ge=1)
    seed: int = Field(default=0, ge=0)
    coverage: float = Field(default=0.9, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, le=0.5)


class Recipe(_Strict):
    """A system that can be trained, cross-validated and exported.

    Attributes:
        name: how the command line calls it.
        summary: one sentence.
        model: the network.
        preprocessing: how pictures become its input; copied into the bundle.
        head: the classifier.
        steps: how the network is trained; empty where only a head is fitted.
        protocol: how it is measured and calibrated.
        search: settings to try, for ``evoca search``.
    """

    name: str
    summary: str
    model: Model
    preprocessing: Preprocessing
    head: Head
    steps: tuple[Step, ...] = ()
    protocol: Protocol = Protocol()
    search: Search | None = None


def _folder() -> Path:
    return Path(str(resources.files("evoca") / "recipes"))


def recipe_names() -> list[str]:
    """Return the names of the recipes inside the package, sorted."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe by name, or from a ``.yaml`` file.

    Args:
        name: a name in :func:`recipe_names`, or the path of a file.
        overrides: ``KEY=VALUE`` pairs, the key dotted, the value in YAML, such as
            ``model.backbone=efficientnet_lite0``.

    Raises:
        RecipeError: unknown name, unknown key (the nearest one is named), bad value.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _folder() / f"{name}.yaml"
    if not path.is_file():
        raise RecipeError(f"{name}: no such recipe; known: {', '.join(recipe_names())}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values")
    for override in overrides:
        apply_setting(content, override)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{name}: {_explain(error)}") from error


def apply_setting(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override}: write KEY=VALUE, such as protocol.repeats=5")
    *parents, last = key.split(".")
    place: Any = content
    for parent in parents:
        place = _inside(place, parent, override)
    try:
        parsed = yaml.safe_load(value)
        if isinstance(place, list):
            place[_position(place, last, override)] = parsed
        else:
            place[last] = parsed
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is not valid YAML") from error


def _inside(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        found = place[_position(place, key, override)]
    else:
        found = place.setdefault(key, {})
    if not isinstance(found, dict | list):
        raise RecipeError(f"--set {override}: {key} is not a group of keys")
    return found


def _position(items: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(items):
        raise RecipeError(
            f"--set {override}: {key} is not the number of an entry, 0 to {len(items) - 1}"
        )
    return int(key)


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{place}: {first['msg']}"
    near = get_close_matches(str(first["loc"][-1]), _all_keys(Recipe), n=1, cutoff=0.5)
    return f"unknown key {place}" + (f"; did you mean {near[0]}?" if near else "")


def _all_keys(model: type[BaseModel]) -> list[str]:
    keys: list[str] = []
    for name, info in model.model_fields.items():
        keys.append(name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            keys += _all_keys(info.annotation)
    return keys
