"""Predictions as tables: one row per image, the same columns everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Literal

from evoca.errors import DataError, EvocaError, ImageError
from evoca.prediction import Prediction
from evoca.priors import Prior

__all__ = ["number_columns", "row_prediction", "table_columns", "table_row", "to_frame"]


def table_columns(labels: Sequence[str]) -> list[str]:
    """Return the columns of every table of predictions, in order."""
    return [
        *("path", "sha256", "emotion", "confidence"),
        *(f"p_{label}" for label in labels),
        *("polarity", "polarity_positive", "valence", "arousal", "prediction_set"),
        *("prior", "model", "warnings", "error"),
    ]


def number_columns(labels: Sequence[str]) -> set[str]:
    """Return the columns that hold numbers; all others hold texts."""
    shares = {f"p_{label}" for label in labels}
    return shares | {"confidence", "polarity_positive", "valence", "arousal"}


def table_row(predicted: Prediction | ImageError) -> dict[str, Any]:
    """Return a row of a table of predictions; absent values are absent keys."""
    if isinstance(predicted, ImageError):
        return {"path": predicted.source, "error": predicted.cause}
    return predicted.to_row()


def row_prediction(row: Mapping[str, Any], labels: Sequence[str]) -> Prediction | ImageError:
    """Return what :func:`table_row` made a row of, as far as a table holds it.

    The frequencies of the prior and the scale of valence and arousal are not in a table: the
    prior has its name alone, and valence and arousal stay without a scale.

    Args:
        row: column to value; absent or ``None`` where a cell is empty.
        labels: of the model.

    Raises:
        DataError: the prediction set is no JSON list.
    """
    path = str(row.get("path") or "")
    if row.get("error") or any(row.get(f"p_{label}") is None for label in labels):
        return ImageError(str(row.get("error") or "no prediction"), path)
    valence, arousal = row.get("valence"), row.get("arousal")
    warnings = row.get("warnings")
    return Prediction(
        probabilities={label: float(row[f"p_{label}"]) for label in labels},
        prediction_set=_set_of(row.get("prediction_set"), path),
        model=str(row.get("model") or ""),
        path=path,
        sha256=row.get("sha256"),
        warnings=tuple(warnings.split("; ")) if warnings else (),
        affect=None if valence is None or arousal is None else (float(valence), float(arousal)),
        prior=Prior(str(row["prior"]), {}) if row.get("prior") else None,
    )


def _set_of(cell: str | None, path: str) -> tuple[str, ...]:
    try:
        found = json.loads(cell or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise DataError(f"{path}: its prediction_set is no JSON list of labels")
    return tuple(map(str, found))


def to_frame(
    predictions: Iterable[Prediction | ImageError],
    library: Literal["pandas", "polars"] | None = None,
) -> Any:
    """Return predictions as a data frame, one row per image, with the columns of the CSV.

    Args:
        predictions: of one model, as :meth:`evoca.Predictor.predict` or ``stream`` returns
            them; errors become rows with ``path`` and ``error``.
        library: whose frame; pandas if it is installed, else polars, if omitted.

    Raises:
        EvocaError: there are no predictions, or neither library is installed.
    """
    rows = [table_row(predicted) for predicted in predictions]
    labels = next((_labels(row) for row in rows if "emotion" in row), [])
    if not rows:
        raise EvocaError("to_frame: no predictions, and so no columns")
    columns = table_columns(labels)
    values = {column: [row.get(column) for row in rows] for column in columns}
    for name in ("pandas", "polars") if library is None else (library,):
        try:
            return import_module(name).DataFrame(values)
        except ImportError:
            continue
    wanted = library or "pandas or polars"
    raise EvocaError(f"to_frame: {wanted} is not installed: install it with pip")


def _labels(row: dict[str, Any]) -> list[str]:
    return [key.removeprefix("p_") for key in row if key.startswith("p_")]
