"""A head on frozen features that learns from several sources: nested folds, or one left out.

Whatever is chosen (penalties, weights of the sources, temperature, set threshold, the curve
that brings ratings to a polarity) is chosen inside training parts. What chooses is the held-out
likelihood, averaged over the sources, so that a large one does not outvote the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.data.teaching import (
    PolarityOfValence,
    fit_polarity,
    shares_with_polarity,
    source_offsets,
)
from evoca.lab.config.recipe import Head, Recipe, RecipeError
from evoca.lab.experiments.holdout import in_source, learnt_without
from evoca.lab.experiments.source_folds import source_folds
from evoca.lab.heads.base import Features
from evoca.lab.heads.joint import (
    AffectHead,
    JointHead,
    Lesson,
    directions_of,
    fit_affect,
    fit_group_temperature,
    fit_joint,
    group_nll,
)
from evoca.metrics import Report
from evoca.metrics.by_source import SourceFigures, as_reported, common_groups, source_figures
from evoca.metrics.conformal import interval_errors, set_threshold
from evoca.progress import Advance
from evoca.runs.result import Result
from evoca.softmax import softmax

__all__ = [
    "JointOperatingPoint",
    "SourcePredictions",
    "cross_validate_sources",
    "fit_sources",
    "leave_out_source",
    "require_head",
    "with_figures_by_source",
]


@dataclass(frozen=True)
class JointOperatingPoint:
    """What the inner folds choose.

    Attributes:
        c: inverse penalty of the emotions' layer.
        weights: of each source's images.
        affect_penalty: of the ridge regression; ``None`` where no image is rated.
        temperature: for softmax(logits / temperature).
        threshold: of the prediction set; 0 where no image has a single label.
        nll: of the held-out images, nats, averaged over the sources.
        affect_errors: half the widths of the intervals of valence and arousal; ``None`` where
            no image is rated.
        polarity: how ratings of valence teach a polarity; ``None`` where they do not, or by the
            share of raters above the middle.
        chosen_on: logits (n, K) and labels (n,) of the first source's images.
    """

    c: float
    weights: tuple[float, ...]
    affect_penalty: float | None
    temperature: float
    threshold: float
    nll: float
    affect_errors: tuple[float, float] | None = None
    polarity: PolarityOfValence | None = None
    chosen_on: tuple[NDArray[np.float64], NDArray[np.int64]] | None = field(
        default=None, repr=False, compare=False
    )

    def to_dict(self) -> dict[str, Any]:
        """Return what ``run.json`` stores beside C, temperature and threshold."""
        found: dict[str, Any] = {"weights": list(self.weights)}
        if self.affect_penalty is not None:
            found["affect_penalty"] = self.affect_penalty
        if self.polarity is not None:
            found["polarity_of_valence"] = {
                "intercept": self.polarity.intercept,
                "slope": self.polarity.slope,
                "images": self.polarity.images,
            }
        return found


@dataclass(frozen=True, eq=False)
class SourcePredictions:
    """Predictions of n images that were not learnt from, in R repeats.

    Attributes:
        probabilities: (R, n, K); NaN where an image was not held out.
        affect: (R, n, 2); ``None`` where no image is rated.
        half_width: (R, n, 2), of the intervals of valence and arousal.
        fold: (R, n).
        threshold: (R, n).
        temperature: (R, n).
        heads: of the first repeat, one per fold.
        choices: one per fold, those of the first repeat first.
    """

    probabilities: NDArray[np.float64]
    affect: NDArray[np.float64] | None
    half_width: NDArray[np.float64] | None
    fold: NDArray[np.int64]
    threshold: NDArray[np.float64]
    temperature: NDArray[np.float64]
    heads: tuple[JointHead, ...]
    choices: tuple[JointOperatingPoint, ...]


def require_head(recipe: Recipe) -> Head:
    """Return the linear head of a recipe.

    Raises:
        RecipeError: it has another, so that it cannot learn from several sources.
    """
    if not isinstance(recipe.head, Head):
        kind = "no head" if recipe.head is None else f"a head of kind {recipe.head.kind}"
        raise RecipeError(
            f"{recipe.name}: has {kind}; several sources are learnt from by a linear head, or in "
            "steps: give one --data, or another recipe"
        )
    return recipe.head


def fit_sources(
    recipe: Recipe, images: LabelledImages, features: Features, seed: int
) -> tuple[JointOperatingPoint, JointHead]:
    """Return what inner folds of images choose, and the head fitted on all of them.

    Args:
        recipe: with a linear head.
        images: n of several sources, to learn from.
        features: float32 (n, D).
        seed: of the inner folds.

    Raises:
        DataError: a class of the first source is too small for the folds.
    """
    directions = directions_of(features)
    work = _Work(recipe, images, directions(features), seed)
    chosen = work.choose()
    return chosen, directions.unfolded(work.fit(chosen))


@dataclass(frozen=True, eq=False)
class _Work:
    """Images to learn from: inner folds choose, then all are fitted."""

    recipe: Recipe
    images: LabelledImages
    rows: Features
    seed: int

    @property
    def head(self) -> Head:
        """The head."""
        return require_head(self.recipe)

    def _lesson(
        self, fitted_on: NDArray[np.bool_] | None = None
    ) -> tuple[Lesson, PolarityOfValence | None]:
        """Return the lesson of all images, its polarities by those that are fitted on."""
        teaching = self.images.teaching
        assert teaching is not None  # of several sources
        own = self.images if fitted_on is None else self.images.take(fitted_on)
        curve = fit_polarity(own)
        return Lesson.of(self.rows, shares_with_polarity(self.images, curve), teaching), curve

    @property
    def _ratings(self) -> NDArray[np.float64] | None:
        ratings = self.images.affect
        if ratings is None or not np.isfinite(ratings).any(axis=0).all():
            return None
        return ratings

    def choose(self) -> JointOperatingPoint:
        """Return what the inner folds choose."""
        protocol, head, teaching = self.recipe.protocol, self.head, self.images.teaching
        assert teaching is not None
        fold = source_folds(self.images, protocol.inner_folds, self.seed)
        present = np.unique(teaching.of)
        whole, curve = self._lesson()
        grid = self.recipe.sources.candidates(teaching.sources)
        grid = _distinct(grid, present, whole.first)
        logits = np.full((len(grid), len(head.c_grid), len(fold), teaching.labels), np.nan)
        ratings = self._ratings
        affect = np.full((len(head.affect_grid), len(fold), 2), np.nan)
        for number in np.unique(fold):
            inside, out = fold != number, fold == number
            lesson, _ = self._lesson(inside)
            for i, weights in enumerate(grid):
                path = fit_joint(lesson.take(inside), weights, head.c_grid)
                for j, layer in enumerate(path):
                    logits[i, j, out] = layer.logits(self.rows[out])
            if ratings is not None:
                for i, predict in enumerate(self._affect_path(inside, head.affect_grid)):
                    affect[i, out] = predict(self.rows[out])
        chosen = self._likeliest(logits, grid, whole, affect if ratings is not None else None)
        return replace(chosen, polarity=curve)

    def _likeliest(
        self,
        logits: NDArray[np.float64],
        grid: list[tuple[float, ...]],
        lesson: Lesson,
        affect: NDArray[np.float64] | None,
    ) -> JointOperatingPoint:
        head, own = self.head, lesson.source == lesson.first
        places = list(product(range(len(grid)), range(len(head.c_grid))))
        offsets = source_offsets(lesson.shares, lesson.source, lesson.matrix)
        found = [_scored(logits[i, j], lesson, offsets) for i, j in places]
        best = int(np.argmin([loss for loss, _ in found]))
        (i, j), (loss, temperature) = places[best], found[best]
        truth = self.images.truth
        labelled = own & (truth >= 0)
        threshold, chosen_on = 0.0, None
        if labelled.any():
            z = logits[i, j, labelled]
            p = softmax(z, temperature)
            threshold = set_threshold(p, truth[labelled], self.recipe.protocol.coverage)
            chosen_on = z, truth[labelled]
        penalty, errors = self._affect_choice(affect)
        return JointOperatingPoint(
            c=head.c_grid[j],
            weights=grid[i],
            affect_penalty=penalty,
            temperature=temperature,
            threshold=threshold,
            nll=loss,
            affect_errors=errors,
            chosen_on=chosen_on,
        )

    def _affect_choice(
        self, affect: NDArray[np.float64] | None
    ) -> tuple[float | None, tuple[float, float] | None]:
        if affect is None:
            return None, None
        ratings = self._ratings
        assert ratings is not None
        away = np.abs(affect - ratings)
        best = int(np.argmin([np.nanmean(own**2) for own in away]))
        errors = interval_errors(away[best], self.recipe.protocol.coverage)
        return self.head.affect_grid[best], errors

    def _affect_path(self, inside: NDArray[np.bool_], grid: tuple[float, ...]) -> list[AffectHead]:
        ratings, teaching = self._ratings, self.images.teaching
        assert ratings is not None
        assert teaching is not None
        assert teaching.scale is not None
        return fit_affect(self.rows[inside], ratings[inside], grid, teaching.scale)

    def fit(self, chosen: JointOperatingPoint) -> JointHead:
        """Return the head of a choice, fitted on all images."""
        lesson, _ = self._lesson()
        emotions = fit_joint(lesson, chosen.weights, [chosen.c])[0]
        if chosen.affect_penalty is None:
            return JointHead(emotions)
        every = np.ones(len(self.images), dtype=np.bool_)
        return JointHead(emotions, self._affect_path(every, (chosen.affect_penalty,))[0])


def _scored(
    logits: NDArray[np.float64], lesson: Lesson, offsets: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the mean over sources of the held-out cross-entropy, and the temperature.

    The temperature is fitted on the first source, whose frequencies the logits are for; each
    other source is scored under its own.

    Args:
        logits: (n, K), held out.
        lesson: of the n images.
        offsets: (S, K), see :func:`source_offsets`.
    """
    taught = lesson.shares.sum(axis=1) > 0
    first = taught & (lesson.source == lesson.first)
    temperature = fit_group_temperature(logits[first], lesson.shares[first], lesson.matrix)
    p = softmax(logits[taught] / temperature + offsets[lesson.source[taught]])
    losses = group_nll(p, lesson.shares[taught], lesson.matrix)
    source = lesson.source[taught]
    return float(np.mean([losses[source == i].mean() for i in np.unique(source)])), temperature


