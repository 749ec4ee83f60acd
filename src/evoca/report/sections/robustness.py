"""The result of ``evoca probe`` for the page: how predictions move when pictures change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from evoca.metrics.result import Figure
from evoca.metrics.robustness import Masking, Movement
from evoca.report.svg import interval_strip
from evoca.runs.robustness import RobustnessResult
from evoca.words import by_number, counted

__all__ = ["MovedRow", "Robustness", "robustness"]


@dataclass(frozen=True)
class MovedRow:
    """One change of the pictures.

    Attributes:
        change: what was done.
        flipped: share of the pictures whose top emotion becomes another, in words.
        interval: its 95% interval.
        strip: both drawn from 0 to 100%; empty for a difference.
        moved: share of the probability that moves to other labels, with its interval.
        accuracy: after minus before, with its interval; empty where no label is known.
    """

    change: str
    flipped: str
    interval: str
    strip: Markup
    moved: str
    accuracy: str


@dataclass(frozen=True)
class Robustness:
    """The result of a robustness test in words.

    Attributes:
        lead: which model, and on which pictures, in a sentence.
        rows: one per change.
        faces: faces hidden, as much hidden elsewhere, and the difference; empty where not
            measured.
        compared: the pictures compared, in a sentence.
        notes: what a reader must know.
        labelled: whether accuracy is known.
    """

    lead: str
    rows: list[MovedRow]
    faces: list[MovedRow]
    compared: str
    notes: tuple[str, ...]
    labelled: bool


def robustness(found: RobustnessResult | None) -> Robustness | None:
    """Return a robustness test in words; ``None`` without one."""
    if found is None:
        return None
    mask = found.masking
    return Robustness(
        lead=_lead(found),
        rows=[_row(movement) for movement in found.movements],
        faces=[] if mask is None else list(_faces(mask)),
        compared=""
        if mask is None
        else f"{mask.n:,} of the {counted(mask.with_faces, 'picture')} with a face "
        f"{by_number(mask.n, 'has', 'have')} room to hide as much elsewhere.",
        notes=found.notes,
        labelled=found.accuracy is not None,
    )


def _lead(found: RobustnessResult) -> str:
    of = f"{found.model} on {counted(found.n, 'picture')} of {found.data}"
    if found.accuracy is None:
        return f"{of}, which have no labels."
    low, high = found.accuracy.ci95
    return f"{of}; accuracy as they are {found.accuracy.value:.1%} ({low:.1%} to {high:.1%})."


def _row(movement: Movement) -> MovedRow:
    change = movement.accuracy_change
    flipped = movement.flipped
    return MovedRow(
        change=movement.change,
        flipped=_share(flipped.value),
        interval=_between(flipped),
        strip=interval_strip(flipped.value, flipped.ci95),
        moved=f"{_share(movement.distance.value)} ({_between(movement.distance)})",
        accuracy="" if change is None else _points(change),
    )


def _faces(mask: Masking) -> Iterator[MovedRow]:
    yield _row(mask.faces)
    yield _row(mask.elsewhere)
    low, high = mask.same_emotion.ci95
    flipped = Figure(-mask.same_emotion.value, (-high, -low))
    yield MovedRow(
        change="difference",
        flipped=_point(flipped.value),
        interval=f"{_point(flipped.ci95[0])} to {_point(flipped.ci95[1])}",
        strip=Markup(),
        moved=_points(mask.distance),
        accuracy="",
    )


def _share(value: float) -> str:
    return f"{_rounded(value):.1f}%"


def _between(figure: Figure) -> str:
    return f"{_share(figure.ci95[0])} to {_share(figure.ci95[1])}"


def _points(figure: Figure) -> str:
    return f"{_point(figure.value)} ({_point(figure.ci95[0])} to {_point(figure.ci95[1])})"


def _point(value: float) -> str:
    return f"{_rounded(value):+.1f}"


def _rounded(value: float) -> float:
    return round(100 * value, 1) + 0.0  # which turns -0.0 into 0.0
