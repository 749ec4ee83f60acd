"""The label sets of the field, and tables that bring one to another.

A mapping is a table that names every label of its source, so nothing is dropped
unseen: a label mapped to ``None`` has no counterpart and its images lose their label.
Mappings between categorical models are conventions, not findings; each names its source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import DEFAULT_TAXONOMY, MIKELS8, POSITIVE, TAXONOMIES, parts_of
from evoca.errors import DataError, did_you_mean

__all__ = [
    "DEFAULT_TAXONOMY",
    "TAXONOMIES",
    "Membership",
    "TaxonomyMapping",
    "all_labels",
    "labels_of",
    "mapping",
    "mappings",
    "membership",
    "positive_labels",
]


@dataclass(frozen=True)
class TaxonomyMapping:
    """The labels of one taxonomy in another.

    Attributes:
        source: name of the taxonomy mapped from.
        target: name of the taxonomy mapped to.
        table: every label of ``source`` to a label of ``target``, or ``None``: dropped.
        basis: the source of the table.
        variant: name of a table beside the usual one; empty for that.
    """

    source: str
    target: str
    table: Mapping[str, str | None]
    basis: str
    variant: str = ""
    dropped: tuple[str, ...] = field(init=False)
    """The labels of ``source`` that have no counterpart."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", MappingProxyType(dict(self.table)))
        lost = tuple(label for label, target in self.table.items() if target is None)
        object.__setattr__(self, "dropped", lost)


_SHARED_NEGATIVE = {name: name for name in ("anger", "disgust", "fear", "sadness")}
_VALENCE = "polarity of the category (Mikels et al. 2005)"

_MAPPINGS: tuple[TaxonomyMapping, ...] = (
    TaxonomyMapping(
        "mikels8",
        "polarity",
        {str(e): "positive" if e in POSITIVE else "negative" for e in MIKELS8},
        _VALENCE,
    ),
    TaxonomyMapping(
        "ekman6",
        "mikels8",
        _SHARED_NEGATIVE | {"joy": None, "surprise": None},
        "shared names; joy could be any of the four positive emotions, surprise has no polarity",
    ),
    TaxonomyMapping(
        "ekman7",
        "mikels8",
        _SHARED_NEGATIVE | {"joy": None, "surprise": None, "neutral": None},
        "shared names; joy could be any of the four positive emotions",
    ),
    *(
        TaxonomyMapping(
            source,
            "mikels8",
            dict.fromkeys(TAXONOMIES[source])
            | {name: name for name in _SHARED_NEGATIVE}
            | {"surprise": "awe"},
            "a guess at how Rapolu et al. (2023) count 330 images of awe in EmotionROI",
            variant="surprise-as-awe",
        )
        for source in ("ekman6", "ekman7")
    ),
    TaxonomyMapping(
        "ekman7",
        "ekman6",
        {name: name for name in TAXONOMIES["ekman6"]} | {"neutral": None},
        "the same categories without neutral",
    ),
    TaxonomyMapping(
        "ekman6",
        "polarity",
        dict.fromkeys(_SHARED_NEGATIVE, "negative") | {"joy": "positive", "surprise": None},
        "surprise is pleasant or unpleasant",
    ),
    TaxonomyMapping(
        "ekman7",
        "polarity",
        dict.fromkeys(_SHARED_NEGATIVE, "negative")
        | {"joy": "positive", "surprise": None, "neutral": None},
        "surprise is pleasant or unpleasant, neutral neither",
    ),
    TaxonomyMapping(
        "mikels8",
        "ekman6",
        _SHARED_NEGATIVE
        | {"amusement": "joy", "awe": None, "contentment": "joy", "excitement": "joy"},
        "the positive emotions are kinds of joy; awe may be pleasant or threatening",
    ),
    TaxonomyMapping(
        "plutchik8",
        "mikels8",
        _SHARED_NEGATIVE | dict.fromkeys(("anticipation", "joy", "surprise", "trust")),
        "shared names",
    ),
    TaxonomyMapping(
        "plutchik8",
        "ekman6",
        {name: name for name in TAXONOMIES["ekman6"]} | {"anticipation": None, "trust": None},
        "shared names",
    ),
    TaxonomyMapping(
        "plutchik8",
        "polarity",
        dict.fromkeys(_SHARED_NEGATIVE, "negative")
        | {"joy": "positive", "trust": "positive", "anticipation": None, "surprise": None},
        "anticipation and surprise are pleasant or unpleasant",
    ),
    TaxonomyMapping(
        "parrott6",
        "mikels8",
        {"anger": "anger", "fear": "fear", "sadness": "sadness"}
        | dict.fromkeys(("joy", "love", "surprise")),
        "shared names",
    ),
    TaxonomyMapping(
        "parrott6",
        "polarity",
        {"anger": "negative", "fear": "negative", "sadness": "negative"}
        | {"joy": "positive", "love": "positive", "surprise": "positive"},
        "WEBEmo's own two classes (Panda et al. 2018)",
    ),
)


@dataclass(frozen=True)
class Membership:
    """What the labels of one taxonomy say about those of another.

    A coarser label says that one of several emotions was evoked, not which: its share is
    their sum. Two labels may name the same emotions; otherwise no emotion belongs to two.

    Attributes:
        source: name of the taxonomy whose labels are known.
        target: name of the taxonomy that is learnt.
        table: every label of ``source`` to the labels of ``target`` that it is the sum of;
            none where it says nothing about them.
        basis: the source of the table.
    """

    source: str
    target: str
    table: Mapping[str, tuple[str, ...]]
    basis: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", MappingProxyType(dict(self.table)))

    @property
    def dropped(self) -> tuple[str, ...]:
        """The labels of ``source`` that say nothing about ``target``."""
        return tuple(label for label, found in self.table.items() if not found)

    def matrix(self) -> NDArray[np.bool_]:
        """Return which target label belongs to which source label, (S, K)."""
        own, wanted = labels_of(self.source), labels_of(self.target)
        return np.array([[label in self.table[name] for label in wanted] for name in own])


