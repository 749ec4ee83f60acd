"""What ``evoca predict`` writes: a table, JSON, CSV, files of them, explained pictures, a page."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from evoca.adapters.huggingface import TOP_K, labels_and_scores
from evoca.commands.terminal import clean, columns_for, console_for, detailed, heading, one_line
from evoca.drafts import drafted, uninterrupted
from evoca.errors import EvocaError, ImageError, visible_json
from evoca.images.walk import EXPLAINED_SUFFIX, printable_name
from evoca.inputs import RemoteImage, Source
from evoca.prediction import Prediction
from evoca.tagger.table_file import CsvTable, JsonLinesTable, Predicted, Writer
from evoca.words import counted

__all__ = [
    "Gallery",
    "Ordered",
    "Page",
    "printing",
    "written",
]


_DETAILED_UP_TO = 4


def printing(output: str, labels: Sequence[str], inputs: list[Source], top: int | None) -> Writer:
    """Return what prints predictions on standard output in a format."""
    if output == "table":
        return _TableWriter(inputs, top)
    # Programs read this: UTF-8, whatever the locale is.
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    if output == "json":
        return _JsonWriter(_object)
    if output == "hf":
        return _JsonWriter(partial(labels_and_scores, top_k=top or TOP_K))
    if output == "jsonl":
        return JsonLinesTable(sys.stdout)
    # A file keeps names as they are; a terminal would interpret them.
    return CsvTable(sys.stdout, labels, shown=clean if sys.stdout.isatty() else None)


class _TableWriter:
    def __init__(self, inputs: list[Source], top: int | None) -> None:
        self._console = console_for()
        self._top = top
        given = [i.url if isinstance(i, RemoteImage) else i for i in inputs]
        names = [cell_len(clean(printable_name(i))) for i in given if not isinstance(i, ImageError)]
        self._detailed = len(names) <= _DETAILED_UP_TO or top is not None
        self._columns = columns_for(self._console, max(names, default=0))
        self._headed = self._detailed

    def add(self, predicted: Predicted) -> None:
        if isinstance(predicted, ImageError):
            return
        if not self._headed:  # with the first line: where lines are sorted, they come late
            self._print(heading(self._columns))
            self._headed = True
        if self._detailed:
            self._print(detailed(predicted, self._console, self._top))
        else:
            self._print(one_line(predicted, self._console, self._columns))

    def _print(self, what: Any) -> None:
        # Laid out to fit a terminal; a pipe gets every line whole.
        self._console.print(what, soft_wrap=not self._console.is_terminal)

    def close(self) -> None:
        pass


class Ordered:
    """Holds the predictions, and passes them on in an order once all are there, errors last."""

    def __init__(self, writer: Writer, sort: str | None) -> None:
        self._writer, self._sort = writer, sort
        self._held: list[Prediction] = []
        self._errors: list[ImageError] = []

    def add(self, predicted: Predicted) -> None:
        """Hold a prediction, or an error."""
        if isinstance(predicted, ImageError):
            self._errors.append(predicted)
        else:
            # Maps and features of many images would fill the memory.
            self._held.append(replace(predicted, evidence=None, embedding=None, picture=None))

    def close(self) -> None:
        """Write everything, errors last; nothing where an error ends the command."""
        with closing(self._writer):
            if sys.exc_info()[0] is not None:
                return
            for prediction in sorted(self._held, key=self._key):
                self._writer.add(prediction)
            for error in self._errors:
                self._writer.add(error)

    def _key(self, prediction: Prediction) -> float:
        if self._sort is None:
            return 0.0  # a stable sort keeps the order of the inputs
        if self._sort == "doubt":
            return sum(p * math.log(p) for p in prediction.probabilities.values() if p > 0)
        if self._sort == "polarity":
            return -(prediction.positive or 0.0)
        return -prediction.probabilities[self._sort]


class _JsonWriter:
    """One array, one item per line; printed as predictions come, complete when closed."""

    def __init__(self, item: Callable[[Predicted], Any]) -> None:
        self._item = item
        self._before = "[\n"

    def add(self, predicted: Predicted) -> None:
        text = visible_json(json.dumps(self._item(predicted), ensure_ascii=False, allow_nan=False))
        with uninterrupted():
            sys.stdout.write(self._before + text)
            self._before = ",\n"

    def close(self) -> None:
        with uninterrupted():
            sys.stdout.write("\n]\n" if self._before == ",\n" else "[\n]\n")


def _object(predicted: Predicted) -> dict[str, Any]:
    if isinstance(predicted, ImageError):
        return {"path": predicted.source, "error": predicted.cause}
    return predicted.to_dict()


class Gallery:
    """Writes explained pictures into a folder, never two under one name."""

    def __init__(self, folder: Path, label: str | None = None) -> None:
        """Make the folder; ``label`` is whose evidence is drawn, the likeliest's if omitted."""
        self._folder, self._label = folder, label
        self._taken: set[str] = set()
        self._size = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(folder, error) from error

    def add(self, prediction: Prediction, source: Source) -> None:
        """Draw and write one picture, which the prediction holds."""
        assert not isinstance(source, ImageError)
        target = self._folder / self._name(source)
        try:
            with drafted(target) as draft:
                prediction.to_image(label=self._label).save(draft, "PNG")
            self._size += target.stat().st_size
        except OSError as error:
            raise self._failure(target, error) from error

    def said(self) -> str:
        """Return in a line what was written."""
        return written(self._folder, len(self._taken), self._size, "picture")

    def _name(self, source: Path | RemoteImage) -> str:
        # Long names are cut so that the suffix still fits the file system's limit.
        stem = printable_name(source.name).encode()[:200].decode(errors="ignore")
        name, number = f"{stem}{EXPLAINED_SUFFIX}", 2
        while name in self._taken:
            name, number = f"{stem}-{number}{EXPLAINED_SUFFIX}", number + 1
        self._taken.add(name)
        return name

    @staticmethod
    def _failure(path: Path, error: OSError) -> EvocaError:
        reason = error.strerror or str(error)
        return EvocaError(f"--explain {printable_name(path)}: cannot be written: {reason}")


class Page:
    """One HTML page of the predictions; needs no network and no other file."""

    def __init__(self, out: Path, labels: Sequence[str], expected: int) -> None:
        from evoca.report.prediction_page import PredictionPage

        self._out = out
        self._page = PredictionPage(labels, expected=expected)
        self.side = self._page.side

    def add(self, predicted: Predicted) -> None:
        """Add a prediction with its picture, or an error."""
        self._page.add(predicted)

    def write(self, order: str | None) -> str:
        """Write the page, and return in a line what was written."""
        built = self._page.write(self._out, order=order)
        return "; ".join([written(self._out, built.images, built.size, "image"), *built.notes])


def written(place: Path, count: int, size: int, what: str) -> str:
    """Return where something was written and how much.

    >>> written(Path("page.html"), 1204, 18_300_000, "image")
    'page.html: 1,204 images, 18.3 MB'
    """
    return f"{printable_name(place)}: {counted(count, what)}, {size / 1e6:.1f} MB"
