"""Predictions as tables with bars, in colour on a terminal and plain elsewhere."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from evoca.emotions import style_of
from evoca.errors import single_line as clean  # for printed text and error messages alike
from evoca.priors import TRAINED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evoca.data.manifest.labelled import LabelledImages
    from evoca.data.manifest.table import Manifest
    from evoca.prediction import Prediction

__all__ = [
    "Columns",
    "clean",
    "columns_for",
    "console_for",
    "detailed",
    "duration",
    "emotion_bar",
    "heading",
    "indented",
    "label_lines",
    "one_line",
    "say",
    "say_left_out",
]

_BAR = 28
_STRIP, _STRIP_LEAST = 24, 8
_NAME_LEAST, _NAME_SHORT = 8, 16
_PLAUSIBLE, _PLAUSIBLE_LEAST = 44, 22  # four names; "sadness, amusement +4"
_EMOTION = 18  # glyph, name, percent
_POSITIVE, _POSITIVE_LEAST = len("positive"), len("100%")
_GAP = "  "
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PLAIN_WIDTH = 200  # where no terminal sets a width


def console_for(stream: str = "stdout") -> Console:
    """Return a console for standard output or standard error.

    Colour only on a terminal and without ``NO_COLOR``, or where ``FORCE_COLOR`` is set;
    full width elsewhere. ``FORCE_COLOR=0`` turns it off, though Rich takes any value.
    """
    file = sys.stdout if stream == "stdout" else sys.stderr
    plain = os.environ.get("FORCE_COLOR", "").strip().lower() in {"0", "false", "no"}
    return Console(
        file=file,
        width=None if file.isatty() else _PLAIN_WIDTH,
        force_terminal=file.isatty() if plain else None,
        no_color=True if plain else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def indented(line: str, by: int = 2) -> None:
    """Print a line on standard output, indented; on a terminal each part of it, broken to fit."""
    console = console_for()
    text = Text(clean(line))
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, by)))
    else:
        console.print(Text(" " * by) + text, soft_wrap=True)


def say(text: str) -> None:
    """Print a line on standard error; names and servers cannot control the terminal."""
    sys.stdout.flush()  # where both streams go to one file, the order stays
    print(clean(text), file=sys.stderr, flush=True)


def say_left_out(data: Manifest | LabelledImages) -> None:
    """Print in a line on standard error which files of a folder are no rows, and why."""
    if data.left_out:
        say(f"evoca: {data.source}: {data.left_out}")


def _unicode(console: Console) -> bool:
    return not console.options.ascii_only


def _glyph(label: str, console: Console) -> Text:
    style = style_of(label)
    return Text(style.glyph if _unicode(console) else style.ascii, style=style.colour)


def _bar(share: float, width: int, label: str, console: Console) -> Text:
    """Return a bar with a resolution of an eighth of a character."""
    if not _unicode(console):
        return Text("#" * round(share * width))
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return Text("█" * full + (_EIGHTHS[rest] if rest else ""), style=style_of(label).colour)


def _strip(prediction: Prediction, console: Console, width: int) -> Text:
    """Return the whole distribution as one line of coloured cells, most likely first."""
    ranked = prediction.ranked()
    cells = [int(p * width) for _, p in ranked]
    by_loss = sorted(range(len(ranked)), key=lambda i: cells[i] - ranked[i][1] * width)
    for i in by_loss[: width - sum(cells)]:
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
    """Return one prediction as text: a headline and a bar for each emotion.

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
        bar = max(0, min(_BAR, console.width - line.cell_len))
        lines.append(line.append_text(_bar(probability, bar, label, console)))
    lines += _wrapped("plausible: " + ", ".join(prediction.prediction_set), "dim", console)
    if prediction.affect_in_words:
        lines += _wrapped(", ".join(prediction.affect_in_words), "dim", console)
    if prediction.prior is not None and prediction.prior.name != TRAINED:
        lines += _wrapped(f"prior: {clean(prediction.prior.name)}", "dim", console)
    for warning in prediction.warnings:
        lines += _wrapped(f"note: {warning}", "yellow", console)
    return Text("\n").join([*lines, Text()])


def emotion_bar(label: str, share: float, console: Console, count: str = "") -> Text:
    """Return the start of a line for a label: its glyph and name, a count, its share, a bar."""
    line = Text("  ").append_text(_glyph(label, console))
    line.append(f" {label:<12}{count} {share:6.1%} ")
    bar = max(0, min(_BAR, console.width - line.cell_len))
    return line.append_text(_bar(share, bar, label, console))


