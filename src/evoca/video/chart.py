"""The chart of a timeline as one SVG: emotions over time, valence, shots and key frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from evoca.emotions import Polarity, label_polarity, style_of
from evoca.report.build import write_page
from evoca.video.timelines import Shot, Timeline
from evoca.words import counted

__all__ = ["PLACES", "chart_svg", "clock", "write_chart"]

Floats = NDArray[np.float64]

_WIDTH, _LEFT, _RIGHT = 1200, 74, 16
_PICTURES, _STREAM, _AFFECT, _AXIS, _LEGEND = 66, 260, 90, 26, 34
_TOP, _GAP = 30, 12
# A line for each pixel and half is finer than eyes and screens resolve.
_MOST_POINTS = 800
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 12
# Between shots so short that their lines would fill the chart, none is drawn.
_LEAST_SHOT = 3.0

_STYLE = """
text{font:13px system-ui,sans-serif;fill:#1d1e21}
.quiet{fill:#5c5f66}.title{font-size:16px;font-weight:600}
.ground{fill:#fff}.frame{fill:none;stroke:#d9d7d1}.grid{stroke:#d9d7d1}
.cut{stroke:#fff;stroke-opacity:.75}.cut-low{stroke:#85827a;stroke-opacity:.5}
.valence{fill:none;stroke:#1d1e21;stroke-width:2}
.arousal{fill:none;stroke:#85827a;stroke-width:2;stroke-dasharray:5 4}
@media (prefers-color-scheme:dark){text{fill:#edecea}.quiet{fill:#a9adb5}.ground{fill:#17181b}
.frame,.grid{stroke:#3b3e45}.cut{stroke:#17181b}.valence{stroke:#edecea}}
"""
PLACES = {"width": _WIDTH, "left": _LEFT, "right": _WIDTH - _RIGHT}
"""Where the scale of time begins and ends in the chart, for scripts."""


def clock(seconds: float) -> str:
    """Return a time as a player shows it.

    >>> clock(0), clock(75.4), clock(3_725)
    ('0:00', '1:15', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def write_chart(timeline: Timeline, out: Path) -> int:
    """Write the chart of a timeline as an SVG file, and return its size in bytes.

    Raises:
        EvocaError: it cannot be written.
    """
    return write_page(out, [chart_svg(timeline)])


@dataclass(frozen=True)
class _Scale:
    """Seconds to the horizontal place."""

    seconds: float

    def __call__(self, time: float) -> float:
        share = time / self.seconds if self.seconds > 0 else 0.0
        return round(_LEFT + min(1.0, max(0.0, share)) * (_WIDTH - _LEFT - _RIGHT), 2)


def chart_svg(timeline: Timeline, *, styled: bool = True) -> Markup:
    """Return the chart of a timeline, in one SVG without addresses or scripts.

    From the top: key frames, where their pictures were kept; the smoothed distribution, stacked,
    positive emotions below and negative ones above, in the fixed colours, white lines at the cuts;
    under it predicted valence and arousal, or, of a model without them, the sum over the positive
    emotions. Every step of a shot is drawn over the time its rows stand for.

    Args:
        timeline: of a film; for key frames, made with ``TimelineSettings.key_frames``.
        styled: with its own style; without, the page it is in has it.
    """
    scale = _Scale(timeline.seconds)
    has_pictures = any(shot.picture for shot in timeline.shots)
    top = _TOP + (_PICTURES + _GAP if has_pictures else 0)
    low = top + _STREAM + _GAP
    bottom = low + _AFFECT
    height = bottom + _AXIS + _LEGEND
    parts = [
        Markup('<rect class="ground" width="{}" height="{}"/>').format(_WIDTH, height),
        Markup('<text class="title" x="{}" y="20">{}</text>').format(_LEFT, _title(timeline)),
        *(_key_frames(timeline, scale, _TOP) if has_pictures else ()),
        *_stream(timeline, scale, top),
        *_lower(timeline, scale, low),
        *_cuts(timeline, scale, top, low),
        *_axis(timeline, scale, top, bottom),
        *_legend(timeline, bottom + _AXIS + 18),
    ]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        'class="timeline" role="img" aria-label="{label}">{style}{parts}</svg>\n'
    ).format(
        w=_WIDTH,
        h=height,
        label=_in_words(timeline),
        style=Markup(f"<style>{_STYLE}</style>" if styled else ""),  # noqa: S704 - our own
        parts=Markup("\n").join(parts),
    )


def _title(timeline: Timeline) -> str:
    name = timeline.path.replace("\\", "/").rpartition("/")[2]
    shots = counted(len(timeline.shots), "shot")
    return f"{name} – {clock(timeline.seconds)}, {shots}"


def _in_words(timeline: Timeline) -> str:
    shares = sorted(zip(timeline.labels, timeline.distribution, strict=True), key=lambda p: -p[1])
    most = ", ".join(f"{label} {share:.0%}" for label, share in shares[:3])
    return f"What {_title(timeline)} evokes over time; on the whole {most}"


def _steps(timeline: Timeline) -> list[tuple[Shot, Floats, NDArray[np.intp]]]:
    """Return each shot with the times and rows to draw: its rows, held to its two ends.

    Of a long film, each shot is thinned, to no fewer than one row.
    """
    found = []
    step = max(1, len(timeline) // _MOST_POINTS)
    for shot in timeline.shots:
        rows = np.arange(shot.rows.start, shot.rows.stop)
        rows = rows[len(rows) // 2 % step :: step] if len(rows) > step else rows[:1]
        times = np.concatenate([[shot.start], timeline.times[rows], [shot.end]])
        found.append((shot, times, np.concatenate([rows[:1], rows, rows[-1:]])))
    return found


def _stacked(labels: Sequence[str]) -> list[int]:
    """Return the labels from the bottom up: positive ones, then the others."""
    return sorted(range(len(labels)), key=lambda k: label_polarity(labels[k]) != Polarity.POSITIVE)


def _stream(timeline: Timeline, scale: _Scale, top: int) -> Iterable[Markup]:
    order = _stacked(timeline.labels)
    drawn: dict[int, list[str]] = {k: [] for k in order}
    for _, times, rows in _steps(timeline):
        shares = timeline.smoothed[rows][:, order]
        edges = np.concatenate([np.zeros((len(rows), 1)), shares.cumsum(axis=1)], axis=1)
        x = [scale(t) for t in times]
        for place, k in enumerate(order):
            under = [_point(a, top, _STREAM, e) for a, e in zip(x, edges[:, place], strict=True)]
            over = [_point(a, top, _STREAM, e) for a, e in zip(x, edges[:, place + 1], strict=True)]
            drawn[k].append(f"M{' '.join(over)} {' '.join(reversed(under))}Z")
    for k in order:
        label = timeline.labels[k]
        yield Markup('<path fill="{}" d="{}"><title>{}</title></path>').format(
            style_of(label).colour, "".join(drawn[k]), label
        )
    for share in (0.0, 0.5, 1.0):
        y = round(top + (1 - share) * _STREAM, 1)
        yield Markup('<text class="quiet" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _LEFT - 8, y + 4, f"{share:.0%}"
        )


def _point(x: float, top: int, height: int, share: float) -> str:
    return f"{x},{round(top + (1 - min(1.0, max(0.0, share))) * height, 1)}"


def _lower(timeline: Timeline, scale: _Scale, top: int) -> Iterable[Markup]:
    """Draw valence and arousal, or the share of positive emotions."""
    yield Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(
        _LEFT, top, _WIDTH - _LEFT - _RIGHT, _AFFECT
    )
    lines, low, high = _values(timeline)
    for i, (name, values) in enumerate(lines.items()):
        segments = []
        for _, times, rows in _steps(timeline):
            at = (values[rows] - low) / (high - low)
            points = [_point(scale(t), top, _AFFECT, v) for t, v in zip(times, at, strict=True)]
            segments.append(f"M{' '.join(points)}")
        css = ("valence", "arousal")[i]
        yield Markup('<path class="{}" d="{}"><title>{}</title></path>').format(
            css, "".join(segments), name
        )
        yield Markup('<text class="quiet" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _LEFT - 8, top + _AFFECT / 2 - 4 + 18 * i, name
        )
    for value, y in ((high, top + 10), (low, top + _AFFECT)):
        text = f"{value:.0%}" if high == 1.0 and low == 0.0 else f"{value:g}"
        yield Markup('<text class="quiet" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _LEFT - 8, y, text
        )


def _values(timeline: Timeline) -> tuple[dict[str, Floats], float, float]:
    """Return what is drawn under the stream, by name, and the ends of its scale."""
    scale = timeline.prediction(0).affect_range
    if timeline.smoothed_affect is not None and scale is not None:
        affect = timeline.smoothed_affect
        return {"valence": affect[:, 0], "arousal": affect[:, 1]}, *scale
    positive = [label_polarity(label) == Polarity.POSITIVE for label in timeline.labels]
    if not any(positive):
        return {}, 0.0, 1.0
    return {"positive": timeline.smoothed[:, positive].sum(axis=1)}, 0.0, 1.0


def _cuts(timeline: Timeline, scale: _Scale, top: int, low: int) -> Iterable[Markup]:
    last = scale(0.0)
    for shot in timeline.shots[1:]:
        x = scale(shot.start)
        if x - last < _LEAST_SHOT:
            continue
        last = x
        for css, y, height in (("cut", top, _STREAM), ("cut-low", low, _AFFECT)):
            yield Markup('<path class="{}" d="M{} {}v{}"/>').format(css, x, y, height)


def _axis(timeline: Timeline, scale: _Scale, top: int, bottom: int) -> Iterable[Markup]:
    yield Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(
        _LEFT, top, _WIDTH - _LEFT - _RIGHT, _STREAM
    )
    step = next((s for s in _STEPS if timeline.seconds / s <= _MOST_TICKS), 7200)
    for time in np.arange(0, timeline.seconds + 1e-6, step):
        yield Markup(
            '<path class="grid" d="M{x} {y}v5"/>'
            '<text class="quiet" x="{x}" y="{t}" text-anchor="middle">{time}</text>'
        ).format(x=scale(time), y=bottom, t=bottom + 20, time=clock(float(time)))


def _legend(timeline: Timeline, y: int) -> Iterable[Markup]:
    texts = [f"{label} {timeline.distribution[k]:.0%}" for k, label in enumerate(timeline.labels)]
    x = float(_LEFT)
    for k in _stacked(timeline.labels):
        yield Markup(
            '<rect x="{x}" y="{top}" width="12" height="12" rx="2" fill="{colour}"/>'
            '<text x="{after}" y="{y}">{text}</text>'
        ).format(
            x=round(x, 1),
            top=y - 11,
            colour=style_of(timeline.labels[k]).colour,
            after=round(x + 18, 1),
            y=y,
            text=texts[k],
        )
        x += (_WIDTH - _LEFT - _RIGHT) * (len(texts[k]) + 5) / sum(len(t) + 5 for t in texts)


def _key_frames(timeline: Timeline, scale: _Scale, top: int) -> Iterable[Markup]:
    """Draw as many key frames as fit, those of the longest shots first, at their time."""
    ratio = timeline.facts.width / timeline.facts.height
    width = min(3.0, max(0.4, ratio)) * _PICTURES
    free: list[tuple[float, float]] = []
    chosen: list[tuple[float, Shot]] = []
    for shot in sorted(timeline.shots, key=lambda one: one.start - one.end):
        middle = scale((shot.start + shot.end) / 2)
        x = min(max(middle - width / 2, _LEFT), _WIDTH - _RIGHT - width)
        if shot.picture is None or any(x < b + 4 and x + width + 4 > a for a, b in free):
            continue
        free.append((x, x + width))
        chosen.append((x, shot))
    for x, shot in sorted(chosen, key=lambda one: one[0]):
        emotion = timeline.shot_prediction(shot).emotion
        yield Markup(
            '<image x="{x}" y="{y}" width="{w}" height="{h}" href="data:image/jpeg;base64,{data}">'
            "<title>{title}</title></image>"
            '<rect x="{x}" y="{low}" width="{w}" height="4" fill="{colour}"/>'
        ).format(
            x=round(x, 1),
            y=top,
            w=round(width, 1),
            h=_PICTURES,
            data=shot.picture,
            low=top + _PICTURES,
            colour=style_of(emotion).colour,
            title=f"{clock(shot.start)}, {emotion}",
        )
