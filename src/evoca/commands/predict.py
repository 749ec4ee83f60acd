"""``evoca predict``: images in, a table, JSON or CSV out, or a file of any of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    EngineOption,
    InferencePrecisionOption,
    ModelOption,
    PriorOption,
    ThreadsOption,
    require_file_place,
)
from evoca.commands.prediction_writers import Gallery, Ordered, Page, printing
from evoca.commands.priors import ESTIMATE, estimated
from evoca.commands.progress import advancing, is_quiet
from evoca.commands.terminal import clean, duration
from evoca.errors import EvocaError, ImageError, did_you_mean, listed
from evoca.images.sources import open_picture
from evoca.images.walk import printable_name
from evoca.inputs import RemoteImage, Source, list_sources, predict_sources
from evoca.prediction import Prediction
from evoca.progress import Advance, advance_silently
from evoca.runtime.engines import DEFAULT_ENGINE
from evoca.runtime.operating_point import PriorLike
from evoca.runtime.predictor import Predictor, load
from evoca.tagger.table_file import Predicted, TableFile, Writer, require_table
from evoca.words import counted

__all__ = ["app", "predict"]

app = command_app()


class PredictFormat(StrEnum):
    """How ``predict`` prints."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    HF = "hf"


_PROGRESS_FROM = 16


@command(
    app,
    long=True,
    examples=(
        "evoca predict photo.jpg folder/",
        "evoca predict folder/ --html page.html --sort awe",
        "evoca predict folder/ --out tags.csv",
        "evoca predict photo.jpg --format hf --top 3",
        "evoca predict folder/ --explain maps/ --explain-emotion fear",
    ),
)
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Read these images, folders and addresses (https://...)."
        ),
    ],
    model: ModelOption = None,
    prior: PriorOption = None,
    engine: EngineOption = DEFAULT_ENGINE,
    precision: InferencePrecisionOption = None,
    output: Annotated[
        PredictFormat,
        typer.Option(
            "--format",
            help="Print it in this form; hf is that of a pipeline of Hugging Face transformers.",
        ),
    ] = PredictFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a .csv, .jsonl or .parquet in place of printing."
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            metavar="K",
            help="Show the K likeliest in the table, or in hf (5 if omitted).",
        ),
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
            "--emotion",
            metavar="EMOTION",
            help="Keep the images whose likeliest emotion it is; repeatable.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE.html",
            help="Write one page with thumbnails, bars and evidence, to sort and filter offline.",
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
    explain_emotion: Annotated[
        str | None,
        typer.Option(
            "--explain-emotion",
            metavar="EMOTION",
            help="Draw the evidence for this emotion, not for the likeliest of each image.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", min=1, metavar="N", help="Predict N images at once; more take memory."
        ),
    ] = None,
    threads: ThreadsOption = None,
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
            metavar="SHARE",
            help="Let that text count for this share; 0.25 if omitted.",
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
    if explain_emotion is not None and explain is None:
        raise typer.BadParameter("--explain-emotion is for --explain, which names a folder")
    if out is not None:
        _require_place(out, output)
    if html is not None:
        _require_page(html)
    began = time.monotonic()
    inputs = list(list_sources(paths, _say))
    in_force: PriorLike | None = prior
    if prior == ESTIMATE:
        in_force = estimated(model, [item for item in inputs if isinstance(item, Path)])
    predictor = load(model, prior=in_force, threads=threads, engine=engine, precision=precision)
    reading = (
        None
        if read_text is None
        else _Reading(read_text, 0.25 if text_weight is None else text_weight, predictor)
    )
    emotions = emotion or []
    _require_labels(predictor.labels, sort, emotions, explain_emotion)
    held = sort is not None or bool(emotions)
    writer = _writer(out, output, predictor.labels, inputs, top)
    if held:
        writer = Ordered(writer, sort)
    pictures = _Pictures(
        None if explain is None else Gallery(explain, explain_emotion),
        None if html is None else Page(html, predictor.labels, len(inputs)),
    )
    # Text is read from all of a picture.
    min_size = None if reading is not None else predictor.card.preprocessing.decode_size
    fetch = partial(RemoteImage.fetch, min_size=min_size, networks=tuple(allow_network or ()))
    stream = pictures.stream(predictor, batch_size)
    unread = kept = 0
    # Lines on the same terminal are progress enough, and a bar would cut them.
    scrolls = out is None and not held and sys.stdout.isatty()
    with closing(writer), _progress(0 if scrolls else len(inputs)) as advance:
        for source, predicted in zip(inputs, predict_sources(stream, inputs, fetch), strict=True):
            if isinstance(predicted, Prediction) and reading is not None:
                assert not isinstance(source, ImageError)
                predicted = reading.add_to(predicted, source)
            if isinstance(predicted, ImageError):
                unread += 1
                _complain(predicted)
            if isinstance(predicted, ImageError) or not emotions or predicted.emotion in emotions:
                kept += isinstance(predicted, Prediction)
                pictures.add(predicted, source)
                writer.add(predicted)
            advance(1)
    if emotions and not kept and unread < len(inputs):
        _say(f"no image has {listed(emotions, 'or')} as its likeliest emotion")
    for line in pictures.finish(sort):
        if not is_quiet():
            _say(line)
    if not is_quiet() and (out is not None or len(inputs) >= _PROGRESS_FROM):
        where = "" if out is None else f"{printable_name(out)}: "
        chosen = kept if emotions else None
        _say(f"{where}{_summary(len(inputs), unread, time.monotonic() - began, chosen)}")
    return int(unread > 0)