def _distinct(
    grid: list[tuple[float, ...]], present: NDArray[np.int64], first: int
) -> list[tuple[float, ...]]:
    """Return the candidates that differ for the sources that are there; the first counts 1."""
    found: dict[tuple[float, ...], tuple[float, ...]] = {}
    for weights in grid:
        own = tuple(1.0 if i == first else weight for i, weight in enumerate(weights))
        found.setdefault(tuple(own[i] for i in present), own)
    return list(found.values())


def cross_validate_sources(
    recipe: Recipe,
    images: LabelledImages,
    features: Features,
    advance: Advance | None = None,
) -> SourcePredictions:
    """Return the nested cross-validation of a head on images of several sources.

    Args:
        recipe: with a linear head.
        images: n, in groups of copies.
        features: float32 (n, D).
        advance: called with 1 after each outer fold.

    Raises:
        DataError: a class of the first source is too small for the folds.
    """
    protocol = recipe.protocol
    collected = _Collected.empty(protocol.repeats, images)
    for repeat in range(protocol.repeats):
        seed = protocol.seed + repeat
        fold = source_folds(images, protocol.folds, seed)
        for number in range(protocol.folds):
            collected.add(repeat, number, recipe, (images, features), fold == number, seed)
            if advance is not None:
                advance(1)
    return collected.whole()


