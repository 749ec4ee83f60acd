"""Every alpha, beta and C of rapolu2023 on the stored vectors of a cross-validation.

The networks of each fold stay as they are; only what follows them is fitted anew: a logistic
regression, which is not the layer that the recipe trains by gradient descent, and support
vector machines. The accuracy of each
cell is of held-out images. The best of many cells is too good an estimate. So the accuracy of a
choice is given too: in each fold, the cell with the likeliest validation images.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoca.drafts import drafted
from evoca.errors import DataError, EvocaError
from evoca.lab.config.models.differential import Form, factors_of
from evoca.lab.experiments.fold_vectors import FoldVectors, read_vectors
from evoca.lab.heads.base import FittedHead
from evoca.lab.heads.linear import fit_linear_path
from evoca.lab.heads.svm import SvmFitter
from evoca.metrics.bootstrap import interval, resample, sum_by_group
from evoca.metrics.calibration import likeliest
from evoca.metrics.functional import nll
from evoca.papers import load_paper
from evoca.progress import Announce, silent
from evoca.runs import read_json
from evoca.softmax import softmax

__all__ = ["Accuracy", "Cell", "Grid", "Sweep", "sweep"]

_PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_DRAWS = 1000
_COLUMNS = ("alpha", "beta", "c", "accuracy", "ci95_low", "ci95_high", "published")
_PAPER = "rapolu2023"

Setting: TypeAlias = tuple[float | None, float | None, float | None]
"""Alpha, beta and C."""


@dataclass(frozen=True)
class Cell:
    """One setting.

    Attributes:
        alpha: see :class:`evoca.lab.config.models.Differential`.
        beta: likewise.
        c: of a support vector machine; ``None`` for the logistic regression, whose penalty
            the validation images choose.
    """

    alpha: float | None
    beta: float | None
    c: float | None

    @property
    def setting(self) -> Setting:
        """Alpha, beta and C."""
        return self.alpha, self.beta, self.c

    @property
    def head(self) -> str:
        """What is fitted on the vectors, in words."""
        return "logistic regression" if self.c is None else "support vector machine"


@dataclass(frozen=True)
class Grid:
    """What is tried.

    Attributes:
        alphas: at least one.
        betas: at least one.
        form: of beta.
        costs: C of support vector machines; may be empty.
    """

    alphas: tuple[float | None, ...]
    betas: tuple[float | None, ...]
    form: Form
    costs: tuple[float, ...]

    def factors(
        self, layout: Layout
    ) -> Iterator[tuple[float | None, float | None, tuple[float, ...]]]:
        """Yield every alpha and beta, and what the vectors are multiplied by."""
        for alpha, beta in product(self.alphas, self.betas):
            yield alpha, beta, layout.factors(factors_of(alpha, beta, self.form))


@dataclass(frozen=True)
class Layout:
    """The vectors that a fold has, in their order.

    Attributes:
        networks: that were trained.
        objects: whether the probabilities of objects come next.
        gamma: factor of the probabilities of scenes, the last; ``None`` where there are none.
    """

    networks: int = 2
    objects: bool = True
    gamma: float | None = None

    def factors(self, of_two: tuple[float, float, float]) -> tuple[float, ...]:
        """Return one factor per vector, given those of two networks and the objects."""
        one, other, named = of_two
        vectors = (one, *[other] * (self.networks - 1), *[named] * self.objects)
        return vectors if self.gamma is None else (*vectors, self.gamma)


@dataclass(frozen=True)
class Accuracy:
    """Of held-out images, 0..1.

    Attributes:
        value: mean over repeats.
        low: of the 95% interval, from bootstrap draws over clusters of copies.
        high: likewise.
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"accuracy": self.value, "ci95": [self.low, self.high]}


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep.

    Attributes:
        cells: every cell's accuracy, in the grid's order.
        chosen: accuracy where each fold's validation images choose the cell.
        choices: the cell each fold chose.
        published: the accuracy that the paper prints for a setting, 0..1, where the run's
            recipe follows the paper that swept.
    """

    cells: Mapping[Cell, Accuracy]
    chosen: Accuracy
    choices: tuple[Cell, ...]
    published: Mapping[Setting, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``sweep --format json`` prints."""
        return {
            "cells": [
                {
                    "alpha": cell.alpha,
                    "beta": cell.beta,
                    "c": cell.c,
                    "head": cell.head,
                    **own.to_dict(),
                    "published": self.published.get(cell.setting),
                }
                for cell, own in self.cells.items()
            ],
            "chosen_on_validation": self.chosen.to_dict()
            | {"folds": [{"alpha": c.alpha, "beta": c.beta, "c": c.c} for c in self.choices]},
        }

    def write(self, file: str | Path) -> None:
        """Write a CSV, a row per cell; whole or not at all.

        Raises:
            EvocaError: it cannot be written.
        """
        file = Path(file)
        try:
            with drafted(file) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(_COLUMNS)
                for cell, own in self.cells.items():
                    setting = ["" if value is None else value for value in cell.setting]
                    paper = self.published.get(cell.setting, "")
                    writer.writerow([*setting, own.value, own.low, own.high, paper])
        except OSError as error:
            raise EvocaError(f"{file}: cannot be written: {error.strerror}") from error


