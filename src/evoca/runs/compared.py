"""What a comparison of runs found, and its JSON form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from evoca.metrics import Figure
from evoca.metrics.result import LOWER_IS_BETTER
from evoca.metrics.significance import Difference

__all__ = ["Compared", "Comparison"]

_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Compared:
    """One run in a comparison.

    Attributes:
        name: of the run.
        recipe: of the recipe or model.
        repeats: runs of the protocol, each with its own seed.
        figure: on the shared images.
        difference: from the reference; ``None`` for the reference itself.
        p_holm: p-value of the difference, for all comparisons made.
        mcnemar: exact p-value of the top labels of the first repeat, by groups
            (:func:`evoca.metrics.significance.mcnemar`); ``None`` without labels.
        mcnemar_holm: for all comparisons made.
        fingerprint: of the run; empty where it has none.
        notes: what its own figures came with.
    """

    name: str
    recipe: str
    repeats: int
    figure: Figure
    difference: Difference | None = None
    p_holm: float | None = None
    mcnemar: float | None = None
    mcnemar_holm: float | None = None
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        gap = self.difference
        return {
            "name": self.name,
            "recipe": self.recipe,
            "repeats": self.repeats,
            **self.figure.to_dict(),
            "difference": None
            if gap is None
            else {
                **Figure(gap.value, gap.ci95).to_dict(),
                "p": _plain(gap.p),
                "p_holm": _plain(self.p_holm),
                "mcnemar_p": _plain(self.mcnemar),
                "mcnemar_p_holm": _plain(self.mcnemar_holm),
            },
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Comparison:
    """Runs on the images they share.

    Attributes:
        metric: the figure they are compared in.
        n: shared images.
        groups: they form.
        reference: name of the run that differences are from.
        runs: the best first.
        notes: what a reader must know.
        exact_test: ``McNemar``, or ``sign test over groups`` where a group holds several
            images: what the runs' ``mcnemar`` is.
    """

    metric: str
    n: int
    groups: int
    reference: str
    runs: tuple[Compared, ...]
    notes: tuple[str, ...]
    exact_test: str = "McNemar"

    def to_dict(self) -> dict[str, Any]:
        """Return what ``compare --format json`` prints."""
        return {
            "schema_version": _SCHEMA_VERSION,
            "metric": self.metric,
            "lower_is_better": self.metric in LOWER_IS_BETTER,
            "n": self.n,
            "groups": self.groups,
            "reference": self.reference,
            "exact_test": self.exact_test,
            "runs": [run.to_dict() for run in self.runs],
            "notes": list(self.notes),
        }


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
