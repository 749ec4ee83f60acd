"""Comparison of runs on the images they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evoca.errors import DataError, did_you_mean
from evoca.metrics import Figure, evaluate_predictions
from evoca.metrics import functional as measures
from evoca.metrics.bootstrap import mean_figure
from evoca.metrics.result import LOWER_IS_BETTER
from evoca.metrics.significance import (
    Difference,
    compare_affect,
    compare_predictions,
    holm,
    mcnemar,
    permutation_test,
)
from evoca.metrics.ties import tied, top_labels
from evoca.runs.predictions import rescaled_note
from evoca.runs.run import Run
from evoca.runs.shared_images import Common, common_images
from evoca.words import counted

__all__ = ["Compared", "Comparison", "cautions", "compare_runs", "equal_repeats"]

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
        notes: the notes on its own figures.
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
        groups: number of groups that they form.
        reference: name of the run that the others are compared with.
        runs: the best first.
        notes: what a reader must know.
        exact_test: the test behind the runs' ``mcnemar``: ``McNemar``, or ``sign test over
            groups`` where a group holds several images.
    """

    metric: str
    n: int
    groups: int
    reference: str
    runs: tuple[Compared, ...]
    notes: tuple[str, ...]
    exact_test: str = "McNemar"

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``compare --format json`` prints."""
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


_OF_VOTES = {
    "kl": measures.kl,
    "chebyshev": measures.chebyshev,
    "clark": measures.clark,
    "canberra": measures.canberra,
    "cosine": measures.cosine,
    "intersection": measures.intersection,
    "random_rater": measures.random_rater,
}

_OF_AFFECT = ("ccc", "pearson", "mae")


def compare_runs(
    runs: Sequence[Run],
    metric: str = "accuracy",
    *,
    against: Literal["first", "best"] = "first",
    draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Return the comparison of runs in one figure, on the images they share.

    Differences are paired: the same groups of images are drawn for both runs, and swapped
    between them for the p-value. Between runs with different numbers of repeats, the means are
    compared.

    Args:
        runs: at least two.
        metric: a figure against labels, against the viewers' distributions, or against their
            ratings (``ccc``, ``pearson``, ``mae``; of one scale ``ccc_valence``).
        against: the run to compare with. The figure of the best of several is too high; prefer
            to name the baseline first.
        draws: of the bootstrap, and of the permutations.
        seed: of both.

    Raises:
        DataError: fewer than two runs, a run given twice, runs that cannot be compared, or a
            figure that they do not have.
    """
    if len(runs) < 2:
        raise DataError("a comparison needs at least two runs")
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise DataError("the same run is named twice: a comparison needs different runs")
    common = common_images(runs)
    figures = [_figure(common, i, metric, draws, seed) for i in range(len(runs))]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    order = sorted(range(len(runs)), key=lambda i: sign * figures[i].value)
    reference = order[0] if against == "best" else 0
    compared = [
        Compared(
            run.name,
            run.recipe,
            len(p),
            figure,
            fingerprint=str(run.description.get("fingerprint", "")),
            notes=run.notes,
        )
        for run, p, figure in zip(runs, common.probabilities, figures, strict=True)
    ]
    others = [i for i in range(len(runs)) if i != reference]
    tested = [_tested(common, compared[i], reference, i, metric, draws, seed) for i in others]
    for i, entry in zip(others, _corrected(tested), strict=True):
        compared[i] = entry
    return Comparison(
        metric=metric,
        n=len(common.images),
        groups=len(np.unique(common.groups)),
        reference=runs[reference].name,
        runs=tuple(compared[i] for i in order),
        notes=_gravest_first([*common.notes, *_tie_notes(runs, common), *cautions(runs)]),
        exact_test="sign test over groups" if _copies(common) else "McNemar",
    )


def _copies(common: Common) -> bool:
    """Return whether some labelled images form a group, so that rows are not independent."""
    groups = common.groups[common.truth >= 0]
    return len(np.unique(groups)) < len(groups)


def _tie_notes(runs: Sequence[Run], common: Common) -> list[str]:
    rows = common.truth >= 0
    counts = [int(tied(p[:, rows]).any(axis=0).sum()) for p in common.probabilities]
    return [
        f"{run.name}: {counted(count, 'image has', 'images have')} no single likeliest label: of "
        f"equal ones the first counts, in the order {', '.join(common.labels)}"
        for run, count in zip(runs, counts, strict=True)
        if count
    ]


def _gravest_first(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(notes), key=lambda note: "WARNING" not in note))


