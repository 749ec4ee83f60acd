"""The table of predictions in a run directory: one row per image and repeat."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.columns import Columns, numbers, read_columns, texts
from evoca.data.manifest.schema import PROBABILITY, emotion_columns
from evoca.emotions import SUM_TOLERANCE
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.metrics.checks import as_probabilities, encode_labels, rescaled
from evoca.metrics.ties import order_labels
from evoca.words import counted

__all__ = [
    "AFFECT",
    "Predictions",
    "read_predictions",
    "rescaled_note",
    "write_predictions",
]

TRUTH = "truth_"
"""Prefix of the columns that hold the viewers' own distribution, 0..1."""
AFFECT = ("valence", "arousal")
"""The scales that images are rated on."""
_HASH = "sha256"
_PREDICTED_AFFECT = tuple(f"predicted_{scale}" for scale in AFFECT)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for n images over K labels, in R repeats of a protocol.

    Attributes:
        images: n names, as in the manifest.
        groups: n names of duplicate clusters; empty where an image is alone.
        truth: int64 (n,), index into ``labels``, or -1.
        labels: the K labels.
        probabilities: float64 (R, n, K).
        fold: int64 (R, n), in which an image was held out; -1 where there are no folds.
        in_set: bool (R, n, K), the prediction sets; ``None`` where not recorded.
        distribution: float64 (n, K), the viewers' votes as shares, NaN where unknown;
            ``None`` where no image has one.
        agreement: float64 (n,), share of the viewers who agree with the label, NaN where
            unknown; ``None`` where no image has one.
        rated: float64 (n, 2), rated valence and arousal, NaN where unknown; ``None`` without.
        predicted_affect: float64 (R, n, 2), predicted valence and arousal; ``None`` without.
        hashes: n SHA-256 digests of the files, empty where unknown; ``None`` if all are.
        failed: image to the reason why it has no prediction, as ``evoca predict`` writes.
        rescaled: rows whose stated probabilities did not sum to 1, and do now.
        model: name of the model that made them all, as ``evoca predict`` writes it; empty
            where it is not recorded.
    """

    images: tuple[str, ...]
    groups: tuple[str, ...]
    truth: NDArray[np.int64]
    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    fold: NDArray[np.int64]
    in_set: NDArray[np.bool_] | None = None
    distribution: NDArray[np.float64] | None = None
    agreement: NDArray[np.float64] | None = None
    rated: NDArray[np.float64] | None = None
    predicted_affect: NDArray[np.float64] | None = None
    hashes: tuple[str, ...] | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    rescaled: int = 0
    model: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def repeats(self) -> int:
        """R."""
        return len(self.probabilities)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The distribution of each image averaged over the repeats, (n, K)."""
        return np.asarray(self.probabilities.mean(axis=0))


def write_predictions(file: str | Path, predictions: Predictions) -> None:
    """Write ``predictions.csv``, without columns that are unknown for all images."""
    header = ["image", "group", "fold", "repeat", "truth"]
    header += emotion_columns(PROBABILITY, predictions.labels)
    if predictions.in_set is not None:
        header.append("prediction_set")
    if predictions.distribution is not None:
        header += emotion_columns(TRUTH, predictions.labels)
    if predictions.agreement is not None:
        header.append("agreement")
    if predictions.rated is not None:
        header += AFFECT
    if predictions.predicted_affect is not None:
        header += _PREDICTED_AFFECT
    if predictions.hashes is not None:
        header.append(_HASH)
    with Path(file).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for repeat in range(predictions.repeats):
            writer.writerows(_rows(predictions, repeat))


