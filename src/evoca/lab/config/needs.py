"""What a recipe needs before it can be trained, and how long that took where it was measured."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from evoca.lab.config.recipe import Recipe
from evoca.words import by_number

__all__ = ["Needs", "Took", "needs_of", "time_of"]


@dataclass(frozen=True)
class Needs:
    """What a recipe needs.

    Attributes:
        hub: names of what is fetched from a model hub.
        yours: whose weights a file of the user's must hold, in words.
        extras: that must be installed.
    """

    hub: tuple[str, ...]
    yours: tuple[str, ...]
    extras: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"the {by_number(len(self.extras), 'extra')} {' and '.join(self.extras)}"]
        parts += [f"weights from a hub ({', '.join(self.hub)})"] if self.hub else []
        parts += [f"a file of weights ({', '.join(self.yours)})"] if self.yours else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Took:
    """How long a training took.

    Attributes:
        images: trained on, chosen by and measured, together.
        seconds: of one processor core.
        profile: that the recipe was changed by.
    """

    images: int
    seconds: float
    profile: str

    @property
    def minutes(self) -> float:
        """The same in minutes."""
        return self.seconds / 60

    def __str__(self) -> str:
        return (
            f"about {self.minutes:.1f} min of one core for {self.images} images with "
            f"--profile {self.profile}"
        )


def needs_of(recipe: Recipe) -> Needs:
    """Return what a recipe needs, with the weights that its networks are to have."""
    hub: list[str] = []
    yours: list[str] = []
    extras = ["train"]
    for network in recipe.model.networks():
        record = recipe.record_of(network)
        extras += [extra] if (extra := record.facts.extra) else []
        if network.weights != "recorded":
            continue
        if record.weights.hub is not None:
            hub.append(record.weights.hub)
        elif record.weights.package is None:
            yours.append(record.weights.origin or record.name)
    hub += recipe.model.hub_names()
    extras += recipe.model.extras()
    return Needs(*(tuple(dict.fromkeys(found)) for found in (hub, yours, extras)))


def time_of(name: str) -> Took | None:
    """Return how long a recipe of the package took; ``None`` where it was not measured.

    Measured by ``benchmarks/recipe_times.py``.
    """
    return _times().get(name)


@cache
def _times() -> dict[str, Took]:
    file = resources.files("evoca") / "recipes" / "times.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {
        row["recipe"]: Took(int(row["images"]), float(row["seconds"]), row["profile"])
        for row in rows
    }
