"""Bring a manifest from one taxonomy to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest import Manifest
from evoca.data.schema import DISAGREE, PROBABILITY, VOTES
from evoca.data.taxonomies import TaxonomyMapping, labels_of, mapping

__all__ = ["BY_VALENCE", "Remapped", "polarity_by_valence", "remap"]

BY_VALENCE = "valence-midpoint"
"""The variant that makes a polarity of ratings, where there are no labels."""


@dataclass(frozen=True)
class Remapped:
    """A manifest in another taxonomy, and what that cost.

    Attributes:
        manifest: all rows; those of a dropped label have an empty ``emotion``.
        mapping: the table that was used.
        dropped: label to the number of rows that lost it.
    """

    manifest: Manifest
    mapping: TaxonomyMapping
    dropped: dict[str, int]


def remap(manifest: Manifest, target: str, variant: str = "") -> Remapped:
    """Map labels, votes and distributions.

    Votes for labels that become one are added up. Votes for a label without a
    counterpart are kept under ``dropped_votes_<label>``; a distribution is scaled to sum
    to 1 over what remains, and is empty where nothing does.

    Raises:
        DataError: the rows are of several taxonomies, or there is no such mapping.
    """
    source = manifest.taxonomy
    table = mapping(source, target, variant)
    old, new = labels_of(source), labels_of(target)
    codes = manifest.label_codes()
    values: dict[str, NDArray[Any]] = {"taxonomy": np.full(len(manifest), target, dtype=object)}
    emotions = np.array([*(table.table[label] or "" for label in old), ""], dtype=object)
    if "emotion" in manifest:
        values["emotion"] = emotions[codes]
    removed: list[str] = []
    for prefix in (VOTES, DISAGREE, PROBABILITY):
        values |= _summed(manifest, prefix, table, old, new, removed)
    kept = manifest.without_columns(*removed).with_columns(values)
    dropped = {label: int((codes == old.index(label)).sum()) for label in table.dropped}
    return Remapped(kept, table, {label: n for label, n in dropped.items() if n})


def polarity_by_valence(manifest: Manifest, scale: tuple[float, float]) -> Manifest:
    """Say on which side of the middle of its scale the mean valence of each image lies.

    A convention, not a label that any viewer gave: the column ``label_from`` says so. An
    image on the middle, or without a rating, gets no label. No emotion follows from valence.

    Args:
        manifest: of a source without labels.
        scale: lowest and highest rating.

    Returns:
        The same rows in the taxonomy ``polarity``.
    """
    middle = sum(scale) / 2
    valence = manifest.numbers("valence")
    side = np.where(valence > middle, "positive", np.where(valence < middle, "negative", ""))
    basis = f"mean valence against {middle:g}"
    return manifest.with_columns(
        {
            "emotion": side.astype(object),
            "taxonomy": np.full(len(manifest), "polarity", dtype=object),
            "label_from": np.where(side == "", "", basis).astype(object),
        }
    )


def _summed(
    manifest: Manifest,
    prefix: str,
    table: TaxonomyMapping,
    old: tuple[str, ...],
    new: tuple[str, ...],
    removed: list[str],
) -> dict[str, NDArray[Any]]:
    """Columns under one prefix in the new labels; the old ones are named in ``removed``."""
    present = [label for label in old if prefix + label in manifest]
    if not present:
        return {}
    removed += [prefix + label for label in present]
    cells = {label: manifest.numbers(prefix + label) for label in present}
    empty = np.all([np.isnan(column) for column in cells.values()], axis=0)
    found = {prefix + label: np.zeros(len(manifest)) for label in new}
    for label, column in cells.items():
        counterpart = table.table[label]
        if counterpart is not None:
            found[prefix + counterpart] += np.nan_to_num(column)
        elif prefix != PROBABILITY:
            found[f"dropped_{prefix}{label}"] = column
    if prefix == PROBABILITY:
        total = np.sum(list(found.values()), axis=0)
        empty = empty | (total <= 0)
        found = {name: column / np.where(empty, 1.0, total) for name, column in found.items()}
        return {name: np.where(empty, np.nan, column) for name, column in found.items()}
    return {name: _counts(column, empty) for name, column in found.items()}


def _counts(column: NDArray[np.float64], empty: NDArray[np.bool_]) -> NDArray[Any]:
    mask = empty | np.isnan(column)
    return np.ma.masked_array(np.nan_to_num(column).astype(np.int32), mask=mask)
