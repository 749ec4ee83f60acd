"""What a paper published, as strict data: protocols, systems, figures, tables."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evoca.strict import Strict

__all__ = [
    "Data",
    "EmotionFigures",
    "Metric",
    "Paper",
    "Published",
    "PublishedSystem",
    "Table",
]

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1, max_length=1200)]
Part = Literal["all", "train", "val", "test"]
Emotion = Literal[
    "amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness"
]
Metric = Literal["accuracy", "balanced_accuracy", "minutes_per_epoch"]
"""Named as in ``metrics.json``; ``balanced_accuracy`` is the papers' average recall."""


class Data(Strict):
    """The images of one paper.

    Attributes:
        key: by which this paper's figures refer to it.
        name: for tables and text.
        use: whether systems learn from it or are only measured on it.
        rule: which images are used and how they get their label.
        links: how many the source offered.
        images: how many were used.
        ratios: share of each part.
        parts: images of each part.
        counts: images of each emotion, by part.
        shares: share of each emotion among all images.
        open: what the text does not state, and the reading taken here.
    """

    key: Key
    name: Text
    use: Literal["training and testing", "testing alone"] = "training and testing"
    rule: Text
    links: Count | None = None
    images: Count | None = None
    ratios: dict[Part, Fraction] = Field(default_factory=dict)
    parts: dict[Part, Count] = Field(default_factory=dict)
    counts: dict[Part, dict[Emotion, Count]] = Field(default_factory=dict)
    shares: dict[Emotion, Fraction] = Field(default_factory=dict)
    open: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.parts and self.images is not None and sum(self.parts.values()) != self.images:
            raise ValueError(f"{self.key}: the parts do not add up to {self.images} images")
        if self.ratios and abs(sum(self.ratios.values()) - 1) > 1e-9:
            raise ValueError(f"{self.key}: the ratios do not add up to 1")
        for part, counts in self.counts.items():
            total = self.images if part == "all" else self.parts.get(part)
            if total is not None and sum(counts.values()) != total:
                raise ValueError(f"{self.key}: the counts of {part} do not add up to {total}")
        return self


class Published(Strict):
    """A figure as it was printed.

    Attributes:
        metric: what was measured.
        value: a fraction 0..1; minutes where the metric is ``minutes_per_epoch``.
        data: key of the paper's own data; ``None`` where the text does not state it.
        part: of the data.
        where: the place in the paper.
        setting: what it was measured at, such as ``{alpha: 0.75}``. A number that a recipe
            has under the same name must equal that of the run; words are only shown.
        recipes: the recipes whose figure it is, where a system has one for each setting.
        reading: the variant of the figure, where the text has several for one system.
        printed_by: key of the paper that prints it, where that is another one.
        note: what a reader must know before comparing.
    """

    metric: Metric
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    data: Key | None = None
    part: Part | None = None
    where: Text
    setting: dict[str, float | str] = Field(default_factory=dict)
    recipes: tuple[Key, ...] = ()
    reading: Text | None = None
    printed_by: Key | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _is_a_fraction(self) -> Self:
        if self.metric != "minutes_per_epoch" and self.value > 1:
            raise ValueError(f"{self.metric} is a fraction, not {self.value:g}")
        return self


class EmotionFigures(Strict):
    """Figures of single emotions.

    Attributes:
        data: key of the paper's own data.
        part: of the data.
        where: the place in the paper.
        values: emotion to precision, recall and F1, those that are printed.
    """

    data: Key
    part: Part
    where: Text
    values: dict[Emotion, dict[Literal["precision", "recall", "f1"], Fraction]]


