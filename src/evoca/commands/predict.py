"""``evoca predict``: images in, a table, JSON or CSV out, or a file of any of them."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TextIO

import typer
from rich.cells import cell_len

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    ModelOption,
    PriorOption,
    require_file_place,
)
from evoca.commands.priors import ESTIMATE, estimated
from evoca.commands.remote import Fetch, RemoteImage, is_address, local_path
from evoca.commands.terminal import clean, columns_for, console_for, detailed, heading, one_line
from evoca.drafts import drafted, uninterrupted
from evoca.errors import EvocaError, ImageError, visible_json
from evoca.images.sources import open_picture
from evoca.images.walk import EXPLAINED_SUFFIX, LeftOut, find_images, printable_name
from evoca.prediction import Prediction
from evoca.runtime.operating_point import PriorLike
from evoca.runtime.predictor import Predictor, load
from evoca.runtime.tables import number_columns, table_columns, table_row

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["app", "expand", "predict"]

app = command_app()


class PredictFormat(StrEnum):
    """How ``predict`` prints."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


Predicted = Prediction | ImageError
Source = Path | RemoteImage | ImageError

_SUFFIXES = (".csv", ".jsonl", ".parquet")
_DETAILED_UP_TO = 4
_PROGRESS_FROM = 16


@command(app)
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Images, folders and addresses (https://...)."),
    ],
    model: ModelOption = None,
    prior: PriorOption = None,
    output: Annotated[
        PredictFormat, typer.Option("--format", help="What to print.")
    ] = PredictFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a .csv, .jsonl or .parquet in place of printing."
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, metavar="K", help="Show the K likeliest in the table."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="BY",
            help="Put first what evokes an emotion most, the most positive (polarity), or the most "
            "doubtful (doubt).",
        ),
    ] = None,
    emotion: Annotated[
        list[str] | None,
        typer.Option(
            "--emotion", metavar="EMOTION", help="Only images whose likeliest it is; repeatable."
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="DIR",
            help="Write each image into DIR with its evidence map and distribution.",
        ),
    ] = None,
    read_text: Annotated[
        str | None,
        typer.Option(
            "--read-text",
            metavar="SCORER",
            help="Read the text in the images; SCORER (MODULE:CALLABLE) scores what it evokes.",
        ),
    ] = None,
    text_weight: Annotated[
        float | None,
        typer.Option(
            "--text-weight",
            min=0.0,
            max=1.0,
            help="How much that text counts.",
            show_default="0.25",
        ),
    ] = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-network",
            metavar="NETWORK",
            help="Let an address lead to a network that is not public, such as 127.0.0.1.",
        ),
    ] = None,
) -> int:
    """Predict which emotions images evoke in their viewers."""
    if text_weight is not None and read_text is None:
        raise typer.BadParameter("--text-weight is for --read-text, which names a scorer")
    if out is not None:
        _require_place(out, output)
    began = time.monotonic()
    inputs = list(expand(paths))
    in_force: PriorLike | None = prior
    if prior == ESTIMATE:
        in_force = estimated(model, [item for item in inputs if isinstance(item, Path)])
    predictor = load(model, prior=in_force)
    reading = (
        None
        if read_text is None
        else _Reading(read_text, 0.25 if text_weight is None else text_weight, predictor)
    )
    _require_labels(predictor.labels, sort, emotion or [])
    gallery, stream = None, predictor.stream
    if explain is not None:
        from evoca.drawing import PICTURE

        gallery, stream = _Gallery(explain), partial(stream, picture_side=PICTURE)
    writer: _Writer = (
        _writer(output, predictor.labels, inputs, top)
        if out is None
        else _FileWriter(out, predictor.labels)
    )
    # Text is read from all of a picture.
    min_size = None if reading is not None else predictor.card.preprocessing.decode_size
    fetch = partial(RemoteImage.fetch, min_size=min_size, networks=tuple(allow_network or ()))
    if sort is not None or emotion:
        writer = _Chosen(writer, sort, emotion or [])
    unread = 0
    bar = _progress(len(inputs), shown=not (output == "table" and sys.stdout.isatty()))
    with closing(writer), bar as advance:
        for source, predicted in zip(inputs, _with_errors(stream, inputs, fetch), strict=True):
            if isinstance(predicted, Prediction) and reading is not None:
                assert not isinstance(source, ImageError)
                predicted = reading.add_to(predicted, source)
            if isinstance(predicted, ImageError):
                unread += 1
                _complain(predicted)
            if isinstance(predicted, Prediction) and gallery is not None:
                gallery.add(predicted, source)
            writer.add(predicted)
            advance()
    if out is not None or len(inputs) >= _PROGRESS_FROM:
        where = "" if out is None else f"{printable_name(out)}: "
        _say(f"{where}{_summary(len(inputs), unread, time.monotonic() - began)}")
    return int(unread > 0)