_POSITIVE = tuple(str(e) for e in MIKELS8 if e in POSITIVE)
_NEGATIVE = tuple(str(e) for e in MIKELS8 if e not in POSITIVE)
_THEMSELVES = {name: (name,) for name in ("anger", "disgust", "fear", "sadness")}
_KINDS_OF_JOY = (
    "joy is the only pleasant one of the basic emotions, so it stands for any of the four "
    "pleasant emotions of Mikels et al. (2005)"
)

_MEMBERSHIPS: tuple[Membership, ...] = (
    Membership(
        "ekman6",
        "mikels8",
        _THEMSELVES | {"joy": _POSITIVE, "surprise": ()},
        f"{_KINDS_OF_JOY}; surprise is pleasant or unpleasant",
    ),
    Membership(
        "ekman7",
        "mikels8",
        _THEMSELVES | {"joy": _POSITIVE, "surprise": (), "neutral": ()},
        f"{_KINDS_OF_JOY}; surprise is pleasant or unpleasant, neutral neither",
    ),
    Membership(
        "plutchik8",
        "mikels8",
        _THEMSELVES | {"joy": _POSITIVE, "anticipation": (), "surprise": (), "trust": ()},
        f"{_KINDS_OF_JOY}; the others have no counterpart",
    ),
    Membership(
        "parrott6",
        "mikels8",
        {name: (name,) for name in ("anger", "fear", "sadness")}
        | {"joy": _POSITIVE, "love": _POSITIVE, "surprise": ()},
        "joy and love are the pleasant ones of Parrott (2001), each any of the four pleasant "
        "emotions of Mikels et al. (2005); surprise is pleasant or unpleasant here",
    ),
    Membership(
        "polarity",
        "mikels8",
        {"negative": _NEGATIVE, "positive": _POSITIVE},
        _VALENCE,
    ),
)


def membership(source: str, target: str) -> Membership:
    """Return what the labels of one taxonomy say about those of another.

    A label that a mapping brings to a single label says just this one.

    Args:
        source: name of the taxonomy whose labels are known.
        target: name of the taxonomy that is learnt.

    >>> membership("ekman7", "mikels8").table["joy"]
    ('amusement', 'awe', 'contentment', 'excitement')
    >>> membership("ekman7", "mikels8").dropped
    ('surprise', 'neutral')

    Raises:
        DataError: no such taxonomy, or its labels say nothing about the other's.
    """
    if source == target:
        same = {label: (label,) for label in labels_of(source)}
        return Membership(source, target, same, "the same labels")
    for known in _MEMBERSHIPS:
        if (known.source, known.target) == (source, target):
            return known
    table = mapping(source, target)
    single = {label: () if found is None else (found,) for label, found in table.table.items()}
    return Membership(source, target, single, table.basis)


def labels_of(taxonomy: str) -> tuple[str, ...]:
    """Return the labels of a taxonomy, in order.

    >>> labels_of("polarity")
    ('negative', 'positive')

    Raises:
        DataError: no such taxonomy.
    """
    try:
        return TAXONOMIES[taxonomy]
    except KeyError:
        known = did_you_mean(taxonomy, TAXONOMIES, limit=len(TAXONOMIES))
        raise DataError(f"no taxonomy {taxonomy!r}{known}") from None


def all_labels(taxonomies: Iterable[str]) -> tuple[str, ...]:
    """Return the labels of several taxonomies, each once, in order of first appearance."""
    return tuple(dict.fromkeys(label for name in taxonomies for label in labels_of(name)))


def mappings() -> tuple[TaxonomyMapping, ...]:
    """Return every mapping there is."""
    return _MAPPINGS


def mapping(source: str, target: str, variant: str = "") -> TaxonomyMapping:
    """Return the table from one taxonomy to another.

    Args:
        source: name of the taxonomy mapped from.
        target: name of the taxonomy mapped to.
        variant: a table beside the usual one, such as ``surprise-as-awe``.

    >>> mapping("ekman6", "mikels8").dropped
    ('joy', 'surprise')

    Raises:
        DataError: there is no such table, or no such taxonomy.
    """
    labels_of(source)
    labels_of(target)
    for known in _MAPPINGS:
        if (known.source, known.target, known.variant) == (source, target, variant):
            return known
    targets = ", ".join(
        f"{m.target} ({m.variant})" if m.variant else m.target
        for m in _MAPPINGS
        if m.source == source
    )
    requested = f"{target} ({variant})" if variant else target
    raise DataError(
        f"no mapping from {source} to {requested}; {source} maps to {targets or 'nothing'}"
    )


def positive_labels(labels: Collection[str]) -> frozenset[str]:
    """Return those of some labels that are known to be positive, whatever their taxonomy.

    A label without a polarity, such as surprise, and one of no known taxonomy are left out.

    >>> sorted(positive_labels(["anger", "disgust", "fear", "joy", "sadness", "surprise"]))
    ['joy']
    """
    found: set[str] = set()
    emotions = {label: set(parts_of(label)) for label in labels}
    for taxonomy, known in TAXONOMIES.items():
        if set().union(*emotions.values()) <= set(known):
            table: Mapping[str, str | None] = {"positive": "positive"}
            if taxonomy != "polarity":
                table = mapping(taxonomy, "polarity").table
            positive = {name for name, polarity in table.items() if polarity == "positive"}
            found |= {label for label, parts in emotions.items() if parts <= positive}
    return frozenset(found)