def sweep(run: str | Path, grid: Grid, announce: Announce = silent) -> Sweep:
    """Return the accuracy of every cell, fitted and scored in every fold.

    docs/recipes.md shows ``evoca sweep``, which prints what this returns.

    Args:
        run: a cross-validation that stored its vectors.
        grid: what to try.
        announce: called with the number of settings; returns the callback for each that is done.

    Raises:
        EvocaError: the run has no vectors, or damaged ones.
        DataError: an alpha, where there are more than two networks; a beta, where nothing
            names objects; or a label without image.
    """
    run = Path(run)
    # The paper's beta takes from the vectors.
    as_printed = grid.form == "convex" or all(beta is None for beta in grid.betas)
    published = _published(run) if as_printed else {}
    folds = read_vectors(run)
    layout = _layout_of(run, len(folds[0][1].vectors))
    if any(alpha is not None for alpha in grid.alphas) and layout.networks > 2:
        raise DataError(
            f"--alpha is the share of the first of two networks: this run has {layout.networks}; "
            "give --alpha none"
        )
    if any(beta is not None for beta in grid.betas) and not layout.objects:
        raise DataError("--beta is a factor of the object probabilities: this run has none")
    right: dict[Cell, NDArray[np.float64]] = {}
    repeats, count = 1 + max(repeat for repeat, _ in folds), len(folds[0][1].truth)
    advance = announce("settings", len(folds) * len(grid.alphas) * len(grid.betas))
    chosen, choices = np.full((repeats, count), np.nan), []
    for repeat, fold in folds:
        losses: dict[Cell, float] = {}
        for alpha, beta, factors in grid.factors(layout):
            for cost, found in _evaluated(fold, factors, grid.costs):
                cell = Cell(alpha, beta, cost)
                losses[cell] = found.loss
                own = right.setdefault(cell, np.full((repeats, count), np.nan))
                own[repeat, fold.held_out] = found.right
            advance(1)
        best = min(losses, key=lambda cell: losses[cell])
        choices.append(best)
        chosen[repeat, fold.held_out] = right[best][repeat, fold.held_out]
    groups = folds[0][1].groups
    cells = {cell: _accuracy(own, groups) for cell, own in right.items()}
    return Sweep(cells, _accuracy(chosen, groups), tuple(choices), published)


def _published(run: Path) -> dict[Setting, float]:
    """Return the paper's figures, where the run's recipe follows the paper that swept.

    Raises:
        EvocaError: ``run.json`` is there and cannot be read.
    """
    file = run / "run.json"
    recipe = read_json(file).get("recipe") if file.is_file() else None
    if not isinstance(recipe, Mapping) or recipe.get("paper") != _PAPER:
        return {}
    found = {}
    for system in load_paper(_PAPER).systems:
        for figure in system.figures:
            if figure.setting and figure.part == "test":
                at = (figure.setting.get(name) for name in ("alpha", "beta", "c"))
                alpha, beta, c = (None if value is None else float(value) for value in at)
                found[alpha, beta, c] = figure.value
    return found


def _at(cell: Cell) -> tuple[float | None, float | None, float | None]:
    return cell.alpha, cell.beta, cell.c


def _layout_of(run: Path, vectors: int) -> Layout:
    """Return the layout of a run's vectors; without a recipe, two networks' and objects'."""
    if not (run / "run.json").is_file():
        return Layout(objects=vectors > 2)
    options = read_json(run / "run.json").get("recipe", {}).get("model", {})
    scenes = options.get("background") is not None
    return Layout(
        networks=2 + len(options.get("more", ())),
        objects=options.get("supplement") is not None,
        gamma=float(options.get("gamma", 1)) if scenes else None,
    )


@dataclass(frozen=True)
class _Evaluated:
    """A fitted cell: NLL of the validation images, and which held-out images it gets right."""

    loss: float
    right: NDArray[np.bool_]


def _evaluated(
    fold: FoldVectors, factors: Sequence[float], costs: Sequence[float]
) -> Iterator[tuple[float | None, _Evaluated]]:
    """Yield the logistic regression, then each machine, on the joined vectors of a fold."""
    scaled = [np.float32(factor) * own for factor, own in zip(factors, fold.vectors, strict=True)]
    joined = np.concatenate(scaled, axis=1)
    features, truth = joined[fold.train], fold.truth[fold.train]
    labels = int(fold.truth.max()) + 1
    if len(np.unique(truth)) < labels:
        raise DataError("a fold has no training image of some label: nothing to fit")
    layers = list(fit_linear_path(features, truth, _PENALTIES, standardise=False))
    seen, known = joined[fold.validation], fold.truth[fold.validation]
    best, _ = likeliest([layer.logits(seen) for layer in layers], known)
    yield None, _evaluate(layers[best], joined, fold)
    if costs:
        fitter = SvmFitter(tuple(costs), gamma=1.0, standardise=False)
        for machine in fitter.path(features, truth, fitter.candidates):
            yield machine.c, _evaluate(machine, joined, fold)


def _evaluate(head: FittedHead, joined: NDArray[np.float32], fold: FoldVectors) -> _Evaluated:
    seen, known = head.logits(joined[fold.validation]), fold.truth[fold.validation]
    _, temperature = likeliest([seen], known)
    loss = float(nll(known, softmax(seen, temperature)).mean())
    predicted = head.logits(joined[fold.held_out]).argmax(axis=1)
    return _Evaluated(loss, predicted == fold.truth[fold.held_out])


def _accuracy(right: NDArray[np.float64], groups: NDArray[np.int64]) -> Accuracy:
    """Return the accuracy of (R, n) of 0 and 1, NaN where an image was not predicted."""
    asked = ~np.isnan(right).any(axis=0)
    _, group = np.unique(groups[asked], return_inverse=True)
    columns = np.stack([right[:, asked].mean(axis=0), np.ones(asked.sum())], axis=1)
    totals = sum_by_group(columns, group, int(group.max()) + 1)

    def share(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        hits, images = (counts @ totals).T
        return {"accuracy": hits / images}

    point, drawn = resample(share, len(totals), _DRAWS, seed=0)
    low, high = interval(drawn["accuracy"])
    return Accuracy(float(point["accuracy"]), float(low), float(high))