def leave_out_source(
    recipe: Recipe, images: LabelledImages, features: Features, source: str
) -> SourcePredictions:
    """Return predictions of a source's images by a head that was taught by all others.

    Copies of its images among the others' are not learnt from.

    Args:
        recipe: with a linear head.
        images: n of several sources, in groups of copies.
        features: float32 (n, D).
        source: name of the source that is left out.

    Raises:
        DataError: no source is called so.
    """
    out = in_source(images, source)
    collected = _Collected.empty(1, images)
    collected.add(0, 0, recipe, (images, features), out, recipe.protocol.seed)
    return collected.whole()


@dataclass(frozen=True, eq=False)
class _Collected:
    """Predictions as they come in, fold by fold."""

    found: SourcePredictions
    heads: list[JointHead] = field(default_factory=list)
    choices: list[JointOperatingPoint] = field(default_factory=list)

    @classmethod
    def empty(cls, repeats: int, images: LabelledImages) -> _Collected:
        shape = repeats, len(images)

        def unknown(*more: int) -> NDArray[np.float64]:
            return np.full((*shape, *more), np.nan)

        nothing = SourcePredictions(
            probabilities=unknown(len(images.labels)),
            affect=unknown(2),
            half_width=unknown(2),
            fold=np.full(shape, -1, dtype=np.int64),
            threshold=unknown(),
            temperature=unknown(),
            heads=(),
            choices=(),
        )
        return cls(nothing)

    def add(
        self,
        repeat: int,
        number: int,
        recipe: Recipe,
        data: tuple[LabelledImages, Features],
        out: NDArray[np.bool_],
        seed: int,
    ) -> None:
        images, features = data
        inside = learnt_without(images, out)
        chosen, head = fit_sources(recipe, images.take(inside), features[inside], seed)
        own, found = features[out], self.found
        found.probabilities[repeat, out] = softmax(head.logits(own), chosen.temperature)
        found.fold[repeat, out] = number
        found.threshold[repeat, out] = chosen.threshold
        found.temperature[repeat, out] = chosen.temperature
        if head.affect is not None:
            assert found.affect is not None
            assert found.half_width is not None
            found.affect[repeat, out] = head.affect(own)
            found.half_width[repeat, out] = chosen.affect_errors
        self.choices.append(chosen)
        if repeat == 0:
            self.heads.append(head)

    def whole(self) -> SourcePredictions:
        found = self.found
        assert found.affect is not None
        rated = np.isfinite(found.affect).any()
        return replace(
            found,
            affect=found.affect if rated else None,
            half_width=found.half_width if rated else None,
            heads=tuple(self.heads),
            choices=tuple(self.choices),
        )


