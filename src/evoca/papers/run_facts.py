"""The facts that a run directory records about how the run was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evoca.papers.recipes import backbones_of, is_whole, mapping, recorded_recipe
from evoca.runs import Run
from evoca.runs.evaluated_on import EvaluatedOn, evaluated_on
from evoca.words import counted

__all__ = ["Minutes", "RunFacts", "copies_of", "facts_of", "minutes_of", "training_images"]


@dataclass(frozen=True)
class RunFacts:
    """The facts that determine whether two figures can be compared.

    Attributes:
        images: how many the run used; those it was tested on where ``one_split``.
        total: all images of the run, for training, validation and test.
        training_images: how many of those evaluated on were learnt from; ``None`` if not known.
        copies: how many of those evaluated on are copies of training images.
        chose: how many of those evaluated on are validation images, or copies of them.
        validation: validation images, where the run has figures of them beside its own.
        restricted: whether the model was left only the labels that have images.
        data: their name in the run.
        fingerprint: SHA-256 of names, labels and files.
        protocol: how they were divided, in words.
        one_split: whether the figures are of images that were not used in training.
        recorded: whether the run has its recipe; without it the rest is unknown.
        backbones: the pretrained networks.
        input_size: width and height in pixels.
        epochs: of all training steps together; 0 where nothing but a head was fitted.
        settings: the numbers of the recipe by the last part of their key.
        profile: the profile that fitted the recipe to a machine; ``None`` without one.
    """

    images: int | None
    total: int | None
    training_images: int | None
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
    copies: int = 0
    chose: int = 0
    validation: int | None = None
    restricted: bool = False

    def evaluated_on_known_images(self, part: str | None) -> bool:
        """Return whether images that the system knows, or copies of them, are evaluated on.

        Args:
            part: of the published figure's data; for ``val``, validation images do not count.
        """
        return bool(self.training_images or self.copies or (self.chose and part != "val"))

    def known_images(self, part: str | None) -> str | None:
        """Return the evaluated images that are not new, in words; ``None`` where all are new."""
        of = "" if self.images is None else f" of the {self.images:,}"
        if self.training_images:
            return (
                f"{self.training_images:,}{of} evaluated images are training images of the system"
            )
        parts = [(self.copies, "copies of training images")]
        parts += [(self.chose, "validation images, or copies of them")] if part != "val" else []
        words = [f"{count:,} are {what}" for count, what in parts if count]
        return (
            f"of the {counted(self.images or 0, 'evaluated image')} {', '.join(words)}"
            if words
            else None
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "images": self.images,
            "training_images": self.training_images,
            "copies_of_known_images": self.copies + self.chose,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "protocol": self.protocol,
            "backbones": list(self.backbones),
            "input_size": None if self.input_size is None else list(self.input_size),
            "epochs": self.epochs if self.recorded else None,
            "profile": self.profile,
            "restricted": self.restricted,
        }


def facts_of(run: Run) -> RunFacts:
    """Return the facts of a run; entries that are absent or of another shape are unknown."""
    data, recipe = mapping(run.description.get("data")), recorded_recipe(run)
    learnt = training_images(run)
    known = None if learnt is None else learnt + copies_of(run)
    protocol, one_split = _protocol(run, known)
    size = mapping(recipe.get("preprocessing"))
    width, height = size.get("width"), size.get("height")
    return RunFacts(
        images=_evaluated_images(run),
        total=_total_images(run),
        training_images=learnt,
        copies=_count_of(run, "copies_of_training_images"),
        chose=_count_of(run, "copies_of_validation_images"),
        validation=_part_of(run, "validation"),
        restricted=_is_restricted(run),
        data=str(data["name"]) if data.get("name") else None,
        fingerprint=str(data["fingerprint"]) if data.get("fingerprint") else None,
        protocol=protocol,
        one_split=one_split,
        recorded=is_whole(recipe),
        backbones=backbones_of(recipe),
        input_size=(width, height) if isinstance(width, int) and isinstance(height, int) else None,
        epochs=_epochs(recipe),
        settings={k: float(v) for k, v in _items(recipe) if _is_number(v)},
        profile=str(recipe["profile"]) if recipe.get("profile") else None,
    )


def _is_restricted(run: Run) -> bool:
    """Return whether the run, or the run it evaluates, left the model fewer labels."""
    origin = mapping(run.description.get("origin"))
    entries = (run.description, origin, mapping(origin.get("split")))
    return any(one.get("restricted") is True for one in entries)


def training_images(run: Run) -> int | None:
    """Return how many of the evaluated images are training images; ``None`` if unknown."""
    origin = mapping(run.description.get("origin"))
    for entry in (run.metrics, run.description, origin):
        if isinstance(count := entry.get("training_images"), int):
            return count
    return None


def copies_of(run: Run) -> int:
    """Return how many of the evaluated images are copies of known images."""
    kinds = ("training", "validation")
    return sum(_count_of(run, f"copies_of_{kind}_images") for kind in kinds)


def _count_of(run: Run, key: str) -> int:
    origin = mapping(run.description.get("origin"))
    for entry in (run.metrics, run.description, origin):
        if isinstance(count := entry.get(key), int):
            return count
    return 0


def _part_of(run: Run, part: str) -> int | None:
    count = mapping(run.description.get("split")).get(part)
    return count if isinstance(count, int) else None


@dataclass(frozen=True)
class Minutes:
    """The duration of an epoch in minutes.

    Attributes:
        mean: over the epochs.
        epochs: how many there were.
        cached: in how many the features of the frozen layers were read from a cache, so that
            the minutes leave them out. ``None`` where the run does not record it.
    """

    mean: float
    epochs: int
    cached: int | None

    @property
    def whole(self) -> bool:
        """Whether they are of the whole network, as far as is known."""
        return not self.cached

    def in_words(self) -> str | None:
        """Return what the minutes leave out, in words; ``None`` if nothing is known to be."""
        if self.cached is None:
            return (
                "minutes per epoch: whether the frozen layers were computed in every epoch, or "
                "once and kept, is not recorded"
            )
        if not self.cached:
            return None
        return (
            f"minutes per epoch: in {self.cached} of {self.epochs} epochs the frozen layers' "
            "features were cached, and their minutes are of the layers after them alone (the mean "
            f"of all is {self.mean:.2f}); train with --no-cache for minutes of the whole network"
        )


def minutes_of(run: Run) -> Minutes | None:
    """Return the minutes of a run's epochs; ``None`` where it has no epochs."""
    rows = [row for row in run.history if row.get("minutes")]
    if not rows:
        return None
    features = [row.get("kept_features") for row in rows]
    cached = None if not all(features) else sum(one != "0" for one in features)
    return Minutes(sum(float(row["minutes"]) for row in rows) / len(rows), len(rows), cached)


