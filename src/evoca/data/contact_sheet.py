"""A page of example images per label, for people to inspect.

Images are decoded and encoded anew, so neither place nor camera data gets through.
Negative emotions are blurred until asked for: such sets hold injuries and worse.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from evoca.data.manifest.table import Manifest
from evoca.data.taxonomies import positive_labels
from evoca.drafts import drafted
from evoca.emotions import style_of
from evoca.errors import DataError, ImageError
from evoca.images import ImageLimits, decode, printable_name
from evoca.images.sources import read_file

__all__ = ["Thumbnail", "contact_sheet", "paste_thumbnail", "thumbnail"]

_SUFFIXES = (".html", ".png")
_MARGIN = 8
_HEADING = 28
_BLUR_SHARE = 8  # the blur's radius is this part of a thumbnail's side


@dataclass(frozen=True)
class Thumbnail:
    """A small copy of an image.

    Attributes:
        name: its caption: the file's name and its folder's.
        image: the copy, without metadata; ``None`` where the file cannot be read.
        cause: why it cannot.
    """

    name: str
    image: Image.Image | None
    cause: str


def contact_sheet(
    manifest: Manifest,
    out: Path,
    *,
    per_label: int = 12,
    size: int = 160,
    seed: int = 0,
    show_negative: bool = False,
) -> None:
    """Write a page of random images of each label.

    Args:
        manifest: the images.
        out: ``.html`` (a page in one file, where each blurred image can be uncovered) or
            ``.png`` (where the blur is final).
        per_label: images per label.
        size: side of a thumbnail in pixels.
        seed: of the choice.
        show_negative: do not blur. Images without a label count as negative.

    Raises:
        DataError: another file type, or it cannot be written.
    """
    if out.suffix.lower() not in _SUFFIXES:
        raise DataError(f"{printable_name(out)}: a contact sheet's name ends in .html or .png")
    sections = list(_sections(manifest, per_label, size, seed))
    positive = positive_labels(manifest.labels)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".html":
            page = _page(manifest, sections, positive, size, show_negative=show_negative)
            with drafted(out) as draft:
                draft.write_text(page, encoding="utf-8")
        else:
            covered = positive if not show_negative else {label for label, _, _ in sections}
            with drafted(out) as draft:
                _picture(sections, covered, per_label, size).save(draft, "PNG")
    except OSError as error:
        raise DataError(f"{printable_name(out)}: cannot be written: {error.strerror}") from error


_Section = tuple[str, int, list[Thumbnail]]


def _sections(manifest: Manifest, per_label: int, size: int, seed: int) -> Iterator[_Section]:
    codes = manifest.label_codes()
    names, paths = manifest.texts("image"), manifest.paths()
    random = np.random.default_rng(seed)
    for code, label in [*enumerate(manifest.labels), (-1, "no label")]:
        rows = np.flatnonzero(codes == code)
        if len(rows):
            chosen = np.sort(random.permutation(rows)[:per_label])
            yield label, len(rows), [thumbnail(names[i], paths[i], size) for i in chosen]


def thumbnail(name: str, path: Path, size: int) -> Thumbnail:
    """Return a small copy of an image, or the reason why there is none.

    Args:
        name: of the image; its last two parts become the caption.
        path: the file.
        size: longest side in pixels.
    """
    limits = ImageLimits()
    # A page may be passed on, so it does not show where on this machine the images are.
    caption = printable_name("/".join(Path(name).parts[-2:]))
    try:
        image = decode(read_file(path, limits), min_size=(size, size), limits=limits).image
    except ImageError as error:
        return Thumbnail(caption, None, error.cause)
    image.thumbnail((size, size))
    # A new image from the pixels alone: Pillow carries comments and profiles along.
    return Thumbnail(caption, Image.fromarray(np.array(image)), "")


_STYLE = """
:root { color-scheme: light dark; --side: %dpx }
body { font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem }
h2 { margin: 1.5rem 0 .5rem; border-left: .5rem solid; padding-left: .5rem }
.row { display: flex; flex-wrap: wrap; gap: .5rem }
.card { width: var(--side); font-size: .75rem; overflow-wrap: anywhere; position: relative }
.card img { max-width: 100%%; display: block }
.card input { position: absolute; z-index: 1; margin: .4rem }
.card .view { overflow: hidden; display: block }
.card input:not(:checked) ~ .view img { filter: blur(calc(var(--side) / 6)) }
body:has(#all:checked) .card .view img { filter: none !important }
body:has(#all:checked) .card input { visibility: hidden }
.lost { display: grid; place-items: center; min-height: 4rem; border: 1px dashed; padding: .5rem }
"""


def _page(
    manifest: Manifest,
    sections: list[_Section],
    positive: frozenset[str],
    size: int,
    *,
    show_negative: bool,
) -> str:
    title = f"Contact sheet of {html.escape(Path(manifest.source).name)}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">",
        f"<title>{title}</title><style>{_STYLE % size}</style></head><body><h1>{title}</h1>",
        "<p>Images of negative emotions, and of none known, are blurred: tick an image to "
        'see it.</p><p><label><input type="checkbox" id="all"'
        f"{' checked' if show_negative else ''}> Show all images</label></p>",
    ]
    for label, n, shown in sections:
        heading = f"{html.escape(label)}: {len(shown)} of {n:,}"
        parts.append(f'<h2 style="border-color: {style_of(label).colour}">{heading}</h2>')
        cards = (_card(item, label, covered=label not in positive) for item in shown)
        parts.append(f'<div class="row">{"".join(cards)}</div>')
    return "\n".join([*parts, "</body></html>\n"])


def _card(item: Thumbnail, label: str, *, covered: bool) -> str:
    name = html.escape(item.name)
    if item.image is None:
        return f'<div class="card"><div class="lost">{html.escape(item.cause)}</div>{name}</div>'
    data = io.BytesIO()
    item.image.save(data, "JPEG", quality=82)
    source = base64.b64encode(data.getvalue()).decode("ascii")
    box = f'<input type="checkbox" aria-label="Show {name}">' if covered else ""
    alt = html.escape(f"{label}: {item.name}")
    image = f'<img src="data:image/jpeg;base64,{source}" alt="{alt}">'
    return f'<div class="card">{box}<span class="view">{image}</span>{name}</div>'


def _picture(
    sections: list[_Section], clear: Collection[str], per_label: int, size: int
) -> Image.Image:
    cell = size + _MARGIN
    width = per_label * cell + _MARGIN
    height = len(sections) * (cell + _HEADING) + _MARGIN
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    for row, (label, n, shown) in enumerate(sections):
        top = row * (cell + _HEADING) + _MARGIN
        draw.text((_MARGIN, top), f"{label}: {len(shown)} of {n:,}", "black", font)
        for column, item in enumerate(shown):
            corner = (_MARGIN + column * cell, top + _HEADING)
            paste_thumbnail(sheet, item, corner, size, blurred=label not in clear)
    return sheet


def paste_thumbnail(
    sheet: Image.Image,
    item: Thumbnail,
    corner: tuple[int, int],
    size: int,
    *,
    blurred: bool = False,
) -> None:
    """Draw a thumbnail onto a sheet; an empty frame where its image cannot be read.

    Args:
        sheet: mode RGB.
        item: the thumbnail.
        corner: upper left, in pixels.
        size: of the square that it has, in pixels.
        blurred: so that only its colours remain.
    """
    if item.image is None:
        draw = ImageDraw.Draw(sheet)
        draw.rectangle((corner, (corner[0] + size - 1, corner[1] + size - 1)), outline="grey")
        font = ImageFont.load_default(16)
        draw.text((corner[0] + 4, corner[1] + 4), "unreadable", "grey", font)
        return
    blur = ImageFilter.GaussianBlur(size / _BLUR_SHARE)
    sheet.paste(item.image.filter(blur) if blurred else item.image, corner)