def _rows(predictions: Predictions, repeat: int) -> Iterator[list[Any]]:
    labels, fold = predictions.labels, predictions.fold[repeat]
    for i, image in enumerate(predictions.images):
        truth = labels[predictions.truth[i]] if predictions.truth[i] >= 0 else ""
        held_out = int(fold[i]) if fold[i] >= 0 else ""
        row: list[Any] = [image, predictions.groups[i], held_out, repeat, truth]
        row += _cells(predictions.probabilities[repeat, i])
        if predictions.in_set is not None:
            inside = np.flatnonzero(predictions.in_set[repeat, i])
            # Descending, as `predict` prints them.
            order = inside[np.argsort(-predictions.probabilities[repeat, i, inside], kind="stable")]
            row.append(json.dumps([labels[k] for k in order]))
        if predictions.distribution is not None:
            row += _cells(predictions.distribution[i])
        if predictions.agreement is not None:
            row += _cells(predictions.agreement[i : i + 1])
        if predictions.rated is not None:
            row += _cells(predictions.rated[i])
        if predictions.predicted_affect is not None:
            row += _cells(predictions.predicted_affect[repeat, i])
        if predictions.hashes is not None:
            row.append(predictions.hashes[i])
        yield row


def _cells(values: NDArray[np.float64]) -> list[str]:
    return ["" if np.isnan(value) else f"{value:.8g}" for value in values.tolist()]


def read_predictions(file: str | Path, labels: Sequence[str] | None = None) -> Predictions:
    """Return the predictions in a table, CSV or Parquet.

    Args:
        file: needs the columns ``image`` (or ``path``, as ``evoca predict`` writes) and
            ``p_<label>``; a row with an ``error`` has no prediction. ``truth``, ``group``,
            ``fold``, ``repeat`` and the others of the run directory are optional.
        labels: the K labels in their order; if omitted those of the ``p_`` columns, in the
            order of their taxonomy, not of the columns.

    Raises:
        DataError: a missing column, an image twice in a repeat or missing from one, a
            truth outside the labels, a score that is no number or not a distribution; the
            row is named.
    """
    file = Path(file)
    where = printable_name(file)
    columns = read_columns(file)
    names, causes = texts(columns, "image", where, required=True), texts(columns, "error", where)
    failed = dict(zip(names[causes != ""], causes[causes != ""], strict=True))
    if failed:
        columns, names = columns.take(causes == ""), names[causes == ""]
    labels = tuple(labels) if labels is not None else _labels_of(columns, where)
    if not len(names):
        lost = next((f"; {name}: {cause}" for name, cause in failed.items()), "")
        raise DataError(f"{where}: no row with a prediction{lost}")
    order = _order(columns, names, where)
    first = order[0]
    called = [str(name) for name in names]
    raw = _matrix(columns, emotion_columns(PROBABILITY, labels), where)
    try:
        scores = as_probabilities(raw, len(labels), "scores", called, columns.rows)
        cells = [str(cell) for cell in texts(columns, "truth", where)]
        truth = encode_labels(cells, labels, called, columns.rows)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    repeats = len(order)
    _same_in_every_repeat(truth, order, columns, where)
    fold = numbers(columns, "fold", where)
    return Predictions(
        images=tuple(names[first]),
        groups=tuple(texts(columns, "group", where)[first]),
        truth=truth[first],
        labels=labels,
        probabilities=scores[order],
        failed=failed,
        rescaled=int(rescaled(raw).sum()),
        model=_only(texts(columns, "model", where)),
        hashes=_hashes(columns, where, first),
        fold=np.where(np.isnan(fold), -1, fold).astype(np.int64)[order],
        in_set=_sets(columns, labels, where, order),
        distribution=_optional(columns, emotion_columns(TRUTH, labels), where, first),
        agreement=_flat(_optional(columns, ("agreement",), where, first)),
        rated=_optional(columns, AFFECT, where, first),
        predicted_affect=None
        if (affect := _optional(columns, _PREDICTED_AFFECT, where, order.ravel())) is None
        else affect.reshape(repeats, len(first), len(_PREDICTED_AFFECT)),
    )