def _require_place(out: Path, output: PredictFormat) -> None:
    """Refuse, before anything is predicted, what could not be written in the end."""
    name = printable_name(out)
    if output is not PredictFormat.TABLE:
        raise typer.BadParameter("--out FILE takes its format from the file's name, not --format")
    if out.suffix.lower() not in _SUFFIXES:
        raise EvocaError(f"--out {name}: name a file that ends in {', '.join(_SUFFIXES)}")
    require_file_place(out)
    if out.suffix.lower() == ".parquet":
        from evoca.data.manifest.duckdb import connect

        connect()  # the extra is missing now, not after the last image


def _summary(images: int, unread: int, seconds: float) -> str:
    """Return what was done in a line.

    >>> _summary(5002, 2, 192.4)
    '5,002 images, 2 could not be read, 3 min 12 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    took = f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
    lost = f", {unread:,} could not be read" if unread else ""
    return f"{images:,} {'image' if images == 1 else 'images'}{lost}, {took}"


class _Reading:
    """Adds the text in pictures to predictions, by a scorer that the user names."""

    def __init__(self, scorer: str, weight: float, predictor: Predictor) -> None:
        from evoca.images.ocr import text_reader
        from evoca.runtime.text_fusion import TextFusion, load_scorer

        # A scorer may lie where one works, which a console script does not search. Last, so
        # that no file there takes the place of an installed module.
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)
        self._fusion = TextFusion(text_reader(), load_scorer(scorer), weight)
        self._threshold = predictor.operating_point.threshold

    def add_to(self, prediction: Prediction, source: Path | RemoteImage) -> Predicted:
        """Return the prediction with its text, or an error in its place, so that others go on."""
        try:
            # The model's picture is decoded as small as the model takes; letters need all of it.
            known = source.picture if isinstance(source, RemoteImage) else source
            picture = open_picture(known).image
            return self._fusion.apply(prediction, picture, self._threshold)
        except ImageError as error:
            return error
        except EvocaError as error:
            return ImageError(str(error), prediction.path or "")


def expand(paths: Sequence[str]) -> Iterator[Source]:
    """Return the inputs: folders walked, addresses kept, an empty folder as an error.

    Pictures that ``--explain`` drew earlier are left out of a folder, and named on
    standard error; given by name they are inputs like any other.
    """
    for text in paths:
        if not text:  # Path("") is the current folder: nobody means that
            yield ImageError("an empty path")
            continue
        if is_address(text):
            yield RemoteImage(text)
            continue
        try:
            path = local_path(text)
        except ImageError as no_path:
            yield no_path
            continue
        try:
            is_folder = path.is_dir()
        except (OSError, ValueError):
            is_folder = False  # reading it gives the reason
        if not is_folder:
            yield path
            continue
        unreadable: list[OSError] = []
        explained: list[Path] = []
        left_out = LeftOut()
        found = list(find_images(path, unreadable.append, explained.append, left_out))
        if left_out:
            _say(f"{printable_name(path)}: {left_out}")
        if explained:
            _say_left_out(path, len(explained))
        yield from found
        for error in unreadable:
            reason = error.strerror or str(error)
            yield ImageError(f"cannot be read: {reason}", printable_name(error.filename or path))
        if not found and not unreadable:
            yield ImageError("no images in this folder", printable_name(path))


def _say_left_out(folder: Path, count: int) -> None:
    pictures = "picture" if count == 1 else "pictures"
    _say(
        f"{printable_name(folder)}: left out {count} explained {pictures} "
        f"(*{EXPLAINED_SUFFIX}); give one by name to predict it"
    )


def _say(line: str) -> None:
    print(f"evoca: {clean(line)}", file=sys.stderr)


def _with_errors(stream: Any, inputs: list[Source], fetch: Fetch) -> Iterator[Predicted]:
    """Yield the model's predictions with the errors of the walk among them, in order."""
    predictions = stream(
        fetch(item) if isinstance(item, RemoteImage) else item
        for item in inputs
        if not isinstance(item, ImageError)
    )
    for item in inputs:
        if isinstance(item, ImageError):
            yield item
        else:
            predicted = next(predictions)
            yield item.named(predicted) if isinstance(item, RemoteImage) else predicted


