"""The figures of a system that a run can be held against, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evoca.papers.schema import Paper, Published, PublishedSystem

__all__ = ["Target", "targets_of"]

_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "average recall",
    "minutes_per_epoch": "minutes an epoch",
}


@dataclass(frozen=True)
class Target:
    """One published figure.

    Attributes:
        metric: as ``metrics.json`` names it: ``accuracy``, ``balanced_accuracy``,
            ``minutes_per_epoch``; ``precision``, ``recall`` or ``f1`` of an emotion.
        value: a fraction 0..1, or minutes.
        data: key of the paper's data; ``None`` where it is not said.
        where: the place it is printed.
        on: the data in words, where the paper publishes figures on several.
        emotion: of which emotion; ``None`` for all together.
        setting: the swept settings it was measured at.
        printed_by: key of the paper that prints it, where that is another one.
        note: what a reader must know before comparing.
    """

    metric: str
    value: float
    data: str | None
    where: str
    on: str | None = None
    emotion: str | None = None
    setting: tuple[tuple[str, float], ...] = ()
    printed_by: str | None = None
    note: str | None = None

    @property
    def name(self) -> str:
        """What it is, in words."""
        words = _WORDS.get(self.metric, self.metric)
        if self.emotion is not None:
            words = f"{words} of {self.emotion}"
        if self.on is not None:
            words = f"{words} on {self.on}"
        at = ", ".join(f"{key} {value:.10g}" for key, value in self.setting)
        return f"{words} at {at}" if at else words

    @property
    def is_score(self) -> bool:
        """Whether it says how well images are classified; minutes do not."""
        return self.metric != "minutes_per_epoch"

    def show(self, value: float) -> str:
        """Return a value of this metric as people read it: percent, or minutes."""
        if self.metric == "minutes_per_epoch":
            return f"{value:.2f}"
        return f"{100 * value:.2f}".rstrip("0").rstrip(".") + "%"


def targets_of(paper: Paper, system: PublishedSystem) -> tuple[Target, ...]:
    """Return what can be compared: figures on held-out images, then single emotions.

    Accuracy on training images is left out; accuracy on a development part counts only
    where nothing was published on a test part.
    """
    tested = {figure.metric for figure in system.figures if figure.part == "test"}
    kept = [
        figure
        for figure in system.figures
        if figure.part != "train" and (figure.part != "val" or figure.metric not in tested)
    ]
    # The first one decides which data a run is compared with.
    kept.sort(key=lambda figure: figure.data is None and figure.metric != "minutes_per_epoch")
    used = {figure.data for system in paper.systems for figure in system.figures} - {None}
    names = {data.key: data.name for data in paper.data} if len(used) > 1 else {}
    return (*(_target(figure, names) for figure in kept), *_by_emotion(system))


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
    )


def _by_emotion(system: PublishedSystem) -> Iterator[Target]:
    published = system.per_emotion
    if published is None:
        return
    for emotion, figures in published.values.items():
        for metric, value in figures.items():
            yield Target(metric, value, published.data, published.where, emotion=emotion)
