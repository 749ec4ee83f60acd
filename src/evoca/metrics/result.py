"""The figures of an evaluation, with intervals, and their JSON form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evoca.metrics.checks import FloatArray
from evoca.words import by_number, counted

__all__ = [
    "COUNTS",
    "HEADLINE",
    "LOWER_IS_BETTER",
    "SCHEMA_VERSION",
    "EmotionFigures",
    "Figure",
    "Report",
]

SCHEMA_VERSION = 2
"""Version of the JSON of :meth:`Report.to_dict`; grows when a key changes its meaning.

2: ``train``, ``crossval`` and ``evaluate`` write the same keys, null where absent.
"""

LOWER_IS_BETTER = frozenset(
    {
        *("ece", "ece_equal_width", "nll", "brier", "wheel_distance"),
        *("kl", "chebyshev", "clark", "canberra", "set_size"),
        *("mae", "mae_valence", "mae_arousal"),
    }
)
"""Figures whose best value is the least."""

HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "polarity_accuracy",
    "ece",
    "nll",
    "brier",
)
"""The figures of a classifier that are in every report."""


COUNTS = ("labelled", "distributions", "rated")
"""Kinds of truth, each with its number of rows; ``n`` counts the rows that have any."""


@dataclass(frozen=True)
class Figure:
    """A figure with its interval.

    Attributes:
        value: the figure; NaN where it is not defined.
        ci95: low and high end of its 95% interval.
        parts: figures it is the mean of, such as valence and arousal.
        chance_band: of a calibration error, the range of 95% of perfectly calibrated models
            with these confidences. It is shown in place of ``ci95``, which is no interval of
            the true calibration error, but where the error of other images would lie.
    """

    value: float
    ci95: tuple[float, float]
    parts: Mapping[str, Figure] = field(default_factory=dict)
    chance_band: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.chance_band is not None:
            return (
                f"{self.value:.3f} (chance {self.chance_band[0]:.3f} to {self.chance_band[1]:.3f})"
            )
        return f"{self.value:.3f} [{self.ci95[0]:.3f}, {self.ci95[1]:.3f}]"

    def to_dict(self) -> dict[str, Any]:
        """Return ``value``, ``ci95`` and the parts; undefined numbers are ``None``."""
        return {
            "value": _plain(self.value),
            "ci95": [_plain(end) for end in self.ci95],
            **({} if self.chance_band is None else {"chance_band": list(self.chance_band)}),
            **{name: part.to_dict() for name, part in self.parts.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Figure:
        """Return the object from the data of :meth:`to_dict`."""
        low, high = content["ci95"]
        parts = {k: cls.from_dict(v) for k, v in content.items() if isinstance(v, Mapping)}
        band = content.get("chance_band")
        return cls(
            _number(content["value"]),
            (_number(low), _number(high)),
            parts,
            None if band is None else (float(band[0]), float(band[1])),
        )


@dataclass(frozen=True)
class EmotionFigures:
    """Precision, recall and F1 of one emotion.

    Attributes:
        precision: share of the rows predicted so that have the label.
        recall: share of the rows with the label that are predicted so.
        f1: their harmonic mean.
        support: rows with the label.
    """

    precision: Figure
    recall: Figure
    f1: Figure
    support: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, and the intervals under ``ci95``."""
        figures = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {
            **{name: _plain(figure.value) for name, figure in figures.items()},
            "support": self.support,
            "ci95": {name: figure.to_dict()["ci95"] for name, figure in figures.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> EmotionFigures:
        """Return the object from the data of :meth:`to_dict`."""
        figures = {
            name: Figure.from_dict({"value": content[name], "ci95": interval})
            for name, interval in content["ci95"].items()
        }
        return cls(**figures, support=content["support"])


@dataclass(frozen=True)
class Report:
    """The figures of an evaluation.

    Attributes:
        n: rows with a truth to compare with.
        labels: the K labels, the order of ``confusion``.
        figures: name to figure; fractions 0..1, but for ``nll``, ``brier`` (0..2), ``kl``,
            ``clark``, ``canberra``, ``wheel_distance`` (steps) and ``mae`` (rating scale).
        per_emotion: label to its figures; empty where no row has a label.
        confusion: float (K, K), rows truth, columns prediction, mean over the repeats;
            ``None`` where no row has a label.
        groups: independent groups of rows, the units that are resampled.
        repeats: runs of the whole protocol that the figures are averaged over.
        draws: of the bootstrap.
        seed: of the bootstrap.
        labelled: rows with a label: figures of accuracy and calibration are of these.
        distributions: rows with the viewers' distribution: ``kl`` to ``random_rater``.
        rated: rows with a rating and its prediction: ``ccc``, ``pearson``, ``mae``.
        ties: labelled rows without a single likeliest label, in any repeat.
        polarity_ties: labelled rows whose positive emotions hold just half.
        exact: figures, and figures of labels such as ``awe recall``, that are the same in
            every bootstrap draw and have the exact interval over groups.
        unvaried: figures that are the same in every draw and have no exact interval: their
            interval without width means nothing.
    """

    n: int
    labels: tuple[str, ...]
    figures: Mapping[str, Figure]
    per_emotion: Mapping[str, EmotionFigures]
    confusion: FloatArray | None
    groups: int
    repeats: int
    draws: int
    seed: int
    labelled: int
    distributions: int
    rated: int
    ties: int = 0
    polarity_ties: int = 0
    exact: tuple[str, ...] = ()
    unvaried: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Figure:
        return self.figures[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``evaluate`` and ``crossval --format json`` print.

        The seven figures of a classifier are always there, ``None`` where the labels do
        not define them; the others only where they are defined.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "n": self.n,
            "labels": list(self.labels),
            **dict.fromkeys(HEADLINE),
            **{name: figure.to_dict() for name, figure in self.figures.items()},
            "per_emotion": {label: f.to_dict() for label, f in self.per_emotion.items()},
            "confusion": None if self.confusion is None else _counts(self.confusion),
            **{f"n_{name}": getattr(self, name) for name in COUNTS},
            "bootstrap": {
                "draws": self.draws,
                "groups": self.groups,
                "repeats": self.repeats,
                "seed": self.seed,
            },
            "ties": self.ties,
            "polarity_ties": self.polarity_ties,
            "exact_intervals": list(self.exact),
            "unvaried": list(self.unvaried),
        }

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of the figures must know about ties and intervals."""
        found = []
        if self.ties:
            found.append(
                f"{self.ties:,} of {counted(self.n, 'image')} "
                f"{by_number(self.ties, 'has', 'have')} no single likeliest label: of equal "
                f"ones the first counts, in the order {', '.join(self.labels)}"
            )
        if self.polarity_ties:
            found.append(
                f"the positive emotions hold just half the probability of {self.polarity_ties:,} "
                "images: they count as positive"
            )
        overall = [name for name in self.exact if name in self.figures]
        if overall:
            found.append(
                f"{', '.join(overall)}: all images agree, so the bootstrap has nothing to vary; "
                "the interval is the exact one (Clopper and Pearson) over groups of images"
            )
        if self.unvaried:
            found.append(
                f"{', '.join(self.unvaried)}: every bootstrap draw gives the same; that the "
                "interval has no width does not mean that the figure is sure"
            )
        return tuple(found)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """Return the report from the data of :meth:`to_dict`; unknown keys are skipped."""
        confusion = content["confusion"]
        # Runs of versions without these counts have only the number of labelled rows.
        support = sum(entry["support"] for entry in content["per_emotion"].values())
        return cls(
            n=content["n"],
            labels=tuple(content["labels"]),
            figures={
                name: Figure.from_dict(entry)
                for name, entry in content.items()
                if isinstance(entry, Mapping) and "ci95" in entry
            },
            per_emotion={
                label: EmotionFigures.from_dict(entry)
                for label, entry in content["per_emotion"].items()
            },
            confusion=None if confusion is None else np.array(confusion, dtype=np.float64),
            **content["bootstrap"],
            labelled=content.get("n_labelled", support),
            distributions=content.get("n_distributions", 0),
            rated=content.get("n_rated", 0),
            ties=content.get("ties", 0),
            polarity_ties=content.get("polarity_ties", 0),
            exact=tuple(content.get("exact_intervals", ())),
            unvaried=tuple(content.get("unvaried", ())),
        )


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _counts(confusion: FloatArray) -> list[list[float]]:
    """Return whole numbers if all are, which is so without repeats."""
    whole = bool((confusion == confusion.round()).all())
    rows: list[list[float]] = (confusion.astype(np.int64) if whole else confusion).tolist()
    return rows
