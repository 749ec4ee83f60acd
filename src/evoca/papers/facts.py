"""What a run directory says about how the run was made, as far as it says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evoca.runs import Run

__all__ = ["RunFacts", "facts_of", "minutes_per_epoch", "recipe_of"]


@dataclass(frozen=True)
class RunFacts:
    """The facts that decide whether two figures can be compared.

    Attributes:
        images: how many the run used; those it was tested on where ``one_split``.
        data: what the run calls them.
        fingerprint: SHA-256 of names, labels and files.
        protocol: how they were divided, in words.
        one_split: whether the figures are of one test part that took no part in training.
        recorded: whether the run has its recipe; without it the rest is unknown.
        backbones: the pretrained networks.
        input_size: width and height in pixels.
        epochs: of all training steps together; 0 where nothing but a head was fitted.
        settings: the numbers of the recipe by the last part of their key.
        profile: what fitted the recipe to a machine; ``None`` where nothing did.
    """

    images: int | None
    data: str | None
    fingerprint: str | None
    protocol: str
    one_split: bool
    recorded: bool
    backbones: tuple[str, ...]
    input_size: tuple[int, int] | None
    epochs: int
    settings: Mapping[str, float]
    profile: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "images": self.images,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "protocol": self.protocol,
            "backbones": list(self.backbones),
            "input_size": None if self.input_size is None else list(self.input_size),
            "epochs": self.epochs if self.recorded else None,
            "profile": self.profile,
        }


def recipe_of(run: Run) -> str:
    """Return the published system a run is of: its recipe's, or the evaluated bundle's.

    A variant may stand beside the figures of the system that it varies.
    """
    model = _mapping(run.description.get("system"))
    recipe = _mapping(run.description.get("recipe"))
    return str(recipe.get("published") or model.get("recipe") or run.recipe)


def facts_of(run: Run) -> RunFacts:
    """Read the facts; what the run does not say, or says in another shape, is unknown."""
    data = _mapping(run.description.get("data"))
    recipe = _mapping(run.description.get("recipe"))
    items = list(_items(recipe))
    images = data.get("images")
    protocol, one_split = _protocol(run.description.get("split"))
    size = _mapping(recipe.get("preprocessing"))
    width, height = size.get("width"), size.get("height")
    return RunFacts(
        images=images if isinstance(images, int) else None,
        data=str(data["name"]) if data.get("name") else None,
        fingerprint=str(data["fingerprint"]) if data.get("fingerprint") else None,
        protocol=protocol,
        one_split=one_split,
        recorded=bool(recipe),
        backbones=tuple(sorted({str(v) for k, v in items if k == "backbone" and v})),
        input_size=(width, height) if isinstance(width, int) and isinstance(height, int) else None,
        epochs=sum(v for k, v in items if k == "epochs" and isinstance(v, int)),
        settings={k: float(v) for k, v in items if _is_number(v)},
        profile=str(recipe["profile"]) if recipe.get("profile") else None,
    )


def minutes_per_epoch(run: Run) -> float | None:
    """Return the mean over all epochs of a run; ``None`` where it has no epochs."""
    times = [float(row["minutes"]) for row in run.history if row.get("minutes")]
    return sum(times) / len(times) if times else None


def _protocol(split: object) -> tuple[str, bool]:
    said = _mapping(split)
    folds = said.get("folds")
    if isinstance(folds, int):
        return f"{said.get('repeats', 1)} x {folds}-fold cross-validation", False
    kind = said.get("kind") if said else split
    return str(kind or "not recorded"), "test" in (kind, said.get("name"))


def _mapping(content: object) -> Mapping[str, Any]:
    return content if isinstance(content, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _items(content: object, name: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a recipe of any shape: recipes grow, and old runs stay."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _items(value, str(key))
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _items(value, name)
    else:
        yield name, content
