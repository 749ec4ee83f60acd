"""The error analysis of a model for its card, from the predictions and probes of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from evoca.errors import DataError
from evoca.images import printable_name
from evoca.metrics.agreement import STRONGLY_DIVIDED, agreement_band
from evoca.metrics.bootstrap import mean_figure
from evoca.metrics.calibration_error import copies_of, perfect_calibration_band
from evoca.metrics.result import Figure
from evoca.metrics.ties import top_labels
from evoca.runs import Predictions, Run
from evoca.runtime.card import (
    FORMAT_VERSION,
    AgreementErrors,
    Analysis,
    Metric,
    ModelCard,
    PerfectCalibration,
    Perturbation,
    SourceScores,
)
from evoca.strict import place_and_reason

__all__ = ["analysis_of", "read_perturbations", "source_scores", "with_perturbations"]

_MOST = f"{STRONGLY_DIVIDED:.0%}"
_BANDS = {
    "unanimous": "all agree",
    "divided": f"more than {_MOST} agree, not all",
    "strongly divided": f"at most {_MOST} agree",
}


def analysis_of(run: Run) -> Analysis:
    """Return the analysis of a run's predictions; what they lack is left out.

    Raises:
        EvocaError: predictions or figures are missing or damaged.
    """
    predictions, confusion = run.predictions, run.report.confusion
    return Analysis(
        confusion=None if confusion is None else tuple(tuple(row) for row in confusion.tolist()),
        perfect_calibration=_perfect(predictions),
        coverage_by_emotion=_coverage(predictions),
        agreement=tuple(_agreement(predictions)),
        by_source=source_scores(run),
    )


def source_scores(run: Run) -> tuple[SourceScores, ...]:
    """Return the figures of each source of a run; none where it had a single one."""
    return tuple(
        SourceScores(
            source=own.source,
            images=own.images,
            groups=own.groups,
            figures={name: _metric(found) for name, found in own.figures.items()},
            without_looking=own.without_looking,
        )
        for own in run.result.by_source
    )


def _perfect(predictions: Predictions) -> PerfectCalibration:
    """Return the mean over the repeats, as for the measured error."""
    known = predictions.truth >= 0
    if not known.any():
        known = np.ones(len(predictions), dtype=np.bool_)
    groups = [group for group, one in zip(predictions.groups, known, strict=True) if one]
    copies = copies_of(groups, predictions.truth[known])
    bands = [
        perfect_calibration_band(p[known].max(axis=1), copies=copies)
        for p in predictions.probabilities
    ]
    mean, low, high = np.mean([(band.mean, band.low, band.high) for band in bands], axis=0)
    return PerfectCalibration(mean=float(mean), ci95=(float(low), float(high)))


def _coverage(predictions: Predictions) -> dict[str, Metric]:
    if predictions.in_set is None:
        return {}
    known = predictions.truth >= 0
    label = np.maximum(predictions.truth, 0)[None, :, None]
    hit = np.take_along_axis(predictions.in_set, label, axis=2)[..., 0].mean(axis=0)
    return {
        name: _mean(hit, known & (predictions.truth == k), predictions)
        for k, name in enumerate(predictions.labels)
        if (known & (predictions.truth == k)).any()
    }


def _agreement(predictions: Predictions) -> Iterator[AgreementErrors]:
    bands = agreement_band(predictions.agreement, len(predictions))
    right = (top_labels(predictions.probabilities, predictions.labels) == predictions.truth).mean(
        axis=0
    )
    for band, name in _BANDS.items():
        rows = (predictions.truth >= 0) & (bands == band)
        if rows.any():
            yield AgreementErrors(
                agreement=name,
                images=int(rows.sum()),
                accuracy=_mean(right, rows, predictions),
            )


def _mean(values: NDArray[np.float64], rows: NDArray[np.bool_], predictions: Predictions) -> Metric:
    at = np.flatnonzero(rows)
    # An image without a group is a group of its own.
    groups = [predictions.groups[i] or f"image {i}" for i in at]
    return _metric(mean_figure(values[at], groups, share=True))


def _metric(figure: Figure) -> Metric:
    return Metric(value=figure.value, ci95=figure.ci95)


_ROWS = TypeAdapter(tuple[Perturbation, ...])


def read_perturbations(file: str | Path) -> tuple[Perturbation, ...]:
    """Return the list ``perturbations`` that ``evoca probe`` wrote.

    Keys that are not in a card are skipped.

    Raises:
        DataError: missing, not JSON, or without such a list.
    """
    where = printable_name(file)
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON: {error}") from error
    rows = content.get("perturbations") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DataError(
            f"{where}: no list perturbations: this is not the result of a robustness test"
        )
    try:
        return _ROWS.validate_python([_kept(row) for row in rows])
    except ValidationError as error:
        raise DataError(f"{where}: perturbations.{place_and_reason(error)}") from error


def _kept(row: Any) -> Any:
    """Return the keys of a robustness test's row that a card has."""
    if not isinstance(row, dict):
        return row
    return {name: value for name, value in row.items() if name in Perturbation.model_fields}


def with_perturbations(card: ModelCard, found: tuple[Perturbation, ...]) -> ModelCard:
    """Return the card with these perturbations in place of its own."""
    analysis = (card.analysis or Analysis()).model_copy(update={"perturbations": found})
    return card.model_copy(update={"analysis": analysis, "format_version": FORMAT_VERSION})
