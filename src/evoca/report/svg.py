"""Plots as inline SVG: two linear scales, marks on them, styled by the page's CSS.

Written here because other libraries either need megabytes of JavaScript (Plotly, Vega) or
draw a picture whose colours and sizes the page cannot change (Matplotlib). These marks have
class names, so one drawing fits light, dark and print.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

__all__ = ["Plot", "interval_strip"]

Point = tuple[float, float]


@dataclass
class Plot:
    """A drawing with linear scales.

    Attributes:
        x: the values at the left and right edge.
        y: the values at the bottom and top edge.
        width: of the whole drawing, pixels at its natural size.
        height: of the whole drawing.
        margin: left, top, right, bottom, for the text outside the scales.
    """

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    width: int = 420
    height: int = 320
    margin: tuple[int, int, int, int] = (62, 14, 24, 46)
    _marks: list[Markup] = field(default_factory=list, repr=False)

    def _at(self, point: Point) -> Point:
        left, top, right, bottom = self.margin
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (point[1] - self.y[0]) / (self.y[1] - self.y[0])
        return (
            round(left + across * (self.width - left - right), 2),
            round(self.height - bottom - up * (self.height - top - bottom), 2),
        )

    def _add(self, template: str, **values: object) -> None:
        self._marks.append(Markup(template).format(**values))  # noqa: S704 - ours alone

    def line(self, points: Iterable[Point], css: str) -> None:
        """Draw a line through points."""
        self._add('<polyline class="{css}" points="{at}"/>', css=css, at=self._path(points))

    def area(self, points: Iterable[Point], css: str) -> None:
        """Fill the polygon of points."""
        self._add('<polygon class="{css}" points="{at}"/>', css=css, at=self._path(points))

    def dot(self, point: Point, css: str, title: str = "") -> None:
        """Draw a point; the title is shown on hovering."""
        x, y = self._at(point)
        self._add(
            '<circle class="{css}" cx="{x}" cy="{y}" r="4.5"><title>{title}</title></circle>',
            css=css,
            x=x,
            y=y,
            title=title,
        )

    def text(self, point: Point, text: str, anchor: str = "middle", dy: float = 0) -> None:
        """Write beside a point, ``dy`` pixels below it."""
        x, y = self._at(point)
        self._add(
            '<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>',
            x=x,
            y=y + dy,
            anchor=anchor,
            text=text,
        )

    def axes(
        self,
        x_ticks: Sequence[tuple[float, str]],
        y_ticks: Sequence[tuple[float, str]],
        titles: tuple[str, str],
    ) -> None:
        """Draw the grid, its numbers and the titles of both scales."""
        for value, name in y_ticks:
            self.line([(self.x[0], value), (self.x[1], value)], "grid")
            x, y = self._at((self.x[0], value))
            self._add(
                '<text x="{x}" y="{y}" class="end">{name}</text>', x=x - 7, y=y + 4, name=name
            )
        for value, name in x_ticks:
            self.line([(value, self.y[0]), (value, self.y[1])], "grid")
            self.text((value, self.y[0]), name, dy=18)
        middle = (self.x[0] + self.x[1]) / 2
        self.text((middle, self.y[0]), titles[0], dy=38)
        _, y = self._at((self.x[0], (self.y[0] + self.y[1]) / 2))
        self._add(
            '<text class="title" transform="translate(14 {y}) rotate(-90)">{title}</text>',
            y=y,
            title=titles[1],
        )

    def svg(self, label: str) -> Markup:
        """Return the drawing; ``label`` describes it in words."""
        return Markup(
            '<svg class="plot" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
            'aria-label="{label}">{marks}</svg>'
        ).format(w=self.width, h=self.height, label=label, marks=Markup("").join(self._marks))

    def _path(self, points: Iterable[Point]) -> Markup:
        return escape(" ".join(f"{x},{y}" for x, y in map(self._at, points)))


def interval_strip(
    value: float,
    ci95: tuple[float, float],
    scale: tuple[float, float] = (0.0, 1.0),
    reference: float | None = None,
) -> Markup:
    """Return a drawing of one figure as a dot with its interval, for the cell of a table.

    It repeats the numbers beside it, so it is hidden from screen readers.

    Args:
        value: the figure.
        ci95: its interval.
        scale: the values at both ends.
        reference: a value to compare with, drawn as an upright line.
    """
    plot = Plot(x=scale, y=(0, 1), width=180, height=20, margin=(6, 2, 6, 2))
    plot.line([(scale[0], 0.5), (scale[1], 0.5)], "track")
    if reference is not None:
        plot.line([(reference, 0), (reference, 1)], "reference")
    low, high = (min(max(end, scale[0]), scale[1]) for end in ci95)
    plot.line([(low, 0.5), (high, 0.5)], "interval")
    plot.dot((min(max(value, scale[0]), scale[1]), 0.5), "value")
    return Markup('<svg class="strip" viewBox="0 0 180 20" aria-hidden="true">{}</svg>').format(
        Markup("").join(plot._marks)
    )
