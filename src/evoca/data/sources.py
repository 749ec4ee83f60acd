"""Labelled images of several sources as one set, each image with its own source's knowledge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.data.readers import get_reader, reader_names
from evoca.data.taxonomies import Membership, membership
from evoca.data.teaching import Teaching
from evoca.emotions import Polarity, label_polarity
from evoca.errors import DataError

__all__ = ["SCALE", "join_sources", "on_scale", "source_names"]

SCALE = (1.0, 9.0)
"""The scale that ratings of several sources are brought to, that of the Self-Assessment Manikin
(Bradley and Lang 1994)."""


def source_names(sources: Sequence[LabelledImages]) -> tuple[str, ...]:
    """Return a name for each source: its data set's, else its file's or folder's; each once."""
    found: list[str] = []
    for source in sources:
        plain = source.collection or Path(source.source).stem or "data"
        name, number = plain, 2
        while name in found:
            name, number = f"{plain}-{number}", number + 1
        found.append(name)
    return tuple(found)


def join_sources(
    sources: Sequence[LabelledImages],
    *,
    scale: tuple[float, float] = SCALE,
    scales: Mapping[str, tuple[float, float]] | None = None,
) -> LabelledImages:
    """Return images of several sources as one set, with what each of them teaches.

    The labels are those of the first source. Images of another vocabulary have no single label
    among them (:attr:`~LabelledImages.truth` is -1) but teach sums of them, see
    :mod:`evoca.data.teaching`. Where the viewers' shares are known they teach, else the label.

    Args:
        sources: at least two; the first one's labels are learnt.
        scale: that ratings of valence and arousal are brought to.
        scales: lowest and highest rating by a source's name, see :func:`source_names`; that of
            the reader where omitted.

    Raises:
        DataError: the first source has no labels; the labels of another say nothing about them,
            and it has no ratings; or a scale is not known.
    """
    names = source_names(sources)
    first = sources[0]
    if not _has_labels(first):
        raise DataError(
            f"{first.source}: gives no emotions, and the labels of the first source are what is "
            "learnt: name another first"
        )
    if unknown := sorted(set(scales or {}) - set(names)):
        raise DataError(
            f"sources.scales: no source is called {unknown[0]}: they are {', '.join(names)}"
        )
    own_scales = [
        _scale(name, source, scales or {}) for name, source in zip(names, sources, strict=True)
    ]
    parts = [_own_shares(source, first) for source in sources]
    rated = [source.affect is not None for source in sources]
    for name, (own, _), has_ratings in zip(names, parts, rated, strict=True):
        if not has_ratings and not own.any():
            raise DataError(
                f"{name}: none of its images says anything about {', '.join(first.labels)}: its "
                "labels have no counterpart among them"
            )
    columns, polarity = _columns(first.labels, [sets for _, sets in parts], rated=any(rated))
    place = {column: i for i, column in enumerate(columns)}
    shares = []
    for own, sets in parts:
        wide = np.zeros((len(own), len(columns)))
        for i, column in enumerate(sets):
            wide[:, place[column]] += own[:, i]
        shares.append(wide)
    vocabularies = tuple(
        tuple(sorted({place[column] for column in sets}))
        or (() if polarity is None else tuple(sorted(polarity)))
        for _, sets in parts
    )
    affect = [_rescaled(s, own, scale) for s, own in zip(sources, own_scales, strict=True)]
    teaching = Teaching(
        sources=names,
        of=np.repeat(np.arange(len(sources)), [len(source) for source in sources]),
        columns=columns,
        shares=np.concatenate(shares),
        vocabularies=vocabularies,
        pleasant=np.concatenate(
            [_pleasant(s, own) for s, own in zip(sources, own_scales, strict=True)]
        ),
        scale=scale if any(rated) else None,
        polarity=polarity,
    )
    return _joined(sources, names, affect if any(rated) else None, teaching)


def _has_labels(source: LabelledImages) -> bool:
    return bool((source.truth >= 0).any()) or source.distribution is not None


