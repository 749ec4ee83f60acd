"""From the held-out predictions of a run to what its model's card tells of errors and trust."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evoca.metrics.agreement import STRONGLY_DIVIDED, agreement_band
from evoca.metrics.bootstrap import mean_figure
from evoca.metrics.calibration import copies_of, perfect_calibration_band
from evoca.metrics.result import Figure
from evoca.metrics.ties import top_labels
from evoca.runs import Predictions, Run
from evoca.runtime.card_analysis import AgreementErrors, Analysis, PerfectCalibration
from evoca.runtime.card_parts import Metric

__all__ = ["analysis_of"]

_MOST = f"{STRONGLY_DIVIDED:.0%}"
_BANDS = {
    "unanimous": "all agree",
    "divided": f"more than {_MOST} agree, not all",
    "strongly divided": f"at most {_MOST} agree",
}


def analysis_of(run: Run) -> Analysis:
    """Return what the run's predictions show; what they do not hold is left out.

    Raises:
        EvocaError: predictions or figures are missing or damaged.
    """
    predictions, confusion = run.predictions, run.report.confusion
    return Analysis(
        confusion=None if confusion is None else tuple(tuple(row) for row in confusion.tolist()),
        perfect_calibration=_perfect(predictions),
        coverage_by_emotion=_coverage(predictions),
        agreement=tuple(_agreement(predictions)),
    )


def _perfect(predictions: Predictions) -> PerfectCalibration:
    """Mean over the repeats, as the measured error is."""
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
    # An image without a group is one of its own.
    groups = [predictions.groups[i] or f"image {i}" for i in at]
    return _metric(mean_figure(values[at], groups, share=True))


def _metric(figure: Figure) -> Metric:
    return Metric(value=figure.value, ci95=figure.ci95)
