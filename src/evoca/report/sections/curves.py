"""Learning curves from ``history.csv``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evoca.report.svg import Plot

__all__ = ["Curve", "learning_curves"]

_SERIES = ("train", "val")
_MOST_TICKS = 6


@dataclass(frozen=True)
class Curve:
    """One quantity over the epochs.

    Attributes:
        title: such as ``loss``.
        plot: the drawing.
        series: which of ``train`` and ``val`` it has.
    """

    title: str
    plot: Markup
    series: tuple[str, ...]


def learning_curves(history: Sequence[Mapping[str, str]]) -> list[Curve]:
    """Return a curve per quantity with columns ``train_<quantity>`` or ``val_<quantity>``.

    The horizontal axis counts the rows of ``history.csv``, one per epoch over all steps of
    the training; an upright line marks where another step begins.
    """
    if not history:
        return []
    quantities = dict.fromkeys(
        name.removeprefix(f"{series}_")
        for name in history[0]
        for series in _SERIES
        if name.startswith(f"{series}_")
    )
    curves = (_curve(quantity, history) for quantity in quantities)
    return [curve for curve in curves if curve is not None]


def _curve(quantity: str, history: Sequence[Mapping[str, str]]) -> Curve | None:
    lines: dict[str, list[tuple[float, float]]] = {}
    for series in _SERIES:
        cells = [_number(row.get(f"{series}_{quantity}")) for row in history]
        points = [(i + 1.0, value) for i, value in enumerate(cells) if math.isfinite(value)]
        if points:
            lines[series] = points
    if not lines:
        return None
    values = [value for points in lines.values() for _, value in points]
    levels = _round_levels(min(values), max(values))
    low, high = levels[0], levels[-1]
    plot = Plot(x=(1.0, max(len(history), 2)), y=(low, high), width=380, height=260)
    steps = max(1, math.ceil(len(history) / _MOST_TICKS))
    plot.axes(
        [(float(i), str(i)) for i in range(1, len(history) + 1, steps)],
        [(level, f"{level:.4g}") for level in levels],
        ("epoch", quantity.replace("_", " ")),
    )
    for i in range(1, len(history)):
        if history[i].get("step") != history[i - 1].get("step"):
            plot.line([(i + 0.5, low), (i + 0.5, high)], "reference")
    for series, points in lines.items():
        plot.line(points, f"curve {series}")
        for epoch, value in points:
            plot.dot((epoch, value), f"curve {series}", f"{series}, epoch {epoch:g}: {value:.4g}")
    title = quantity.replace("_", " ")
    ends = "; ".join(f"{series} ends at {points[-1][1]:.4g}" for series, points in lines.items())
    return Curve(title, plot.svg(f"{title} over {len(history)} epochs: {ends}"), tuple(lines))


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan


def _round_levels(low: float, high: float) -> list[float]:
    """Return three to six round numbers, evenly apart, that contain a range.

    >>> _round_levels(0.213, 0.782)
    [0.2, 0.4, 0.6, 0.8]
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    apart = next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= span / 4)
    first, last = math.floor(low / apart), math.ceil(high / apart)
    return [round(k * apart, 12) for k in range(first, max(last, first + 1) + 1)]
