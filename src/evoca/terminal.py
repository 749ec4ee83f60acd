"""Predictions as tables with bars, in colour on a terminal and plain elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from evoca.emotions import style_of
from evoca.errors import single_line as clean  # what is printed and what errors say alike

if TYPE_CHECKING:
    from evoca.prediction import Prediction

__all__ = ["clean", "console_for", "detailed", "heading", "one_line", "say"]

_BAR = 28
_STRIP = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PLAIN_WIDTH = 200  # where no terminal sets a width, names are not cut


def console_for(stream: str = "stdout") -> Console:
    """Return a console for standard output or standard error.

    Colour only on a terminal and without ``NO_COLOR``; full width elsewhere.
    """
    file = sys.stdout if stream == "stdout" else sys.stderr
    width = None if file.isatty() else _PLAIN_WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Print a line on standard error; names and servers cannot steer the terminal."""
    sys.stdout.flush()  # where both streams go to one file, the order stays
    print(clean(text), file=sys.stderr, flush=True)


def _unicode(console: Console) -> bool:
    return not console.options.ascii_only


def _glyph(label: str, console: Console) -> Text:
    style = style_of(label)
    return Text(style.glyph if _unicode(console) else style.ascii, style=style.colour)


def _bar(share: float, width: int, label: str, console: Console) -> Text:
    """Draw a bar with a resolution of an eighth of a character."""
    if not _unicode(console):
        return Text("#" * round(share * width))
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return Text("█" * full + (_EIGHTHS[rest] if rest else ""), style=style_of(label).colour)


def _strip(prediction: Prediction, console: Console) -> Text:
    """Draw the whole distribution as one line of coloured cells, most likely first."""
    ranked = prediction.ranked()
    cells = [int(p * _STRIP) for _, p in ranked]
    by_loss = sorted(range(len(ranked)), key=lambda i: cells[i] - ranked[i][1] * _STRIP)
    for i in by_loss[: _STRIP - sum(cells)]:
        cells[i] += 1
    strip = Text()
    for (label, _), count in zip(ranked, cells, strict=True):
        style = style_of(label)
        glyph = style.glyph if _unicode(console) else style.ascii
        strip.append(glyph * count, style=style.colour)
    return strip


def _headline(prediction: Prediction, console: Console) -> Text:
    line = Text()
    line.append_text(_glyph(prediction.emotion, console))
    line.append(f" {prediction.emotion} {prediction.confidence:.0%}", style="bold")
    if prediction.positive is not None and prediction.polarity is not None:
        share = max(prediction.positive, 1 - prediction.positive)
        line.append(f"  {prediction.polarity} {share:.0%}", style="dim")
    return line


def detailed(prediction: Prediction, console: Console, top: int | None) -> Text:
    """Lay out one prediction: a headline and a bar for each emotion.

    Args:
        prediction: what to show.
        console: decides between glyphs and ASCII.
        top: show only this many emotions.
    """
    lines = [
        Text(clean(prediction.path or "image"), style="bold underline"),
        _headline(prediction, console),
    ]
    for label, probability in prediction.ranked()[:top]:
        quiet = "" if label in prediction.prediction_set else "dim"
        line = Text("  ").append_text(_glyph(label, console))
        line.append(f" {label:<12}{probability:6.1%} ", style=quiet)
        lines.append(line.append_text(_bar(probability, _BAR, label, console)))
    lines.append(Text("  plausible: " + ", ".join(prediction.prediction_set), style="dim"))
    lines += [Text(f"  note: {warning}", style="yellow") for warning in prediction.warnings]
    return Text("\n").join([*lines, Text()])


def heading(name_width: int) -> Text:
    """Return the line above the lines of :func:`one_line`."""
    columns = ("image".ljust(name_width), f"{'emotion':<18}", "distribution".ljust(_STRIP))
    return Text("  ".join((*columns, "positive", "plausible")), style="dim")


def one_line(prediction: Prediction, console: Console, name_width: int) -> Text:
    """Lay out one prediction as a line, for lists that are longer than a few images.

    Args:
        prediction: what to show.
        console: decides between glyphs and ASCII.
        name_width: terminal columns for the name, which is cut on the left to fit.
    """
    name = clean(prediction.path or "image")
    line = (
        Text(_fit(name, name_width)).append("  ").append_text(_glyph(prediction.emotion, console))
    )
    line.append(f" {prediction.emotion:<11} ", style="bold")
    line.append(f"{prediction.confidence:4.0%}  ").append_text(_strip(prediction, console))
    positive = "" if prediction.positive is None else f"{prediction.positive:.0%}"
    line.append(f"  {positive:>8}  ").append(", ".join(prediction.prediction_set), style="dim")
    for warning in prediction.warnings:
        line.append(f"  ({warning})", style="yellow")
    return line


def _fit(name: str, width: int) -> str:
    """Cut the start of a name and pad it to a width in cells.

    >>> _fit("a/very/long/way/to/photo.jpg", 15)
    '...to/photo.jpg'
    """
    while cell_len(name) > width:
        name = "..." + name.removeprefix("...")[1:]
    return name + " " * (width - cell_len(name))