def _split(run: Run) -> object:
    """Return the split of the predictions; if read from a run, the split of that run."""
    made = mapping(run.description.get("origin")).get("split")
    return run.description.get("split") if made is None else made


def _protocol(run: Run, known: int | None) -> tuple[str, bool]:
    split = _split(run)
    kind, entry = evaluated_on(split), mapping(split)
    folds = entry.get("folds")
    if kind is not None and kind.of_folds and isinstance(folds, int):
        return f"{entry.get('repeats', 1)} x {folds}-fold cross-validation", False
    if kind is EvaluatedOn.ALL and known == 0:
        return "all images, none of them for training", True
    name = kind or (entry.get("kind") if entry else split)
    return str(name or "not recorded"), kind is EvaluatedOn.TEST


def _evaluated_images(run: Run) -> int | None:
    """Return the number of evaluated images; if not recorded, of all images of the run."""
    split = mapping(run.description.get("split"))
    tested = split.get("test")
    if evaluated_on(split) is EvaluatedOn.TEST and isinstance(tested, int) and tested:
        return tested
    return _count(run.description.get("data"))


def _total_images(run: Run) -> int | None:
    origin = run.description.get("origin")
    if isinstance(origin, Mapping):
        return _count(origin.get("data"))
    split = mapping(run.description.get("split"))
    parts = [split.get(part) for part in ("train", "validation", "test")]
    if any(isinstance(part, int) for part in parts):
        return sum(part for part in parts if isinstance(part, int))
    # Without parts and folds, the count is of the test images.
    return _count(run.description.get("data")) if "folds" in split else None


def _count(data: object) -> int | None:
    images = mapping(data).get("images")
    return images if isinstance(images, int) else None


def _epochs(recipe: Mapping[str, Any]) -> int:
    steps = recipe.get("steps")
    each = [mapping(step).get("epochs") for step in steps] if isinstance(steps, list) else []
    return sum(epochs for epochs in each if isinstance(epochs, int))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _items(content: object, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the entries of a recipe of any shape, since runs of old versions differ."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _items(value, str(key))
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _items(value, name)
    else:
        yield name, content
