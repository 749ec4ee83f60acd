"""Label a manifest by a vote rule, and count what each rule would keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.crowd import (
    Annotations,
    CrowdLabels,
    cautions,
    crowdlab,
    dawid_skene,
    read_annotations,
)
from evoca.data.manifest.columns import numbers, read_columns, texts
from evoca.data.manifest.schema import DISAGREE, PROBABILITY, VOTES, emotion_columns
from evoca.data.manifest.table import Manifest
from evoca.data.taxonomies import TaxonomyMapping, labels_of, mapping
from evoca.data.votes import AGREE_RULES, COUNT_RULES, RULES, Labels, apply_rule
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.words import counted

__all__ = [
    "BY_VALENCE",
    "CROWD_RULES",
    "Relabelled",
    "Remapped",
    "RuleCounts",
    "label_by",
    "polarity_by_valence",
    "remap",
    "rule_table",
]

CROWD_RULES = ("dawid-skene", "crowdlab")
"""Rules that need the annotator of each vote."""


@dataclass(frozen=True)
class RuleCounts:
    """The counts of a rule on a manifest.

    Attributes:
        kept: images that meet the rule.
        labelled: those of them with a label.
        tied: those of them without one, because of a tie.
        by_emotion: label to images.
    """

    kept: int
    labelled: int
    tied: int
    by_emotion: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Relabelled:
    """A manifest with new labels, and what could not be matched.

    Attributes:
        manifest: with the new labels.
        counts: of the rule.
        unseen: images of the manifest without votes by annotators; 0 for other rules.
        unmatched: images that annotators voted on and the manifest does not have.
        cautions: where labels rest on few votes, and which labels nobody gave.
    """

    manifest: Manifest
    counts: RuleCounts
    unseen: int = 0
    unmatched: int = 0
    cautions: tuple[str, ...] = ()


def rule_table(manifest: Manifest) -> dict[str, RuleCounts]:
    """Return the counts of each rule that applies.

    Rules on agrees and disagrees are left out where the votes have no disagrees.

    Raises:
        DataError: the manifest has no votes.
    """
    votes, disagrees = _votes(manifest)
    rules = [*COUNT_RULES, *(AGREE_RULES if disagrees is not None else ())]
    return {rule: _count(apply_rule(rule, votes, disagrees), manifest.labels) for rule in rules}


def label_by(
    manifest: Manifest,
    rule: str,
    *,
    annotations: Path | None = None,
    predictions: Path | None = None,
    keep_all: bool = False,
) -> Relabelled:
    """Return a manifest with ``emotion`` set by a rule; the votes stay as they are.

    Args:
        manifest: with votes; for rules on annotators, with images they have seen.
        rule: one of :data:`evoca.data.votes.RULES` or :data:`CROWD_RULES`.
        annotations: table ``image, annotator, emotion``, for the rules on annotators; for
            the others it is counted where the manifest has no votes.
        predictions: table ``image, p_<emotion>`` of out-of-sample predictions.
        keep_all: keep the rows that do not meet the rule too, without a label.

    Raises:
        DataError: no such rule, or what it needs is missing.
        MissingExtraError: ``crowdlab`` without cleanlab.
    """
    if rule in CROWD_RULES:
        given = _crowd(manifest, rule, annotations, predictions)
    elif rule in RULES:
        given = _counted(manifest, rule, annotations)
    else:
        known = ", ".join((*RULES, *CROWD_RULES))
        raise DataError(f"no vote rule {rule!r}; the rules are {known}")
    names = np.array([*manifest.labels, ""], dtype=object)
    labels = given.labels
    made = manifest.with_columns({"emotion": names[labels.truth], **given.columns})
    kept = made if keep_all else made.take(labels.kept)
    return Relabelled(
        kept, _count(labels, manifest.labels), given.unseen, given.unmatched, given.cautions
    )


@dataclass(frozen=True)
class _Given:
    """The output of a rule: labels, further columns, and what it could not match."""

    labels: Labels
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    unseen: int = 0
    unmatched: int = 0
    cautions: tuple[str, ...] = ()


def _votes(manifest: Manifest) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    votes = manifest.counts(VOTES)
    if votes is None:
        raise DataError(f"{manifest.source}: no votes (columns votes_<emotion>)")
    return votes, manifest.counts(DISAGREE)


def _counted(manifest: Manifest, rule: str, annotations: Path | None) -> _Given:
    """Return labels by a rule on counts: the manifest's, or those of a table of single votes."""
    if annotations is None or manifest.counts(VOTES) is not None:
        return _Given(apply_rule(rule, *_votes(manifest)))
    votes = read_annotations(annotations, manifest.taxonomy)
    rows, unmatched = _matched(manifest, votes)
    counts = votes.counts()[rows]
    counts[rows < 0] = 0
    labels = apply_rule(rule, counts)
    return _Given(labels, _vote_columns(votes, rows), int((rows < 0).sum()), unmatched)


