"""A profile: what is changed in every recipe alike, to fit it to a machine and its data.

The papers trained on twenty thousand images and an accelerator. A profile states once, for
all recipes, which backbone stands in, how many epochs there are and what that makes of the
rates; a run records the changed recipe and the profile's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from evoca.lab.config.backbone import STAGES, Backbone
from evoca.lab.config.base import Packaged
from evoca.lab.config.models.differential import ORDINALS
from evoca.lab.config.step import Step
from evoca.strict import Strict

if TYPE_CHECKING:
    from evoca.lab.config.recipe import Recipe

__all__ = ["Profile", "load_profile", "profile_names"]


class Profile(Strict):
    """Changes to any recipe.

    Attributes:
        name: its name on the command line.
        summary: what it is for, and how its numbers came about.
        backbones: a backbone that recipes name, to the one that stands in for it.
        epochs: at most so many in a step that trains a part of the backbone.
        head_epochs: at most so many in a step that trains none of it.
        scratch_epochs: at most so many in any step of a recipe that starts from random
            weights; its rates are not those of fine-tuning, and stay.
        rate_times: optimiser to the factor of all its rates.
    """

    name: Annotated[str, Field(min_length=1)]
    summary: str
    backbones: dict[str, str] = Field(default_factory=dict)
    epochs: Annotated[int, Field(ge=1)] | None = None
    head_epochs: Annotated[int, Field(ge=1)] | None = None
    scratch_epochs: Annotated[int, Field(ge=1)] | None = None
    rate_times: dict[Literal["adam", "adamw", "sgd"], Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict
    )

    def changed(self, recipe: Recipe) -> dict[str, Any]:
        """Return the content of a recipe with the changes.

        Weights a recipe names for a backbone that is replaced are those the stand-in's
        record names.
        """
        content = recipe.model_dump(mode="json")
        content["profile"] = self.name
        content["model"] = self._swapped(content["model"])
        for step, changed in zip(recipe.steps, content["steps"], strict=True):
            changed["epochs"] = min(step.epochs, self._limit(recipe, step) or step.epochs)
            times = 1.0 if recipe.from_scratch else self.rate_times.get(step.optimiser.kind, 1.0)
            changed["rate"] = _rounded(step.rate * times)
            changed["rates"] = {part: _rounded(r * times) for part, r in step.rates.items()}
            warmup = step.schedule.warmup_epochs * changed["epochs"] / step.epochs
            changed["schedule"]["warmup_epochs"] = warmup
        return content

    def _limit(self, recipe: Recipe, step: Step) -> int | None:
        if recipe.from_scratch:
            return self.scratch_epochs
        return self.epochs if trains_backbone(step, recipe.backbone) else self.head_epochs

    def _swapped(self, content: Any) -> Any:
        """Return a model's options with the backbones replaced wherever one is named."""
        if isinstance(content, Mapping):
            return {
                key: self.backbones.get(value, value)
                if key == "backbone" and isinstance(value, str)
                else self._swapped(value)
                for key, value in content.items()
            }
        return [self._swapped(v) for v in content] if isinstance(content, list) else content


def trains_backbone(step: Step, record: Backbone) -> bool:
    """Whether a step trains any part of the backbone."""
    paths = [path for stage in STAGES for path in record.stages.of(stage)]
    tops = [f"top{number}" for number in range(1, len(record.tops) + 1)]
    parts = ["backbone", *STAGES, *tops, *map(record.child, paths)]
    # Of several trunks each has its own.
    parts += ["all", *(f"{trunk}.{part}" for trunk in ORDINALS for part in parts)]
    return any(fnmatchcase(part, pattern) for part in parts for pattern in step.trainable)


def _rounded(rate: float) -> float:
    """Return a rounded rate: 1e-4 times 10 would read 0.0010000000000000002."""
    return float(f"{rate:.6g}")


_PACKAGED = Packaged("profiles", "profile", Profile)


def profile_names() -> list[str]:
    """Return the names of the profiles inside the package, sorted."""
    return _PACKAGED.names()


def load_profile(name: str) -> Profile:
    """Return a profile by name, or from a ``.yaml`` file.

    >>> load_profile("lite0").backbones["vgg19"]
    'efficientnet_lite0'

    Raises:
        RecipeError: there is none, or it does not hold together.
    """
    return _PACKAGED.load(name)
