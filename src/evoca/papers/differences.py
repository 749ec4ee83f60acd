"""Differences between a run and the paper that it follows, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from evoca.papers.run_facts import RunFacts
from evoca.papers.schema import Data, PublishedSystem
from evoca.words import counted

__all__ = ["Difference", "differences", "protocol_of"]

_CLOSE = 0.02
"""Links die: image counts with at most this relative difference are of one data set."""
_UNKNOWN_PARTS = "one split whose parts are not given"
_PARTS = {"all": "all", "train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Difference:
    """One difference between a run and a paper, or its packaged recipe.

    Attributes:
        what: ``data``, ``protocol``, ``training images``, ``backbone``, ``input size``,
            ``epochs`` or ``recipe``; or a setting of the recipe, in words.
        here: how it is in the run.
        there: how it is in the paper, or in the recipe of the package.
        against: whether it is the paper or the recipe.
    """

    what: str
    here: str
    there: str
    against: Literal["paper", "recipe"] = "paper"

    def __str__(self) -> str:
        return f"{self.what}: {self.here}; {self.against}: {self.there}"


def differences(
    facts: RunFacts, system: PublishedSystem, data: Data | None, part: str | None = None
) -> tuple[Difference, ...]:
    """Return the differences between a run and a published figure.

    Where the paper states nothing, nothing can differ, except for its data: figures on
    images that are not described are never comparable.

    Args:
        facts: of the run.
        system: that it follows.
        data: that the figure is of; ``None`` where it is not described.
        part: of that data; ``None`` where it is not stated.
    """
    found = [_data(facts, data, part), _learnt(facts, data), _protocol(facts, data)]
    found += [_seen(facts, part), _labels(facts)]
    if facts.recorded:
        found += [_backbone(facts, system), _input(facts, system), _epochs(facts, system)]
    else:
        found.append(Difference("recipe", "not recorded in the run", system.name))
    return tuple(difference for difference in found if difference is not None)


def _data(facts: RunFacts, data: Data | None, part: str | None = None) -> Difference | None:
    published = None if data is None else _images(data, tested=facts.one_split, part=part)
    images = facts.images
    if part == "val" and facts.validation is not None:
        images = facts.validation
    if data is not None and _same_size(images, published):
        return None
    here = counted(images, "image") if images is not None else "images not counted"
    here += f" ({facts.data})" if facts.data else ""
    here += f", fingerprint {facts.fingerprint[:12]}" if facts.fingerprint else ""
    if data is None:
        there = "not described"
    else:
        there = (
            f"{counted(published, 'image')}, {data.name}" if published is not None else data.name
        )
    return Difference("data", here, there)


def _learnt(facts: RunFacts, data: Data | None) -> Difference | None:
    """Return the difference in the number of images, where figures are of a test part."""
    if not facts.one_split or data is None or data.use == "testing alone":
        return None
    if facts.total is None or data.images is None or _data(facts, data) is not None:
        return None
    # A run may include its test images in this number, or not.
    sizes = (facts.total, facts.total + (facts.images or 0))
    if any(_same_size(images, data.images) for images in sizes):
        return None
    return Difference(
        "data", f"{counted(facts.total, 'image')} in all", f"{counted(data.images, 'image')} in all"
    )


def _labels(facts: RunFacts) -> Difference | None:
    if not facts.restricted:
        return None
    return Difference("labels", "only those that have images (--restrict)", "all of the model's")


def _seen(facts: RunFacts, part: str | None) -> Difference | None:
    learnt_from = facts.known_images(part)
    if learnt_from is None:
        return None
    return Difference("training images", learnt_from, "figures of images not learnt from")


def _images(data: Data, *, tested: bool, part: str | None = None) -> int | None:
    """Return the number of images, or of those that the figure is of."""
    if data.use == "testing alone" or not (tested or part == "val"):
        return data.images
    measured = "val" if part == "val" else "test"
    if measured in data.parts:
        return data.parts[measured]
    if data.images is None or measured not in data.ratios:
        return None
    return round(data.images * data.ratios[measured])


def _same_size(images: int | None, published: int | None) -> bool:
    if images is None or published is None:
        return False
    return abs(images - published) <= _CLOSE * published


def _protocol(facts: RunFacts, data: Data | None) -> Difference | None:
    if facts.one_split:
        return None
    there = _UNKNOWN_PARTS if data is None else protocol_of(data)
    return Difference("protocol", facts.protocol, there)


def protocol_of(data: Data) -> str:
    """Return how the paper divided its images, in words.

    >>> from evoca.papers import load_paper
    >>> protocol_of(load_paper("sreenivas2018").data[0])
    'one split, train 19,773, validation 1,098, test 1,099'
    >>> protocol_of(load_paper("najid2018").data[0])
    'one split, train 80%, validation 5%, test 15%'
    """
    if data.use == "testing alone":
        return "all images, none of them for training"
    parts = [f"{_PARTS[part]} {count:,}" for part, count in data.parts.items()]
    shares = [f"{_PARTS[part]} {share:.0%}" for part, share in data.ratios.items()]
    words = parts if len(parts) > 1 or not shares else shares
    return f"one split, {', '.join(words)}" if words else _UNKNOWN_PARTS


def _backbone(facts: RunFacts, system: PublishedSystem) -> Difference | None:
    read_as = {other: name for name, others in system.readings.items() for other in others}
    used = tuple(read_as.get(name, name) for name in facts.backbones)
    meant = system.backbones
    if not used or not meant or set(map(_plain, used)) == set(map(_plain, meant)):
        return None
    return Difference("backbone", " and ".join(facts.backbones), " and ".join(meant))


def _plain(name: str) -> str:
    """Return an architecture without library prefix, tag of weights and punctuation."""
    bare = name.lower().removeprefix("tf_").partition(".")[0].removesuffix("_unit")
    return re.sub(r"[^a-z0-9]", "", bare)


def _input(facts: RunFacts, system: PublishedSystem) -> Difference | None:
    side = system.input_size
    if side is None or facts.input_size is None or facts.input_size == (side, side):
        return None
    width, height = facts.input_size
    return Difference("input size", f"{width} x {height}", f"{side} x {side}")


def _epochs(facts: RunFacts, system: PublishedSystem) -> Difference | None:
    if system.epochs is None or facts.epochs == system.epochs:
        return None
    here = f"{facts.epochs}" if facts.epochs else "none, a head on frozen features"
    return Difference("epochs", here, f"{system.epochs}")
