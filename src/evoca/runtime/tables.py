"""Predictions as tables: one row per image, the same columns everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from evoca.errors import DataError, EvocaError, ImageError
from evoca.prediction import Prediction
from evoca.priors import Prior

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = [
    "number_columns",
    "row_prediction",
    "table_columns",
    "table_row",
    "to_frame",
    "to_pandas",
    "to_polars",
]


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


def to_pandas(predictions: Iterable[Prediction | ImageError]) -> pd.DataFrame:
    """Return predictions as a pandas data frame, one row per image; see :func:`to_frame`."""
    return to_frame(predictions, "pandas")


def to_polars(predictions: Iterable[Prediction | ImageError]) -> pl.DataFrame:
    """Return predictions as a polars data frame, one row per image; see :func:`to_frame`."""
    frame: pl.DataFrame = to_frame(predictions, "polars")
    return frame


def to_frame(
    predictions: Iterable[Prediction | ImageError],
    library: Literal["pandas", "polars"] | None = None,
) -> Any:
    """Return predictions as a data frame, one row per image, with the columns of the CSV.

    Probabilities, confidence, valence and arousal are 64-bit floats, all other columns are texts;
    a value that is absent is missing (NaN or null).

    Args:
        predictions: of one model, as :meth:`evoca.Predictor.predict` or ``stream`` returns
            them; one prediction is a frame of one row. Errors are kept as rows with ``path``
            and ``error``.
        library: whose frame; pandas if it is installed, else polars, if omitted.

    Raises:
        EvocaError: there are no predictions, or neither library is installed.
    """
    if isinstance(predictions, Prediction | ImageError):
        predictions = [predictions]
    rows = [table_row(predicted) for predicted in predictions]
    if not rows:
        raise EvocaError("to_frame: no predictions, and so no columns")
    labels = next((_labels(row) for row in rows if "emotion" in row), [])
    values = {column: [row.get(column) for row in rows] for column in table_columns(labels)}
    for name in ("pandas", "polars") if library is None else (library,):
        try:
            frames = import_module(name)
        except ImportError:
            continue
        return _frame(frames, values, number_columns(labels))
    wanted = library or "pandas or polars"
    raise EvocaError(f"to_frame: {wanted} is not installed: install it with pip")


def _frame(library: Any, values: dict[str, list[Any]], numbers: set[str]) -> Any:
    # Types are stated: where the first rows are errors, a library would guess another one.
    if library.__name__ == "polars":
        kinds = {name: library.Float64 if name in numbers else library.String for name in values}
        return library.DataFrame(values, schema=kinds)
    columns = {
        name: library.Series(cells, dtype="float64" if name in numbers else None)
        for name, cells in values.items()
    }
    return library.DataFrame(columns)


def _labels(row: dict[str, Any]) -> list[str]:
    return [key.removeprefix("p_") for key in row if key.startswith("p_")]