def _figure(common: Common, run: int, metric: str, draws: int, seed: int) -> Figure:
    report = evaluate_predictions(
        common.truth,
        common.probabilities[run],
        common.labels,
        common.groups,
        distributions=common.distribution,
        affect=None if common.affect is None else common.affect[run],
        names=common.images,
        allow_missing=True,
        draws=draws,
        seed=seed,
    )
    have = dict(report.figures)
    for name, figure in report.figures.items():
        have |= {f"{name}_{scale}": part for scale, part in figure.parts.items()}
    if metric not in have:
        known = did_you_mean(metric, sorted(have), limit=len(have))
        raise DataError(f"no figure {metric!r} can be compared here{known}")
    return have[metric]


def _tested(
    common: Common, entry: Compared, reference: int, own: int, metric: str, draws: int, seed: int
) -> Compared:
    first, second = equal_repeats(common.probabilities[reference], common.probabilities[own])
    if metric.partition("_")[0] in _OF_AFFECT:
        gap = _affect_difference(common, reference, own, metric, draws, seed)
        return replace(entry, difference=gap)
    if metric in _OF_VOTES:
        gap = _vote_difference(common, first, second, metric, draws, seed)
        return replace(entry, difference=gap)
    rows = common.truth >= 0
    truth = common.truth[rows]
    first, second = first[:, rows], second[:, rows]
    gaps = compare_predictions(
        truth,
        first,
        second,
        common.labels,
        common.groups[rows],
        allow_missing=True,
        draws=draws,
        seed=seed,
    )
    verdicts = (top_labels(first[0]) == truth, top_labels(second[0]) == truth)
    exact = mcnemar(*verdicts, common.groups[rows])
    return replace(entry, difference=gaps[metric], mcnemar=exact)


def equal_repeats(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both with the same number of repeats; copying repeats keeps the means."""
    count = math.lcm(len(first), len(second))
    return (
        np.tile(first, (count // len(first), 1, 1)),
        np.tile(second, (count // len(second), 1, 1)),
    )


def _vote_difference(
    common: Common,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    metric: str,
    draws: int,
    seed: int,
) -> Difference:
    assert common.distribution is not None  # the figure exists
    rows = ~np.isnan(common.distribution).any(axis=1)
    votes, groups = common.distribution[rows], common.groups[rows]
    one, other = (
        np.mean([_OF_VOTES[metric](votes, p[rows]) for p in runs], axis=0)
        for runs in (first, second)
    )
    gap = mean_figure(other - one, groups, draws=draws, seed=seed)
    return Difference(
        gap.value, gap.ci95, permutation_test(one, other, groups, draws=draws, seed=seed)
    )


def _affect_difference(
    common: Common, reference: int, own: int, metric: str, draws: int, seed: int
) -> Difference:
    assert common.affect is not None  # the figure exists
    pair = common.affect[reference], common.affect[own]
    predicted = equal_repeats(*(np.asarray(one.predicted) for one in pair))
    first, second = (replace(one, predicted=p) for one, p in zip(pair, predicted, strict=True))
    return compare_affect(first, second, common.groups, draws=draws, seed=seed)[metric]


def _corrected(tested: Sequence[Compared]) -> list[Compared]:
    """Return the entries with p-values adjusted for the number of comparisons."""
    ps = holm([entry.difference.p for entry in tested if entry.difference is not None])
    exact = [entry.mcnemar for entry in tested if entry.mcnemar is not None]
    exact_holm = holm(exact).tolist() if exact else [None] * len(tested)
    return [
        replace(entry, p_holm=p, mcnemar_holm=q)
        for entry, p, q in zip(tested, ps.tolist(), exact_holm, strict=True)
    ]


_NAMED = 3


def cautions(runs: Sequence[Run]) -> list[str]:
    """Return what makes the figures of some runs less comparable.

    This includes the notes on a run's own figures, such as that validation images chose.
    """
    notes = []
    for run in runs:
        seen = run.description.get("training_images")
        noted = any("training images of" in note for note in run.notes)
        # The run of a training has the hashes of its images here.
        if isinstance(seen, int) and seen and not noted:
            notes.append(
                f"WARNING: {run.name} was evaluated on {seen:,} of the images it learnt from"
            )
    notes += [note for run in runs if (note := rescaled_note(run.name, run.predictions))]
    own = dict.fromkeys(note for run in runs for note in run.notes)
    for note in own:
        whose = [run.name for run in runs if note in run.notes]
        which = "all runs" if len(whose) == len(runs) else ", ".join(whose)
        notes.append(f"{which}: {note}")
    if once := [run.name for run in runs if run.predictions.repeats == 1]:
        several = len(once) == len(runs) > _NAMED
        which = "all runs:" if several else f"{', '.join(once)}:"
        notes.append(
            f"{which} one seed only; part of a difference may be the luck of one training or one "
            "division of the images"
        )
    return notes