def _scale(
    name: str, source: LabelledImages, scales: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the lowest and highest rating of a source; ``None`` without ratings."""
    if source.affect is None:
        return None
    found = scales.get(name, _reader_scale(source))
    if found is None:
        raise DataError(
            f"{name}: has ratings of valence and arousal, on no known scale: name its lowest and "
            f"highest, such as --set sources.scales.{name}=[1, 9]"
        )
    low, high = found
    rated = source.affect[np.isfinite(source.affect)]
    if off := int(((rated < low) | (rated > high)).sum()):
        raise DataError(f"{name}: {off:,} ratings are outside {low:g} to {high:g}, its scale")
    return low, high


def on_scale(source: LabelledImages, scale: tuple[float, float]) -> LabelledImages:
    """Return images with their ratings on another scale, where the reader states their own."""
    own = _reader_scale(source)
    if source.affect is None or own is None:
        return source
    return replace(source, affect=_rescaled(source, own, scale))


def _reader_scale(source: LabelledImages) -> tuple[float, float] | None:
    """Return the scale of ratings that the reader of a source states; ``None`` without one."""
    known = source.collection in reader_names()
    return get_reader(source.collection).scale if known else None


def _own_shares(
    source: LabelledImages, first: LabelledImages
) -> tuple[NDArray[np.float64], list[tuple[int, ...]]]:
    """Return what a source's labels teach.

    Returns:
        float64 (n, S), and the positions of S sets of labels of the first source.
    """
    if not _has_labels(source):
        return np.zeros((len(source), 0)), []
    own = np.zeros((len(source), len(source.labels)))
    known = source.truth >= 0
    own[known, source.truth[known]] = 1.0
    if source.distribution is not None:
        voted = np.isfinite(source.distribution).all(axis=1)
        own[voted] = source.distribution[voted]
    of_label = _membership(source, first)
    index = {label: i for i, label in enumerate(first.labels)}
    taught = [
        (i, tuple(sorted(index[label] for label in of_label.table[name])))
        for i, name in enumerate(source.labels)
        if of_label.table[name]
    ]
    return own[:, [i for i, _ in taught]], [positions for _, positions in taught]


def _membership(source: LabelledImages, first: LabelledImages) -> Membership:
    if source.labels == first.labels:
        return Membership(
            source.taxonomy, first.taxonomy, {n: (n,) for n in source.labels}, "the same labels"
        )
    return membership(source.taxonomy, first.taxonomy)


def _columns(
    labels: Sequence[str], found: Sequence[Sequence[tuple[int, ...]]], *, rated: bool
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, int] | None]:
    """Return the sets of labels that anything teaches, single ones first, and the polarities."""
    columns = [(i,) for i in range(len(labels))]
    sets: list[tuple[int, ...]] = [*columns]
    for column in (column for own in found for column in own):
        if column not in sets:
            sets.append(column)
    sides = [
        tuple(i for i, label in enumerate(labels) if label_polarity(label) is polarity)
        for polarity in (Polarity.NEGATIVE, Polarity.POSITIVE)
    ]
    if not rated or not all(sides) or sum(map(len, sides)) < len(labels):
        return tuple(sets), None
    sets += [side for side in sides if side not in sets]
    return tuple(sets), (sets.index(sides[0]), sets.index(sides[1]))


def _rescaled(
    source: LabelledImages, own: tuple[float, float] | None, scale: tuple[float, float]
) -> NDArray[np.float64]:
    """Return valence and arousal (n, 2) on another scale, NaN where unknown."""
    if source.affect is None or own is None:
        return np.full((len(source), 2), np.nan)
    (low, high), (lowest, highest) = own, scale
    return lowest + (source.affect - low) / (high - low) * (highest - lowest)


def _pleasant(source: LabelledImages, own: tuple[float, float] | None) -> NDArray[np.float64]:
    """Return the share of the raters above the middle, their ratings taken as normal."""
    if source.affect is None or source.affect_sd is None or own is None:
        return np.full(len(source), np.nan)
    middle = sum(own) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        away = (source.affect[:, 0] - middle) / source.affect_sd[:, 0]
    normal = NormalDist()
    return np.array([normal.cdf(z) if np.isfinite(z) else np.nan for z in away.tolist()])


def _joined(
    sources: Sequence[LabelledImages],
    names: Sequence[str],
    affect: list[NDArray[np.float64]] | None,
    teaching: Teaching,
) -> LabelledImages:
    first = sources[0]
    same = [source.labels == first.labels for source in sources]
    offsets = np.cumsum([0, *(int(s.groups.max(initial=-1)) + 1 for s in sources)])
    groups = [source.groups + offset for source, offset in zip(sources, offsets, strict=False)]
    truth = [
        source.truth if own else np.full(len(source), -1, dtype=np.int64)
        for source, own in zip(sources, same, strict=True)
    ]
    k = len(first.labels)
    return replace(
        first,
        paths=tuple(path for source in sources for path in source.paths),
        names=tuple(
            f"{name}/{image}"
            for name, source in zip(names, sources, strict=True)
            for image in source.names
        ),
        truth=np.concatenate(truth),
        groups=np.concatenate(groups),
        has_groups=any(source.has_groups for source in sources),
        split=np.concatenate([source.split for source in sources]),
        distribution=_optional(
            [s.distribution if own else None for s, own in zip(sources, same, strict=True)],
            sources,
            (k,),
        ),
        agreement=_optional(
            [s.agreement if own else None for s, own in zip(sources, same, strict=True)],
            sources,
            (),
        ),
        affect=None if affect is None else np.concatenate(affect),
        recorded_hashes=tuple(digest for source in sources for digest in source.recorded_hashes),
        source=" + ".join(source.source for source in sources),
        affect_sd=None,
        collection="",
        teaching=teaching,
    )


def _optional(
    values: Sequence[NDArray[Any] | None], sources: Sequence[LabelledImages], shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Return columns joined, NaN where a source has none; ``None`` where none has any."""
    if all(value is None for value in values):
        return None
    parts = [
        np.full((len(source), *shape), np.nan) if value is None else value
        for source, value in zip(sources, values, strict=True)
    ]
    return np.concatenate(parts)