def _labels_of(columns: Columns, where: str) -> tuple[str, ...]:
    found = order_labels(
        [name.removeprefix(PROBABILITY) for name in columns.values if name.startswith(PROBABILITY)]
    )
    if len(found) < 2:
        raise DataError(f"{where}: no columns p_<emotion>: this is not a table of predictions")
    return found


def _order(columns: Columns, names: NDArray[np.object_], where: str) -> NDArray[np.int64]:
    """Return the rows of each repeat, (R, n), in the order of the first repeat's images."""
    cells = numbers(columns, "repeat", where)
    repeat = np.where(np.isnan(cells), 0, cells)
    runs = np.unique(repeat)
    # One number per image, so that sorting aligns the rows of the repeats.
    _, image = np.unique(names.astype(np.str_), return_inverse=True)
    n = int(image.max()) + 1
    order = np.empty((len(runs), n), dtype=np.int64)
    for position, run in enumerate(runs):
        rows = np.flatnonzero(repeat == run)
        counts = np.bincount(image[rows], minlength=n)
        if (counts > 1).any():
            twice = rows[np.flatnonzero(image[rows] == int(counts.argmax()))[1]]
            raise DataError(
                f"{where}: row {columns.rows[twice]}: {names[twice]} is there twice in repeat "
                f"{run:g}"
            )
        if (counts == 0).any():
            lost = names[np.flatnonzero(image == int(counts.argmin()))[0]]
            raise DataError(f"{where}: repeat {run:g} has no prediction of {lost}")
        order[position, image[rows]] = rows
    return np.asarray(order[:, np.argsort(order[0])])


def _same_in_every_repeat(
    truth: NDArray[np.int64], order: NDArray[np.int64], columns: Columns, where: str
) -> None:
    differs = (truth[order] != truth[order[0]]).any(axis=0)
    if differs.any():
        row = columns.rows[order[0][int(differs.argmax())]]
        raise DataError(f"{where}: row {row}: the truth of this image differs between repeats")


def _matrix(columns: Columns, names: Sequence[str], where: str) -> NDArray[np.float64]:
    missing = [name for name in names if name not in columns]
    if missing:
        raise DataError(f"{where}: no column {', '.join(missing)}")
    return np.stack([numbers(columns, name, where) for name in names], axis=1)


def _optional(
    columns: Columns, names: Sequence[str], where: str, rows: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    if not any(name in columns for name in names):
        return None
    return _matrix(columns, names, where)[rows]


def rescaled_note(name: str, predictions: Predictions) -> str:
    """Return a note on the rows that were scaled to sum to 1; empty where none was."""
    if not predictions.rescaled:
        return ""
    return (
        f"{name}: the probabilities of {counted(predictions.rescaled, 'row')} sum to 1 only within "
        f"{SUM_TOLERANCE:g}; they are scaled so that they do"
    )


def _hashes(columns: Columns, where: str, rows: NDArray[np.int64]) -> tuple[str, ...] | None:
    digests = texts(columns, _HASH, where)[rows]
    found = tuple(str(digest).lower() for digest in digests)
    return found if any(found) else None


def _only(cells: NDArray[np.object_]) -> str:
    """Return the text that all cells hold; empty where they differ."""
    found = set(cells.tolist())
    return str(found.pop()) if len(found) == 1 else ""


def _flat(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    return None if values is None else values[:, 0]


def _sets(
    columns: Columns, labels: tuple[str, ...], where: str, order: NDArray[np.int64]
) -> NDArray[np.bool_] | None:
    if "prediction_set" not in columns:
        return None
    inside = np.zeros((len(columns), len(labels)), dtype=np.bool_)
    position = {label: k for k, label in enumerate(labels)}
    for i, cell in enumerate(texts(columns, "prediction_set", where)):
        try:
            found = [position[label] for label in json.loads(cell)]
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{where}: row {columns.rows[i]}: prediction_set is not a JSON list of labels"
            ) from None
        inside[i, found] = True
    return inside[order]
