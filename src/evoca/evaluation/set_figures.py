"""How good prediction sets are, overall and for every emotion, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.arrays import FloatArray, IntArray
from evoca.evaluation.conformal import held_out_sets, label_thresholds
from evoca.evaluation.means import Groups, mean_figures
from evoca.evaluation.result import Figure

__all__ = ["SetFigures", "class_conditional_sets", "set_figures"]


@dataclass(frozen=True)
class SetFigures:
    """How good prediction sets are.

    Attributes:
        coverage: share of the rows whose set holds the true label, 0..1.
        size: mean number of labels in a set, 1..K.
        by_emotion: label to the coverage over its own rows.
    """

    coverage: Figure
    size: Figure
    by_emotion: Mapping[str, Figure]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "coverage": self.coverage.to_dict(),
            "size": self.size.to_dict(),
            "by_emotion": {label: figure.to_dict() for label, figure in self.by_emotion.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SetFigures:
        """Read back what :meth:`to_dict` gives."""
        by_emotion = {k: Figure.from_dict(v) for k, v in content["by_emotion"].items()}
        coverage, size = (Figure.from_dict(content[name]) for name in ("coverage", "size"))
        return cls(coverage, size, by_emotion)


def set_figures(
    in_set: NDArray[np.bool_],
    truth: IntArray,
    labels: Sequence[str],
    groups: Groups = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> SetFigures:
    """Judge prediction sets on rows that their thresholds were not chosen on.

    Args:
        in_set: bool (R, n, K), from R repeats of a protocol.
        truth: int (n,), 0..K-1.
        labels: K names.
        groups: n group names; each row is its own group if omitted.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    hit = np.take_along_axis(in_set, truth[None, :, None], axis=2)[..., 0].mean(axis=0)
    columns = {"coverage": hit, "size": in_set.sum(axis=2).mean(axis=0)}
    own = {label: np.where(truth == k, hit, np.nan) for k, label in enumerate(labels)}
    found = mean_figures(
        columns | {f"of {label}": values for label, values in own.items()},
        groups,
        shares={"coverage", *(f"of {label}" for label in labels)},
        draws=draws,
        seed=seed,
    )
    by_emotion = {label: found[f"of {label}"] for label in labels}
    return SetFigures(found["coverage"], found["size"], by_emotion)


def class_conditional_sets(
    probabilities: FloatArray, truth: IntArray, fold: IntArray, coverage: float
) -> NDArray[np.bool_]:
    """Return sets with a threshold a label, each repeat's from its other folds.

    Args:
        probabilities: float (R, n, K), each row's from a model that did not learn from it.
        truth: int (n,), 0..K-1.
        fold: int (R, n), the fold each row is in.
        coverage: that is stated for every label, 0..1, both excluded.

    Returns:
        bool (R, n, K).

    Raises:
        DataError: as for :func:`evoca.evaluation.conformal.held_out_sets`.
    """
    return np.stack(
        [
            held_out_sets(p, truth, own, coverage, label_thresholds)
            for p, own in zip(probabilities, fold, strict=True)
        ]
    )