def figures_by_source(
    images: LabelledImages,
    probabilities: NDArray[np.float64],
    affect: NDArray[np.float64] | None = None,
    half_width: NDArray[np.float64] | None = None,
    *,
    left_out: str | None = None,
    report: Report | None = None,
) -> tuple[SourceFigures, ...]:
    """Return the figures of each source that has predictions, in its own vocabulary.

    Args:
        images: n of several sources.
        probabilities: (R, n, K); NaN where an image has no prediction.
        affect: (R, n, 2).
        half_width: (R, n, 2).
        left_out: name of the source that was not learnt from; its labels are told apart as far
            as the others' are.
        report: of the same predictions, whose figures are the first source's too.
    """
    teaching = images.teaching
    assert teaching is not None
    k = len(images.labels)
    found = []
    for number, name in enumerate(teaching.sources):
        own = (teaching.of == number) & np.isfinite(probabilities).all(axis=(0, 2))
        if not own.any():
            continue
        taught = [
            _vocabulary(images, other)
            for other in range(len(teaching.sources))
            if left_out is not None and other != number
        ]
        grouped = common_groups(
            k, _vocabulary(images, number), *(_finest(k, taught) if taught else ())
        )
        shares = teaching.shares[own] @ _in_groups(teaching.columns, grouped)
        middle = None if teaching.scale is None else sum(teaching.scale) / 2
        rated = None if images.affect is None else images.affect[own]
        found.append(
            source_figures(
                name,
                images.labels,
                grouped,
                shares,
                probabilities[:, own],
                images.groups[own],
                rated=rated,
                affect=None if affect is None else affect[:, own],
                half_width=None if half_width is None else half_width[:, own],
                middle=middle,
            )
        )
    if report is not None and found and found[0].source == teaching.sources[0]:
        found[0] = as_reported(found[0], report)
    return tuple(found)


def with_figures_by_source(
    result: Result,
    images: LabelledImages,
    probabilities: NDArray[np.float64],
    affect: NDArray[np.float64] | None,
    half_width: NDArray[np.float64] | None,
    *,
    left_out: str | None = None,
    say: Callable[[str], None],
) -> Result:
    """Return a result with the figures of each source, and a note on what nobody else taught.

    Args:
        result: of the images that have predictions.
        images: see :func:`figures_by_source`, as the next three.
        probabilities: of them.
        affect: of them.
        half_width: of them.
        left_out: name of the source that was not learnt from.
        say: shows the note.
    """
    found = figures_by_source(
        images, probabilities, affect, half_width, left_out=left_out, report=result.report
    )
    notes = _not_taught(result.predictions.truth, found, left_out)
    for note in notes:
        say(f"evoca: {note}")
    return replace(result, by_source=found, notes=(*notes, *result.notes))


def _not_taught(
    truth: NDArray[np.int64], found: Sequence[SourceFigures], left_out: str | None
) -> tuple[str, ...]:
    """Return a note where the others cannot tell apart what a left-out source labels.

    Args:
        truth: (n,), the labels of the images that were predicted, -1 where there is none.
        found: the figures by source.
        left_out: name of the source; ``None`` where none was left out.
    """
    own = next((one for one in found if one.source == left_out), None)
    if own is None or not (truth >= 0).any():
        return ()
    together = [group.replace("+", ", ") for group in own.groups if "+" in group]
    if not together:
        return ()
    return (
        f"nobody but {own.source} tells apart {'; '.join(together)}: figures of single emotions "
        "are no better than a guess among these; those by source are of groups",
    )


def _vocabulary(images: LabelledImages, source: int) -> list[tuple[int, ...]]:
    teaching = images.teaching
    assert teaching is not None
    return [teaching.columns[column] for column in teaching.vocabularies[source]]


def _finest(
    labels: int, vocabularies: list[list[tuple[int, ...]]]
) -> tuple[list[tuple[int, ...]], ...]:
    """Return, as one vocabulary, the labels that some of several can tell apart."""
    kinds = [
        tuple(
            next((i for i, column in enumerate(own) if label in column), -1) for own in vocabularies
        )
        for label in range(labels)
    ]
    together: dict[tuple[int, ...], list[int]] = {}
    for label, kind in enumerate(kinds):
        together.setdefault(kind, []).append(label)
    return ([tuple(group) for group in together.values()],)


def _in_groups(
    columns: tuple[tuple[int, ...], ...], grouped: tuple[tuple[int, ...], ...]
) -> NDArray[np.float64]:
    """Return which columns lie within which groups, (C, G) of 0 and 1."""
    return np.array([[float(set(column) <= set(group)) for group in grouped] for column in columns])