def _complain(error: ImageError) -> None:
    print(f"evoca: {clean(str(error))}", file=sys.stderr)


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Any]:
    """Show a bar on a terminal's standard error for work that takes a while.

    Lines of a table on the same terminal are progress enough, and a bar would cut them.
    """
    if not shown or total < _PROGRESS_FROM or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    progress: Progress = Progress(
        "predicting",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console_for("stderr"),
        transient=True,
    )
    with progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


class _Writer(Protocol):
    def add(self, predicted: Predicted) -> None: ...
    def close(self) -> None: ...


def _writer(output: str, labels: Sequence[str], inputs: list[Source], top: int | None) -> _Writer:
    if output == "table":
        return _TableWriter(inputs, top)
    # Programs read this: UTF-8, whatever the locale is.
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    if output == "json":
        return _JsonWriter()
    return _JsonLines(sys.stdout) if output == "jsonl" else _CsvWriter(sys.stdout, labels)


class _TableWriter:
    def __init__(self, inputs: list[Source], top: int | None) -> None:
        self._console = console_for()
        self._top = top
        given = [i.url if isinstance(i, RemoteImage) else i for i in inputs]
        names = [cell_len(clean(printable_name(i))) for i in given if not isinstance(i, ImageError)]
        self._detailed = len(names) <= _DETAILED_UP_TO or top is not None
        self._columns = columns_for(self._console, max(names, default=0))
        if not self._detailed:
            self._print(heading(self._columns))

    def add(self, predicted: Predicted) -> None:
        if isinstance(predicted, ImageError):
            return
        if self._detailed:
            self._print(detailed(predicted, self._console, self._top))
        else:
            self._print(one_line(predicted, self._console, self._columns))

    def _print(self, what: Any) -> None:
        # Laid out to fit a terminal; a pipe gets every line whole.
        self._console.print(what, soft_wrap=not self._console.is_terminal)

    def close(self) -> None:
        pass


class _Chosen:
    """Keeps some of the predictions, and passes them on in an order once all are there."""

    def __init__(self, writer: _Writer, sort: str | None, emotions: Sequence[str]) -> None:
        self._writer, self._sort, self._emotions = writer, sort, emotions
        self._held: list[Prediction] = []
        self._errors: list[ImageError] = []

    def add(self, predicted: Predicted) -> None:
        if isinstance(predicted, ImageError):
            self._errors.append(predicted)
        elif not self._emotions or predicted.emotion in self._emotions:
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


