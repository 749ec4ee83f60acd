"""The published figures of a system that a run can be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evoca.papers.schema import Paper, Published, PublishedSystem

__all__ = ["Target", "fitting", "shown_setting", "targets_of"]

_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "average recall",
    "minutes_per_epoch": "minutes per epoch",
}


@dataclass(frozen=True)
class Target:
    """One published figure.

    Attributes:
        metric: as ``metrics.json`` names it: ``accuracy``, ``balanced_accuracy``,
            ``minutes_per_epoch``; ``precision``, ``recall`` or ``f1`` of an emotion.
        value: a fraction 0..1, or minutes.
        data: key of the paper's data; ``None`` where it is not stated.
        where: the place it is printed.
        on: the data in words, where the paper publishes figures on several.
        emotion: the emotion that it is of; ``None`` for all together.
        setting: the swept settings it was measured at.
        printed_by: key of the paper that prints it, where that is another one.
        note: what a reader must know before comparing.
        part: of the paper's data; ``val`` is compared with a run's validation images.
        recipes: the recipes whose figure it is; all that follow the system if empty.
        reading: the variant of the figure, where the text has several.
    """

    metric: str
    value: float
    data: str | None
    where: str
    on: str | None = None
    emotion: str | None = None
    setting: tuple[tuple[str, float | str], ...] = ()
    printed_by: str | None = None
    note: str | None = None
    part: str | None = None
    recipes: tuple[str, ...] = ()
    reading: str | None = None

    @property
    def name(self) -> str:
        """The figure's name, in words."""
        words = _WORDS.get(self.metric, self.metric)
        if self.emotion is not None:
            words = f"{words} of {self.emotion}"
        if self.part == "val":
            words = f"{words} on validation images"
        if self.on is not None:
            words = f"{words}{' of' if self.part == 'val' else ' on'} {self.on}"
        at = shown_setting(self.setting)
        words = f"{words} at {at}" if at else words
        return f"{words} ({self.reading})" if self.reading else words

    def fits(self, settings: Mapping[str, float]) -> bool:
        """Return whether no number of its setting differs from that in a recipe's settings."""
        return all(settings.get(key, value) == value for key, value in self.setting)

    @property
    def is_score(self) -> bool:
        """Whether it measures how well images are classified, unlike minutes."""
        return self.metric != "minutes_per_epoch"

    def show(self, value: float) -> str:
        """Return a value of this metric in words: percent, or minutes."""
        if self.metric == "minutes_per_epoch":
            return f"{value:.2f}"
        return f"{100 * value:.2f}".rstrip("0").rstrip(".") + "%"


def shown_setting(setting: Sequence[tuple[str, float | str]]) -> str:
    """Return the setting of a figure, in words.

    >>> shown_setting([("layers", "16-8"), ("dropout", 0.5)])
    'layers 16-8, dropout 0.5'
    """
    return ", ".join(
        f"{key} {value}" if isinstance(value, str) else f"{key} {value:.10g}"
        for key, value in setting
    )


def fitting(
    targets: Sequence[Target], recipe: str, settings: Mapping[str, float]
) -> tuple[Target, ...]:
    """Return the figures that are of a run's own settings.

    Args:
        targets: of the published system that the run follows.
        recipe: name of the run's recipe. If figures name recipes, only those that name this
            one are returned; if none names it, as for a variant of one's own, all are.
        settings: the numbers of the recipe, by key.
    """
    named = any(recipe in target.recipes for target in targets)

    def fits(target: Target) -> bool:
        if target.recipes:
            return recipe in target.recipes or not named
        return target.fits(settings)

    return tuple(target for target in targets if fits(target))


def targets_of(paper: Paper, system: PublishedSystem) -> tuple[Target, ...]:
    """Return the figures to compare: on held-out images, then of single emotions.

    Accuracy on training images is left out. Figures of a development part come after those
    of a test part; they are compared with a run's validation images.
    """
    kept = [figure for figure in system.figures if figure.part != "train"]
    # The first one determines the data that a run is compared with.
    kept.sort(key=_rank)
    used = {figure.data for system in paper.systems for figure in system.figures} - {None}
    names = {data.key: data.name for data in paper.data} if len(used) > 1 else {}
    return (*(_target(figure, names) for figure in kept), *_by_emotion(system))


def _rank(figure: Published) -> tuple[bool, bool]:
    unsaid = figure.data is None and figure.metric != "minutes_per_epoch"
    return figure.part == "val", unsaid


def _target(figure: Published, names: Mapping[str, str]) -> Target:
    return Target(
        metric=figure.metric,
        value=figure.value,
        data=figure.data,
        where=figure.where,
        on=names.get(figure.data or ""),
        setting=tuple(figure.setting.items()),
        printed_by=figure.printed_by,
        note=figure.note,
        part=figure.part,
        recipes=figure.recipes,
        reading=figure.reading,
    )


def _by_emotion(system: PublishedSystem) -> Iterator[Target]:
    published = system.per_emotion
    if published is None:
        return
    for emotion, figures in published.values.items():
        for metric, value in figures.items():
            yield Target(metric, value, published.data, published.where, emotion=emotion)
