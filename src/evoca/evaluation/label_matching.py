"""The labels that a model and a data set share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.data.taxonomies import mapping
from evoca.emotions import parts_of
from evoca.errors import DataError
from evoca.metrics.ties import order_labels, top_labels

__all__ = ["Matched", "match_labels"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Matched:
    """Truth in the labels that predictions are scored on.

    Attributes:
        labels: the K scored labels.
        truth: int64 (n,), index into ``labels``, or -1.
        distribution: float64 (n, K), NaN where unknown; ``None`` where no row has one.
        weights: float64 (M, K), how the model's M probabilities add up to the scored ones,
            before they are scaled to sum to 1.
        complete: whether model and data have the same labels, so that each must occur.
        note: what was done, in words; empty where nothing was.
        restricted: whether the model was left fewer labels than it has.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    distribution: Floats | None
    weights: Floats
    complete: bool
    note: str = ""
    restricted: bool = False

    @property
    def keeps_logits(self) -> bool:
        """Whether each scored label is one of the model's, so that its logit is known."""
        return bool((self.weights.sum(axis=0) == 1).all())

    def probabilities(self, of_model: Floats) -> Floats:
        """Return (..., K) from (..., M); equal shares where the sum over the labels is 0."""
        summed = of_model @ self.weights
        total = summed.sum(axis=-1, keepdims=True)
        equal = np.full_like(summed, 1.0 / len(self.labels))
        return np.asarray(np.divide(summed, total, out=equal, where=total > 0))

    def in_set(self, of_model: NDArray[np.bool_], scored: Floats) -> NDArray[np.bool_]:
        """Return sets (..., K) from (..., M); each contains the top label of ``scored``."""
        inside = np.asarray((of_model @ self.weights) > 0)
        np.put_along_axis(inside, top_labels(scored)[..., None], True, axis=-1)
        return inside


def match_labels(
    labels: Sequence[str], taxonomy: str, data: LabelledImages, *, restrict: bool = False
) -> Matched:
    """Return the labels that a model can be scored on, with the truth in them.

    If model and data have the same labels, it is those. Otherwise it is the shared ones.
    Truth outside them becomes unknown. The model may still predict any of its labels, unless
    restricted. A data set of polarities shares no name with emotions; the model's
    probabilities are then added up.

    The scored labels are in the order that settles ties
    (:func:`evoca.metrics.ties.order_labels`).

    Args:
        labels: the M labels of the model, in order.
        taxonomy: of the model; empty if unknown.
        data: labelled images.
        restrict: leave the model only the shared labels, and where all are shared those
            that have an image, their probabilities scaled to sum to 1.

    Raises:
        DataError: fewer than two labels are shared and no mapping exists, or fewer than two
            are left after ``restrict``.
    """
    shared = tuple(label for label in order_labels(labels) if label in data.labels)
    same = len(shared) == len(labels) == len(data.labels)
    if same and restrict:
        return _masked(labels, shared, data)
    if not same and len(shared) < 2:
        return _mapped(labels, taxonomy, data, restrict=restrict)
    scored = shared if same or restrict else order_labels(labels)
    restricted = len(scored) < len(labels)
    return Matched(
        scored,
        _codes(data, scored),
        # Votes for labels that the model lacks have no place in a distribution over its own.
        _votes(data, scored) if same or restrict else None,
        _picked(labels, scored),
        complete=same,
        note=_note_on_merged(shared)
        if same
        else _note_on_shared(labels, shared, data, restricted=restricted),
        restricted=restricted,
    )


def _note_on_merged(shared: Sequence[str]) -> str:
    merged = [" and ".join(parts_of(label)) for label in shared if len(parts_of(label)) > 1]
    return f"{', '.join(merged)} count as one class, as the model has them" if merged else ""


def _note_on_shared(
    labels: Sequence[str], shared: Sequence[str], data: LabelledImages, *, restricted: bool
) -> str:
    labelled = {data.labels[code] for code in np.unique(data.truth[data.truth >= 0])}
    others = sorted(labelled - set(shared))
    note = (
        f"the data have the taxonomy {data.taxonomy}: evaluated on the shared labels "
        f"{', '.join(shared)}"
    )
    if others:
        note += f"; images labelled {', '.join(others)} are left out"
    if len(shared) < len(labels):
        note += f"; the model may choose {'only those' if restricted else 'any of its'}"
    return note


def _picked(labels: Sequence[str], scored: Sequence[str]) -> Floats:
    """Return weights (M, K) that take each scored label's own probability."""
    return np.array([[float(one == other) for other in scored] for one in labels])


def _masked(labels: Sequence[str], shared: Sequence[str], data: LabelledImages) -> Matched:
    """Return the match on the labels that some image has or, without labels, some viewer named."""
    codes, votes = _codes(data, shared), _votes(data, shared)
    if (codes >= 0).any() or votes is None:
        have = np.bincount(codes[codes >= 0], minlength=len(shared)) > 0
    else:
        have = np.nansum(votes, axis=0) > 0
    scored = tuple(label for label, one in zip(shared, have, strict=True) if one)
    if len(scored) < 2:
        raise DataError(
            f"{data.source}: {len(scored)} of the model's labels have an image here: nothing is "
            "left to choose from; leave --restrict out"
        )
    restricted = len(scored) < len(labels)
    return Matched(
        scored,
        _codes(data, scored),
        _votes(data, scored),
        _picked(labels, scored),
        complete=True,
        note=f"restricted to {', '.join(scored)}: the model's other labels have no image here"
        if restricted
        else "--restrict leaves nothing out: every label of the model has an image here",
        restricted=restricted,
    )


def _mapped(
    labels: Sequence[str], taxonomy: str, data: LabelledImages, *, restrict: bool = False
) -> Matched:
    """Return the match by a known table that adds probabilities up, as emotions to polarity."""
    try:
        table: Mapping[str, str | None] = mapping(taxonomy, data.taxonomy).table
    except DataError:
        table = {}
    weights = np.array(
        [[float(_counterpart(table, one) == other) for other in data.labels] for one in labels]
    )
    if not weights.any(axis=0).all():
        raise DataError(
            f"{data.source}: its labels ({', '.join(data.labels)}) and the model's "
            f"({', '.join(labels)}) share fewer than two, and no table brings one to the other: "
            "map the manifest first"
        )
    return Matched(
        data.labels,
        data.truth,
        data.distribution,
        weights,
        complete=True,
        note=f"the model's probabilities are added up to {', '.join(data.labels)}"
        + ("; --restrict has nothing to leave out" if restrict else ""),
    )


def _counterpart(table: Mapping[str, str | None], label: str) -> str | None:
    """Return the label that all of a label's emotions map to; ``None`` where they differ."""
    found = {table.get(part) for part in parts_of(label)}
    return found.pop() if len(found) == 1 else None


def _codes(data: LabelledImages, scored: Sequence[str]) -> NDArray[np.int64]:
    position = {label: k for k, label in enumerate(scored)}
    # The last entry is -1, the code of a row without a label.
    table = np.array([*(position.get(label, -1) for label in data.labels), -1], dtype=np.int64)
    return np.asarray(table[data.truth])


def _votes(data: LabelledImages, scored: Sequence[str]) -> Floats | None:
    if data.distribution is None:
        return None
    votes = data.distribution[:, [data.labels.index(label) for label in scored]]
    with np.errstate(invalid="ignore"):  # no vote for any shared label: unknown
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))