class Table(Strict):
    """A table that is shown but not compared figure by figure.

    Attributes:
        title: of the table.
        where: the place in the paper.
        unit: of its numbers; columns listed in ``settings`` are plain.
        settings: columns that identify a row, rather than hold its scores.
        columns: their names.
        rows: one cell per column; ``None`` where the paper has none.
        note: what a reader must know.
    """

    title: Text
    where: Text
    unit: Literal["fraction", "images"]
    settings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    note: Text | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if not set(self.settings) <= set(self.columns):
            raise ValueError(f"{self.title}: settings that are no columns")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row without one cell per column: {row}")
            for column, cell in zip(self.columns, row, strict=True):
                if column not in self.settings:
                    self._check(cell, column)
        return self

    def _check(self, cell: str | float | None, column: str) -> None:
        if isinstance(cell, str) or (cell is not None and cell < 0):
            raise ValueError(f"{self.title}: {column} holds {cell!r}")
        if self.unit == "fraction" and cell is not None and cell > 1:
            raise ValueError(f"{self.title}: {column} holds {cell:g}, which is no fraction")


class PublishedSystem(Strict):
    """A system of a paper.

    Attributes:
        name: of the recipe, where there is one.
        status: ``recipe`` where Evoca has the system to train; ``published only`` where
            its figure is shown and nothing else.
        summary: what it is, in a sentence.
        training: how it was trained.
        backbones: the networks it builds on, as timm or torchvision spell them, or our record
            where neither has them.
        readings: a backbone to others that the paper may mean as well.
        pretrained: whether they start from ImageNet.
        input_size: side of the square input in pixels.
        epochs: that the paper trained for; ``None`` where not stated.
        open: what the paper leaves open, and the reading taken here.
        figures: what was published.
        per_emotion: figures of single emotions.
        tables: what else was published about it.
        findings: what its authors observed, in our words.
    """

    name: Key
    status: Literal["recipe", "published only"] = "recipe"
    summary: Text
    training: Text | None = None
    readings: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    backbones: tuple[str, ...] = ()
    pretrained: bool | None = None
    input_size: Annotated[int, Field(ge=16, le=4096)] | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    open: tuple[Text, ...] = ()
    figures: tuple[Published, ...] = ()
    per_emotion: EmotionFigures | None = None
    tables: tuple[Table, ...] = ()
    findings: tuple[Text, ...] = ()


class Paper(Strict):
    """A paper and everything taken from it.

    Attributes:
        key: first author and year, by which recipes refer to it.
        title: of the paper.
        authors: as in the texts at hand; empty where they are not named.
        year: of publication.
        venue: where it appeared, according to the texts.
        read: whether its own text was read; otherwise the facts come from other papers.
        source: where the facts come from, if not from its own text.
        data: the images it used.
        systems: its own, and those it compares with.
        wishes: what its authors would do next.
        faults: what a reproduction must not repeat, or cannot resolve.
    """

    key: Key
    title: Text
    authors: tuple[Text, ...] = ()
    year: Annotated[int, Field(ge=1990, le=2100)] | None = None
    venue: Text | None = None
    read: bool
    source: Text | None = None
    data: tuple[Data, ...] = ()
    systems: tuple[PublishedSystem, ...]
    wishes: tuple[Text, ...] = ()
    faults: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _refers_to_itself(self) -> Self:
        if not self.read and self.source is None:
            raise ValueError("a paper that was not read needs its source")
        known = {data.key for data in self.data}
        if len(known) != len(self.data):
            raise ValueError("two data sets have one key")
        for system in self.systems:
            used = {figure.data for figure in system.figures}
            used |= {system.per_emotion.data} if system.per_emotion else set()
            if lost := used - known - {None}:
                raise ValueError(f"{system.name}: no such data: {', '.join(map(str, lost))}")
        return self

    def data_of(self, key: str | None) -> Data | None:
        """Return the data with this key; ``None`` for ``None``."""
        return next((data for data in self.data if data.key == key), None)

    def cited(self) -> str:
        """Return authors, year and title on one line."""
        who = "; ".join(self.authors)
        when = f"({self.year})" if self.year else ""
        return " ".join(part for part in (who, when) if part) + (
            f": {self.title}" if who or when else self.title
        )
