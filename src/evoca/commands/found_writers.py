"""What ``evoca find`` writes: paths, a table, JSON, CSV, a contact sheet, a page."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from evoca.collection.search import ENTROPY, SIMILARITY, Found
from evoca.collection.sheet import MOST_ON_SHEET, write_sheet
from evoca.commands.prediction_writers import written
from evoca.commands.progress import is_quiet
from evoca.commands.terminal import clean, columns_for, console_for, heading, one_line, say
from evoca.errors import ImageError, visible_json
from evoca.images.preprocess import shrunk
from evoca.images.sources import open_picture
from evoca.prediction import Prediction
from evoca.runtime.tables import row_prediction

__all__ = ["draw_page", "draw_sheet", "print_csv", "print_json", "print_paths", "print_table"]


def print_paths(found: Found, end: str) -> None:
    """Print a path a line, or each with another end; as they are, except on a terminal."""
    shown = clean if sys.stdout.isatty() else str
    _for_programs()
    for path in found.paths():
        sys.stdout.write(shown(path) + end)


def print_csv(found: Found) -> None:
    """Print the rows as CSV, with the columns of the table."""
    _for_programs()
    on_terminal = sys.stdout.isatty()
    writer = csv.DictWriter(sys.stdout, found.columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in found:
        if on_terminal:
            row = {key: clean(v) if isinstance(v, str) else v for key, v in row.items()}
        writer.writerow(row)


def print_json(found: Found) -> None:
    """Print the rows as one array, an object a line, with the columns that have a value."""
    _for_programs()
    before = "[\n"
    for row in found:
        item = {name: value for name, value in row.items() if _is_value(value)}
        if "prediction_set" in item:
            with suppress(ValueError):  # not a list, as Evoca writes it: shown as it is
                item["prediction_set"] = json.loads(item["prediction_set"])
        text = visible_json(json.dumps(item, ensure_ascii=False))
        sys.stdout.write(before + text)
        before = ",\n"
    sys.stdout.write("\n]\n" if before == ",\n" else "[\n]\n")


def _is_value(cell: object) -> bool:
    """Return whether a cell can stand in JSON, which has no infinite numbers."""
    return cell is not None and not (isinstance(cell, float) and not math.isfinite(cell))


def _for_programs() -> None:
    # Programs read this: UTF-8, whatever the locale is.
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]


def print_table(found: Found) -> None:
    """Print a line per image, as ``evoca predict`` does."""
    console = console_for()
    columns = columns_for(console, found.longest_path())
    console.print(heading(columns), soft_wrap=not console.is_terminal)
    for row in found:
        predicted = row_prediction(row, found.tags.labels)
        if isinstance(predicted, ImageError):
            console.print(clean(str(predicted)), soft_wrap=not console.is_terminal)
            continue
        line = one_line(predicted, console, columns)
        console.print(line, soft_wrap=not console.is_terminal)


def draw_sheet(found: Found, sheet: Path, count: int) -> int:
    """Write a contact sheet, say what it holds, and return how many images it lacks."""
    shown = replace(found, limit=min(found.limit or MOST_ON_SHEET, MOST_ON_SHEET))
    unread = write_sheet(iter(shown), found.tags, sheet)
    _say_written(sheet, min(count, shown.limit or count), count, unread)
    return unread


def draw_page(found: Found, html: Path, count: int, expression: str) -> int:
    """Write a page to browse, say what it holds, and return how many images it lacks."""
    from evoca.report.build import MOST_IMAGES
    from evoca.report.prediction_page import PredictionPage

    shown = replace(found, limit=min(found.limit or MOST_IMAGES, MOST_IMAGES))
    page = PredictionPage(found.tags.labels, expected=min(count, shown.limit or count))
    unread = 0
    for predicted in _with_pictures(shown, page.side):
        unread += isinstance(predicted, ImageError)
        page.add(predicted)
    page.write(html, about=_about(found, expression))
    _say_written(html, min(count, shown.limit or count), count, unread)
    return unread


def _with_pictures(found: Found, side: int) -> Iterator[Prediction | ImageError]:
    for row in found:
        predicted = row_prediction(row, found.tags.labels)
        if isinstance(predicted, Prediction):
            try:
                file = found.tags.file_of(predicted.path or "")
                picture = open_picture(file, min_size=(side, side)).image
            except ImageError as error:
                yield error
                continue
            predicted = replace(predicted, picture=shrunk(picture, side))
        yield predicted


def _about(found: Found, expression: str) -> str:
    """Return a sentence on which images a page holds, and in which order."""
    parts = [f"found by {expression.strip()}"] if expression.strip() else []
    name = "" if found.order is None else found.order.name
    parts += {ENTROPY: ["the most divided first"], SIMILARITY: ["the most similar first"]}.get(
        name, []
    )
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _say_written(out: Path, shown: int, count: int, unread: int) -> None:
    if is_quiet():
        return
    line = written(out, shown, out.stat().st_size, "image")
    if count > shown:
        line += f", the first of {count:,}"
    if unread:
        line += f"; {unread:,} could not be read"
    say(f"evoca: {line}")