def _writer(
    out: Path | None, output: str, labels: Sequence[str], inputs: list[Source], top: int | None
) -> Writer:
    return printing(output, labels, inputs, top) if out is None else TableFile(out, labels)


class _Pictures:
    """What is made of the pictures themselves, beside the table: explained ones, and a page."""

    def __init__(self, gallery: Gallery | None, page: Page | None) -> None:
        self._gallery, self._page = gallery, page

    def stream(self, predictor: Predictor, batch_size: int | None) -> Callable[..., Any]:
        """Return the predictor's stream, which keeps pictures as large as they are needed."""
        from evoca.drawing import PICTURE

        sides = [PICTURE] if self._gallery is not None else []
        sides += [self._page.side] if self._page is not None else []
        options: dict[str, Any] = {"picture_side": max(sides)} if sides else {}
        if batch_size is not None:
            options["batch_size"] = batch_size
        return partial(predictor.stream, **options)

    def add(self, predicted: Predicted, source: Source) -> None:
        if isinstance(predicted, Prediction) and self._gallery is not None:
            self._gallery.add(predicted, source)
        if self._page is not None:
            self._page.add(predicted)

    def finish(self, sort: str | None) -> Iterator[str]:
        """Write what is left to write, and yield a line for each thing that was written."""
        if self._gallery is not None:
            yield self._gallery.said()
        if self._page is not None:
            yield self._page.write(sort)


def _require_page(html: Path) -> None:
    """Refuse, before anything is predicted, a page that could not be written in the end."""
    if html.suffix.lower() not in (".html", ".htm"):
        raise EvocaError(f"--html {printable_name(html)}: name a file that ends in .html")
    require_file_place(html, "--html")


def _require_place(out: Path, output: PredictFormat) -> None:
    """Refuse, before anything is predicted, what could not be written in the end."""
    if output is not PredictFormat.TABLE:
        raise typer.BadParameter("--out FILE takes its format from the file's name, not --format")
    require_table(out)
    require_file_place(out)


def _summary(images: int, unread: int, seconds: float, kept: int | None = None) -> str:
    """Return what was done in a line.

    >>> _summary(5002, 2, 192.4)
    '5,002 images, 2 could not be read, 3 min 12 s'
    >>> _summary(5002, 0, 192.4, kept=31)
    '5,002 images, 31 kept, 3 min 12 s'
    """
    lost = f", {unread:,} could not be read" if unread else ""
    chosen = "" if kept is None else f", {kept:,} kept"
    return f"{counted(images, 'image')}{lost}{chosen}, {duration(seconds)}"


def _progress(total: int) -> AbstractContextManager[Advance]:
    """Show how far work is that takes a while."""
    return (
        advancing("predicting", total) if total >= _PROGRESS_FROM else nullcontext(advance_silently)
    )


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


def _say(line: str) -> None:
    print(f"evoca: {clean(line)}", file=sys.stderr)


def _complain(error: ImageError) -> None:
    print(f"evoca: {clean(str(error))}", file=sys.stderr)


def _require_labels(
    labels: Sequence[str], sort: str | None, emotions: Sequence[str], explained: str | None
) -> None:
    """Refuse emotions that the model does not have."""
    known = ", ".join(labels)

    def hint(name: str) -> str:
        found = did_you_mean(name, [*labels, "polarity", "doubt"])
        return found if "did you mean" in found else ""

    if sort is not None and sort not in {*labels, "polarity", "doubt"}:
        raise typer.BadParameter(
            f"{sort!r}: polarity, doubt or one of {known}{hint(sort)}", param_hint="--sort"
        )
    for emotion in emotions:
        if emotion not in labels:
            raise typer.BadParameter(
                f"{emotion!r}: one of {known}{hint(emotion)}", param_hint="--emotion"
            )
    if explained is not None and explained not in labels:
        raise typer.BadParameter(
            f"{explained!r}: one of {known}{hint(explained)}", param_hint="--explain-emotion"
        )
