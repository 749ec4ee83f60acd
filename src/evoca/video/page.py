"""A timeline as one HTML page: the film, its chart under it, and its shots; a click goes there."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from evoca.report.build import write_page
from evoca.report.page import page_parts
from evoca.report.payload import as_script_text, permille
from evoca.video.chart import PLACES, chart_svg, clock
from evoca.video.timelines import Shot, Timeline
from evoca.words import counted

__all__ = ["PLAYED", "write_timeline_page"]

PLAYED = frozenset({".mp4", ".m4v", ".mov", ".webm", ".ogv", ".ogg"})
"""How names of films end that browsers play as a rule; the codec inside decides."""
_MOST_SHOTS = 1_000


def write_timeline_page(
    timeline: Timeline, out: Path, film: Path, *, smooth: float, scenes: bool = False
) -> int:
    """Write a page that opens offline, and return its size in bytes.

    It plays the film where that is of a kind that browsers play, from where it lies: both keep
    their place to each other.

    Args:
        timeline: of the film, made with ``TimelineSettings.key_frames`` for pictures of shots.
        out: the page; it appears only when it is complete.
        film: the file.
        smooth: the seconds that the timeline was smoothed with.
        scenes: whether one frame a shot was predicted.

    Raises:
        EvocaError: it cannot be written.
    """
    shown = timeline.shots
    if len(shown) > _MOST_SHOTS:
        shown = tuple(shot for shot in shown if shot.picture)[:_MOST_SHOTS]
    left_out = len(timeline.shots) - len(shown)
    name = timeline.path.replace("\\", "/").rpartition("/")[2]
    content = {
        "title": f"{name} – Evoca film timeline",
        "heading": name,
        "lead": _lead(timeline),
        "notes": _notes(timeline, film),
        "source": _address(film, out) if film.suffix.lower() in PLAYED else None,
        "labels": timeline.labels,
        "seconds": timeline.seconds,
        "chart": chart_svg(timeline, styled=False),
        "smoothing": _smoothing(smooth, scenes=scenes),
        "has_affect": timeline.affect is not None,
        "shots": [_shot(timeline, shot) for shot in shown],
        "left_out": f"The {len(shown):,} longest of {len(timeline.shots):,}." if left_out else "",
        "has_pictures": any(shot.picture for shot in shown),
        "payload": as_script_text(_data(timeline)),
        "pictures": [],
    }
    return write_page(out, page_parts(content, "timeline"))


def _lead(timeline: Timeline) -> str:
    model = timeline.model.card.name
    prior = timeline.model.point.prior
    under = "" if prior is None else f", for {prior.name} class frequencies"
    frames = counted(len(timeline), "frame")
    shots = counted(len(timeline.shots), "shot")
    return f"{clock(timeline.seconds)} in {shots}; {frames} predicted by the model {model}{under}."


def _notes(timeline: Timeline, film: Path) -> list[str]:
    notes = list(timeline.facts.notes)
    notes += timeline.faults
    if film.suffix.lower() not in PLAYED:
        notes.append("Browsers do not play films of this kind; the timeline works without it.")
    return notes


def _smoothing(smooth: float, *, scenes: bool) -> str:
    if scenes:
        return "One frame of each shot was predicted, the one nearest its middle."
    if smooth <= 0:
        return "Nothing is smoothed over time."
    return (
        f"Neighbouring frames of the same shot are averaged, those within about {smooth:g} s of "
        "each other most."
    )


def _address(film: Path, out: Path) -> str:
    """Return the film's address seen from the page."""
    try:
        relative = os.path.relpath(film.absolute(), out.absolute().parent)
    except ValueError:  # another drive of Windows
        return film.absolute().as_uri()
    return quote(relative.replace(os.sep, "/").encode("utf-8", "surrogateescape"))


def _shot(timeline: Timeline, shot: Shot) -> dict[str, object]:
    prediction = timeline.shot_prediction(shot)
    width, height = timeline.facts.width, timeline.facts.height
    return {
        "number": shot.number,
        "start": clock(shot.start),
        "length": f"{shot.end - shot.start:.1f} s",
        "emotion": prediction.emotion,
        "share": f"{prediction.confidence:.0%}",
        "picture": shot.picture,
        "width": 160,
        "height": max(1, round(160 * height / width)),
    }


def _data(timeline: Timeline) -> dict[str, object]:
    affect = timeline.smoothed_affect
    return {
        "seconds": round(timeline.seconds, 3),
        "labels": timeline.labels,
        "times": timeline.times.round(3).tolist(),
        "permille": [permille(row) for row in timeline.smoothed],
        "affect": None if affect is None else affect.round(2).tolist(),
        "starts": [round(shot.start, 3) for shot in timeline.shots],
        "firstRows": [shot.rows.start for shot in timeline.shots],
        "places": PLACES,
    }
