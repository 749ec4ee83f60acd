"""``evoca find``: images of a tagged collection by what they evoke, or by an example."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import ModelOption, require_file_place
from evoca.commands.progress import announcing, is_quiet
from evoca.commands.terminal import say
from evoca.errors import EvocaError, install_hint, listed
from evoca.images.walk import printable_name
from evoca.words import counted

if TYPE_CHECKING:
    from evoca.collection.search import Found, Order
    from evoca.collection.tags import Tags

__all__ = ["app", "find"]

app = command_app()

_ROWS_OF_TABLE = 20


class FindFormat(StrEnum):
    """How ``find`` prints."""

    PATHS = "paths"
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class By(StrEnum):
    """In what images are like an example."""

    EMOTION = "emotion"
    LOOK = "look"


@command(
    app,
    long=True,
    examples=(
        "evoca find 'awe > 0.5 and fear < 0.1' tags.parquet",
        "evoca find 'polarity = \"negative\"' tags.parquet --most fear --sheet fear.jpg",
        "evoca find tags.parquet --divided --limit 50 --html divided.html",
        "evoca find tags.parquet --like photo.jpg --by look --embeddings looks.npy",
        "evoca find 'sadness > 0.6' tags.parquet --print0 | xargs -0 cp -t sad/",
    ),
)
def find(
    expression_and_tags: Annotated[
        list[str],
        typer.Argument(
            metavar="[EXPRESSION] TAGS...",
            help="Find the images for which EXPRESSION is true, such as 'awe > 0.5 and not fear > "
            "0.1', or all if it is left out, in TAGS: tables as evoca predict --out FILE writes "
            "them, or folders of them.",
        ),
    ],
    most: Annotated[
        str | None,
        typer.Option(
            "--most",
            metavar="BY",
            help="Put first what evokes an emotion most, or is highest in polarity (the most "
            "positive), valence or arousal.",
        ),
    ] = None,
    divided: Annotated[
        bool,
        typer.Option("--divided", help="Put first what viewers are most divided on, by entropy."),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="IMAGE", help="Put first what is most like this image."),
    ] = None,
    by: Annotated[
        By,
        typer.Option("--by", help="Compare with --like in emotion, or in look (needs embeddings)."),
    ] = By.EMOTION,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            "--embeddings",
            metavar="FILE",
            help="Read the looks of the images from this .parquet or .npy of evoca embed.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help=f"Show the first N; a table shows {_ROWS_OF_TABLE} if omitted.",
        ),
    ] = None,
    output: Annotated[
        FindFormat | None,
        typer.Option(
            "--format", help="Print it in this form; a table on a terminal, else paths, if omitted."
        ),
    ] = None,
    print0: Annotated[
        bool,
        typer.Option("--print0", help="Print each path with a null byte after it, for xargs -0."),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="Draw the images on this .jpg or .png."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE.html",
            help="Write one page with thumbnails and bars, to sort and filter offline.",
        ),
    ] = None,
    model: ModelOption = None,
) -> int:
    """Find images again by what they evoke, in the tables of predictions."""
    from evoca.collection.expression import ExpressionError
    from evoca.collection.search import find as search
    from evoca.collection.tags import read_tags

    text, tables = _told_apart(expression_and_tags)
    _check_options(most, like, by, embeddings, output, divided=divided, print0=print0)
    for place, option in ((sheet, "--sheet"), (html, "--html")):
        _check_place(place, option)
    known = read_tags(tables)
    _say_if_mixed(known)
    order = _order(known, most, like, embeddings, model, divided=divided)
    try:
        found = search(known, text, order=order, limit=limit)
    except ExpressionError as error:
        raise typer.BadParameter(f"{text!r}, {error}", param_hint="EXPRESSION") from error
    if not (count := len(found)):
        say(f"evoca: none of {counted(len(known), 'image')} found")
    form = FindFormat.PATHS if print0 else output
    if form is None and sheet is None and html is None:
        form = FindFormat.TABLE if sys.stdout.isatty() else FindFormat.PATHS
    if form is not None:
        _print(found, form, count, "\0" if print0 else "\n")
    return _draw(found, sheet, html, count, text)


def _told_apart(arguments: list[str]) -> tuple[str, list[Path]]:
    """Return the expression, empty where it was left out, and the tables.

    No expression ends as the name of a table does: a text in it ends in a quote.
    """
    from evoca.collection.tags import TAG_SUFFIXES

    expression, *tables = arguments
    is_table = expression.strip().lower().endswith(TAG_SUFFIXES)
    if is_table or (not tables and Path(expression).is_dir()):
        expression, tables = "", arguments
    if not tables:
        raise typer.BadParameter(
            "name the table after the expression: evoca find EXPRESSION TAGS", param_hint="TAGS"
        )
    return expression, [Path(table) for table in tables]


def _check_options(
    most: str | None,
    like: Path | None,
    by: By,
    embeddings: Path | None,
    output: FindFormat | None,
    *,
    divided: bool,
    print0: bool,
) -> None:
    orders = {"--most": most is not None, "--divided": divided, "--like": like is not None}
    given = [name for name, there in orders.items() if there]
    if len(given) > 1:
        raise typer.BadParameter(f"one order at a time, not {listed(given, 'and')}")
    if by is By.LOOK and like is None:
        raise typer.BadParameter("--by look is for --like, which names an image")
    if (by is By.LOOK) != (embeddings is not None):
        raise typer.BadParameter(
            "--by look needs --embeddings FILE, which evoca embed PATH... --out FILE writes"
            if by is By.LOOK
            else "--embeddings is for --like IMAGE --by look"
        )
    if print0 and output not in (None, FindFormat.PATHS):
        raise typer.BadParameter(f"--print0 ends paths; --format {output} prints more than these")


def _check_place(out: Path | None, option: str) -> None:
    """Refuse, before anything is read, what could not be written in the end."""
    from evoca.collection.sheet import SHEET_SUFFIXES

    if out is None:
        return
    endings = (".html", ".htm") if option == "--html" else SHEET_SUFFIXES
    if out.suffix.lower() not in endings:
        raise EvocaError(
            f"{option} {printable_name(out)}: name a file that ends in {listed(endings, 'or')}"
        )
    require_file_place(out, option)


def _say_if_mixed(tags: Tags) -> None:
    """Say where predictions of several models or priors stand beside each other."""
    made = tags.made_by()
    if len(made) > 1 and not is_quiet():
        kinds = [
            f"{model or 'unknown'} with the prior {prior or 'unknown'}" for model, prior in made
        ]
        say(f"evoca: {tags.source}: predictions of several kinds: {'; '.join(kinds)}")


def _order(
    tags: Tags,
    what: str | None,
    like: Path | None,
    embeddings: Path | None,
    model: str | None,
    *,
    divided: bool,
) -> Order | None:
    from evoca.collection.search import UnknownOrderError, most, most_divided
    from evoca.collection.similar import order_by_emotion

    if divided:
        return most_divided(tags)
    if what is not None:
        try:
            return most(tags, what)
        except UnknownOrderError as error:
            raise typer.BadParameter(str(error), param_hint="--most") from error
    if like is None:
        return None
    if embeddings is None:
        return order_by_emotion(tags, like, model)
    return _order_by_look(tags, like, embeddings, model)


def _order_by_look(tags: Tags, image: Path, file: Path, model: str | None) -> Order:
    from evoca.collection.embeddings import read_embeddings
    from evoca.collection.look_index import EXACT_UP_TO, wants_index
    from evoca.collection.similar import CANDIDATES, order_by_look, without_look

    looks = read_embeddings(file)
    with announcing() as announce:
        order = order_by_look(tags, image, looks, model, announce)
    if is_quiet():
        return order
    if wants_index(looks):
        say(
            f"evoca: {counted(len(looks), 'embedding')}: found among the {CANDIDATES:,} that an "
            "index gave"
        )
    elif lost := without_look(tags, order):
        say(
            f"evoca: {counted(lost, 'image is', 'images are')} not in {printable_name(file)}, and "
            "not looked for"
        )
    elif len(looks) > EXACT_UP_TO:
        say(
            f"evoca: {counted(len(looks), 'embedding')} all compared; faster: "
            f"{install_hint('search')}"
        )
    return order


def _print(found: Found, form: FindFormat, count: int, end: str) -> None:
    from evoca.commands.found_writers import print_csv, print_json, print_paths, print_table

    if form is FindFormat.PATHS:
        print_paths(found, end)
    elif form is FindFormat.CSV:
        print_csv(found)
    elif form is FindFormat.JSON:
        print_json(found)
    elif count:
        limit = found.limit or _ROWS_OF_TABLE
        print_table(replace(found, limit=limit))
        if count > limit and not is_quiet():
            say(
                f"evoca: {counted(count, 'image')} found, the first {limit:,} shown; --limit N "
                "shows more"
            )


def _draw(found: Found, sheet: Path | None, html: Path | None, count: int, text: str) -> int:
    """Write the sheet and the page, and return 1 where images could not be read."""
    if not count:
        return 0
    from evoca.commands.found_writers import draw_page, draw_sheet

    unread = 0
    if sheet is not None:
        unread += draw_sheet(found, sheet, count)
    if html is not None:
        unread += draw_page(found, html, count, text)
    return int(unread > 0)