def _matched(manifest: Manifest, votes: Annotations) -> tuple[NDArray[np.int64], int]:
    """Return the place of each image of the manifest in the votes, and how many do not match.

    Raises:
        DataError: none of them is in the manifest.
    """
    position = {name: i for i, name in enumerate(votes.images)}
    rows = np.array([position.get(name, -1) for name in manifest.texts("image")], dtype=np.int64)
    seen = rows >= 0
    if not seen.any():
        raise DataError(f"{votes.source}: none of its images is in the manifest")
    return rows, len(position) - len(np.unique(rows[seen]))


def _vote_columns(votes: Annotations, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    counts = np.ma.masked_array(votes.counts()[rows])
    counts[rows < 0] = np.ma.masked
    return dict(zip(emotion_columns(VOTES, votes.labels), counts.T, strict=True))


def _count(labels: Labels, names: tuple[str, ...]) -> RuleCounts:
    given = labels.truth[labels.truth >= 0]
    by_emotion = np.bincount(given, minlength=len(names)).tolist()
    return RuleCounts(
        kept=int(labels.kept.sum()),
        labelled=len(given),
        tied=int(labels.tied.sum()),
        by_emotion=dict(zip(names, by_emotion, strict=True)),
    )


def _crowd(
    manifest: Manifest, rule: str, annotations: Path | None, predictions: Path | None
) -> _Given:
    """Return labels by annotator, with their votes and posteriors."""
    if annotations is None:
        raise DataError(f"the rule {rule} needs votes by annotator (--votes TABLE)")
    votes = read_annotations(annotations, manifest.taxonomy)
    if rule == "dawid-skene":
        found = dawid_skene(votes)
    elif predictions is None:
        raise DataError("the rule crowdlab needs out-of-sample predictions (--predictions TABLE)")
    else:
        found = crowdlab(votes, _predictions(predictions, votes))
    rows, unmatched = _matched(manifest, votes)
    return _Given(
        _labels_of(found, rows),
        _columns_of(found, votes, rows, manifest),
        unseen=int((rows < 0).sum()),
        unmatched=unmatched,
        cautions=tuple(cautions(votes, found.truth)),
    )


def _labels_of(found: CrowdLabels, rows: NDArray[np.int64]) -> Labels:
    seen = rows >= 0
    truth = np.where(seen, found.truth[rows], -1)
    return Labels(truth, seen, seen & (truth < 0))


def _columns_of(
    found: CrowdLabels, votes: Annotations, rows: NDArray[np.int64], manifest: Manifest
) -> dict[str, NDArray[Any]]:
    unseen = rows < 0
    values: dict[str, NDArray[Any]] = {
        "label_probability": np.where(unseen, np.nan, found.probability[rows])
    }
    if manifest.counts(VOTES) is None:
        values |= _vote_columns(votes, rows)
    if found.posterior is not None:
        shares = np.where(unseen[:, None], np.nan, found.posterior[rows])
        values |= dict(zip(emotion_columns(PROBABILITY, votes.labels), shares.T, strict=True))
    return values


def _predictions(path: Path, votes: Annotations) -> NDArray[np.float64]:
    where = printable_name(path)
    table = read_columns(path)
    names = texts(table, "image", where, required=True).tolist()
    position = {name: i for i, name in enumerate(names)}
    lost = [name for name in votes.images if name not in position]
    if lost:
        raise DataError(
            f"{where}: no prediction for {counted(len(lost), 'image')}, first {lost[0]}"
        )
    rows = [position[name] for name in votes.images]
    columns = emotion_columns(PROBABILITY, votes.labels)
    for column in columns:
        texts(table, column, where, required=True)
    shares = np.stack([numbers(table, column, where)[rows] for column in columns], axis=1)
    if np.isnan(shares).any():
        raise DataError(f"{where}: an empty probability")
    return shares


BY_VALENCE = "valence-midpoint"
"""The variant that makes a polarity of ratings, where there are no labels."""


@dataclass(frozen=True)
class Remapped:
    """A manifest in another taxonomy, and the labels that were dropped.

    Attributes:
        manifest: all rows; those of a dropped label have an empty ``emotion``.
        mapping: the table that was used.
        dropped: label to the number of rows that lost it.
    """

    manifest: Manifest
    mapping: TaxonomyMapping
    dropped: dict[str, int]


def remap(manifest: Manifest, target: str, variant: str = "") -> Remapped:
    """Return a manifest with labels, votes and distributions in another taxonomy.

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
    """Return a manifest labelled by the side of the scale's middle that mean valence is on.

    A convention, not a label that any viewer gave: the column ``label_from`` records it. An
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
    """Return columns of one prefix in the new labels; the old ones are added to ``removed``."""
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