def _require_labels(labels: Sequence[str], sort: str | None, emotions: Sequence[str]) -> None:
    """Refuse emotions that the model does not have."""
    known = ", ".join(labels)
    if sort is not None and sort not in {*labels, "polarity", "doubt"}:
        raise typer.BadParameter(
            f"{sort!r}: polarity, doubt or one of {known}", param_hint="--sort"
        )
    for emotion in emotions:
        if emotion not in labels:
            raise typer.BadParameter(f"{emotion!r}: one of {known}", param_hint="--emotion")


class _JsonWriter:
    """One array, one object per line; printed as predictions come, complete when closed."""

    def __init__(self) -> None:
        self._before = "[\n"

    def add(self, predicted: Predicted) -> None:
        if isinstance(predicted, ImageError):
            item: dict[str, Any] = {"path": predicted.source, "error": predicted.cause}
        else:
            item = predicted.to_dict()
        text = visible_json(json.dumps(item, ensure_ascii=False, allow_nan=False))
        with uninterrupted():
            sys.stdout.write(self._before + text)
            self._before = ",\n"

    def close(self) -> None:
        with uninterrupted():
            sys.stdout.write("\n]\n" if self._before == ",\n" else "[\n]\n")


class _JsonLines:
    """One object per line, with the columns of the table that have a value."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, predicted: Predicted) -> None:
        row = table_row(predicted)
        if isinstance(predicted, Prediction):
            row["prediction_set"] = list(predicted.prediction_set)
        text = visible_json(json.dumps(row, ensure_ascii=False, allow_nan=False))
        with uninterrupted():
            self._stream.write(text + "\n")

    def close(self) -> None:
        pass


class _FileWriter:
    """A table in a file that appears when it is complete."""

    def __init__(self, out: Path, labels: Sequence[str]) -> None:
        self._out, self._labels = out, labels
        self._open = ExitStack()
        try:
            self._draft = self._open.enter_context(drafted(out))
            self._stream = self._draft.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._failure(error) from error
        lines = out.suffix.lower() == ".jsonl"
        self._rows: _Writer = (
            _JsonLines(self._stream) if lines else _CsvWriter(self._stream, labels)
        )

    def add(self, predicted: Predicted) -> None:
        try:
            self._rows.add(predicted)
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Keep the file, unless an error ends the command: then nothing is left."""
        error = sys.exc_info()
        try:
            self._stream.close()
            if error[0] is None and self._out.suffix.lower() == ".parquet":
                self._to_parquet()
            self._open.__exit__(*error)
        except OSError as failed:
            raise self._failure(failed) from failed

    def _to_parquet(self) -> None:
        from evoca.data.manifest.duckdb import csv_to_parquet

        table = self._draft.with_name("table.csv")
        self._draft.rename(table)
        numbers = number_columns(self._labels)
        kinds = {
            column: "DOUBLE" if column in numbers else "VARCHAR"
            for column in table_columns(self._labels)
        }
        csv_to_parquet(table, self._draft, kinds, f"--out {printable_name(self._out)}")

    def _failure(self, error: OSError) -> EvocaError:
        reason = error.strerror or str(error)
        return EvocaError(f"--out {printable_name(self._out)}: cannot be written: {reason}")


class _CsvWriter:
    def __init__(self, stream: TextIO, labels: Sequence[str]) -> None:
        self._to_terminal = stream.isatty()
        columns = table_columns(labels)
        self._csv = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        self._csv.writeheader()

    def add(self, predicted: Predicted) -> None:
        row = table_row(predicted)
        if self._to_terminal:  # a file keeps names as they are; a terminal would interpret them
            row = {key: clean(v) if isinstance(v, str) else v for key, v in row.items()}
        with uninterrupted():
            self._csv.writerow(row)

    def close(self) -> None:
        pass


class _Gallery:
    """Writes explained pictures into a folder, never two under one name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()
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
                prediction.to_image().save(draft, "PNG")
        except OSError as error:
            raise self._failure(target, error) from error

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