def label_lines(counts: Mapping[str, int], console: Console) -> list[Text]:
    """Return a line for each label, the commonest first: its number of images, and a bar."""
    total = max(1, sum(counts.values()))
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    return [emotion_bar(label, n / total, console, f"{n:>10,}") for label, n in ranked]


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(3.21), duration(192.4), duration(4 * 3600 + 61)
    ('3.2 s', '3 min 12 s', '4 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _wrapped(text: str, style: str, console: Console) -> list[Text]:
    """Return a text as indented lines on a terminal; elsewhere as one line."""
    if not console.is_terminal:
        return [Text(f"  {text}", style=style)]
    lines = Text(text, style=style).wrap(console, max(1, console.width - 4))
    for line in lines:
        line.rstrip()
    return [Text("    " if i else "  ").append_text(line) for i, line in enumerate(lines)]


@dataclass(frozen=True)
class Columns:
    """Widths of a table with one line per image, in terminal columns.

    Attributes:
        name: of the image's name.
        cut: whether a longer name is cut; if not it pushes the others.
        strip: of the distribution, 0 where there is no room for it.
        positive: of the summed probability of the positive emotions.
        plausible: of the prediction set, ``None`` where all of it is printed.
    """

    name: int
    cut: bool = False
    strip: int = _STRIP
    positive: int = _POSITIVE
    plausible: int | None = None


def columns_for(console: Console, longest_name: int) -> Columns:
    """Return the widths that fit a terminal: the strip is cut first, then names.

    Args:
        console: elsewhere than on a terminal nothing is cut.
        longest_name: terminal columns of the longest name.
    """
    gap = len(_GAP)
    width = max(_NAME_LEAST, min(longest_name, console.width // 3))
    if not console.is_terminal:
        return Columns(width)
    room = console.width - _EMOTION - gap - _POSITIVE - gap - gap
    strip = min(_STRIP, room - width - _PLAUSIBLE - gap)
    if strip >= _STRIP_LEAST:
        return Columns(width, True, strip, _POSITIVE, room - width - strip - gap)
    room += _POSITIVE - _POSITIVE_LEAST
    strip = _STRIP_LEAST
    if room - strip - gap - _PLAUSIBLE_LEAST < min(width, _NAME_SHORT):
        strip = gap = 0
    name = max(_NAME_LEAST, min(width, room - strip - gap - _PLAUSIBLE_LEAST))
    return Columns(name, True, strip, _POSITIVE_LEAST, max(1, room - name - strip - gap))


def heading(columns: Columns) -> Text:
    """Return the line above the lines of :func:`one_line`."""
    titles = ["image".ljust(columns.name), "emotion".ljust(_EMOTION)]
    if columns.strip:
        title = "distribution" if columns.strip >= len("distribution") else "shares"
        titles.append(title.ljust(columns.strip))
    titles.append("positive" if columns.positive == _POSITIVE else "pos.")
    return Text(_GAP.join([*titles, "plausible"]), style="dim")


def one_line(prediction: Prediction, console: Console, columns: Columns) -> Text:
    """Return one prediction as a line, for lists that are longer than a few images.

    A warning that does not fit takes a line of its own.

    Args:
        prediction: what to show.
        console: decides between glyphs and ASCII.
        columns: their widths.
    """
    line = Text(_fit(clean(prediction.path or "image"), columns)).append(_GAP)
    line.append_text(_glyph(prediction.emotion, console))
    line.append(f" {prediction.emotion:<11} ", style="bold")
    line.append(f"{prediction.confidence:4.0%}")
    if columns.strip:
        line.append(_GAP).append_text(_strip(prediction, console, columns.strip))
    positive = "" if prediction.positive is None else f"{prediction.positive:.0%}"
    line.append(f"{_GAP}{positive:>{columns.positive}}{_GAP}")
    line.append(_plausible(prediction.prediction_set, columns.plausible), style="dim")
    for warning in prediction.warnings:
        fits = not console.is_terminal or line.cell_len + len(warning) + 4 <= console.width
        line.append(f"{_GAP}({warning})" if fits else f"\n{_GAP}note: {warning}", style="yellow")
    return line


def _plausible(labels: tuple[str, ...], width: int | None) -> str:
    """Return the labels of a prediction set, and the count of those without room.

    >>> _plausible(("anger", "amusement", "excitement"), 20)
    'anger, amusement +1'
    >>> _plausible(("contentment", "excitement"), 8)
    '2 labels'
    """
    for kept in range(len(labels), 0, -1):
        rest = f" +{len(labels) - kept}" if kept < len(labels) else ""
        text = ", ".join(labels[:kept]) + rest
        if width is None or len(text) <= width:
            return text
    return f"{len(labels)} labels"


def _fit(name: str, columns: Columns) -> str:
    """Return a name padded to a width in cells, its start cut where it must be.

    >>> _fit("a/very/long/way/to/photo.jpg", Columns(15, cut=True))
    '...to/photo.jpg'
    >>> _fit("a/very/long/way/to/photo.jpg", Columns(15))
    'a/very/long/way/to/photo.jpg'
    """
    while columns.cut and cell_len(name) > columns.name:
        name = "..." + name.removeprefix("...")[1:]
    return name + " " * (columns.name - cell_len(name))
