"""A prediction as a picture: the evidence over the image, and the distribution beside it.

Pillow's font has no symbols, so glyphs are drawn as shapes.
"""

from __future__ import annotations

import base64
import html
import io
import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evoca.emotions import label_polarity, style_of
from evoca.errors import ImageError, single_line
from evoca.images.preprocess import scaled
from evoca.images.sources import ImageInput, open_picture

if TYPE_CHECKING:
    from evoca.evidence import EvidenceMap
    from evoca.prediction import Prediction

__all__ = [
    "HEAT_OPACITY",
    "HEAT_RAMP",
    "PICTURE",
    "draw_prediction",
    "heat",
    "overlay",
    "prediction_html",
]

PICTURE = 640
"""The longer side of a drawn picture in pixels; small ones grow."""
_PANEL = 380
_MARGIN, _GAP, _NAME = 20, 12, 30
_ROW = 40
_INK, _QUIET, _PAPER, _TRACK = (33, 37, 41), (108, 117, 125), (255, 255, 255), (233, 236, 239)
HEAT_RAMP = ((60, 9, 90), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""RGB of evenly spaced levels of evidence, weak to strong: the "inferno" ramp without its
black end, even steps, readable in every colour vision."""

HEAT_OPACITY = 0.72
"""How much of the strongest evidence's colour covers the picture, 0..1."""

# Found by name where systems keep fonts: of Linux, Windows and macOS.
_WIDER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "segoeui.ttf",
    "PingFang.ttc",
    "Arial Unicode.ttf",
)
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_prediction(
    prediction: Prediction, source: ImageInput | None = None, label: str | None = None
) -> Image.Image:
    """Return a drawing of one prediction; see :meth:`evoca.Prediction.to_image`."""
    label = label or prediction.emotion
    if label not in prediction.probabilities:
        raise KeyError(f"{label!r} is not one of {', '.join(prediction.probabilities)}")
    views = [scaled(_picture(prediction, source), PICTURE)]
    if prediction.evidence is not None:
        views.append(overlay(views[0], prediction.evidence, label))
    panel = _panel(prediction, label)
    pictures = _beside_or_below(views)
    top = _MARGIN + (_NAME if prediction.path else 0)
    inner = max(pictures.height, panel.height)
    canvas = Image.new(
        "RGB", (pictures.width + _PANEL + 3 * _MARGIN, top + inner + _MARGIN), _PAPER
    )
    canvas.paste(pictures, (_MARGIN, top + (inner - pictures.height) // 2))
    canvas.paste(panel, (pictures.width + 2 * _MARGIN, top + (inner - panel.height) // 2))
    if prediction.path:
        name = single_line(Path(prediction.path).name)
        draw, font = ImageDraw.Draw(canvas), _font_with(name, 18)
        name = _cut(draw, name, font, canvas.width - 2 * _MARGIN)
        draw.text((_MARGIN, _MARGIN - 4), name, _INK, font)
    return canvas


def _beside_or_below(views: list[Image.Image]) -> Image.Image:
    """Return pictures of one size as one: wide ones below each other, tall ones side by side."""
    width, height = views[0].size
    right, down = (0, height + _GAP) if width >= height else (width + _GAP, 0)
    last = len(views) - 1
    both = Image.new("RGB", (width + last * right, height + last * down), _PAPER)
    for i, view in enumerate(views):
        both.paste(view, (i * right, i * down))
    return both


def _font_with(text: str, size: int) -> _Font:
    """Return Pillow's own font, or the one of this machine that has most of the characters.

    Pillow's has the letters of English alone; names of files are in every script.
    """
    own = ImageFont.load_default(size)
    if text.isascii() or not isinstance(own, ImageFont.FreeTypeFont):
        return own
    found = [own]
    for name in _WIDER_FONTS:
        with suppress(OSError):  # not on this machine
            found.append(ImageFont.truetype(name, size))
    return min(found, key=lambda font: _lacking(font, text))


def _lacking(font: ImageFont.FreeTypeFont, text: str) -> int:
    """Return how many characters a font draws as the box that stands for those it lacks."""
    box = bytes(font.getmask("\uffff"))
    return sum(bytes(font.getmask(character)) == box for character in set(text))


def _cut(draw: ImageDraw.ImageDraw, text: str, font: _Font, width: int) -> str:
    """Return a name that fits: where it is too long, without its middle.

    The end stays, since it has the format.
    """
    kept = len(text)
    shown = text
    while kept > 2 and draw.textlength(shown, font) > width:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return shown


def _picture(prediction: Prediction, source: ImageInput | None) -> Image.Image:
    if source is not None:
        return open_picture(source, min_size=(PICTURE, PICTURE)).image
    if prediction.picture is None:
        raise ValueError("this prediction keeps no picture: give the image it was made from")
    return prediction.picture


def overlay(picture: Image.Image, evidence: EvidenceMap, label: str) -> Image.Image:
    """Return a picture with the evidence for a label over it.

    Where there is no evidence the picture is a dimmed grey. The stronger the evidence, the
    hotter the colour.

    Args:
        picture: upright, mode RGB.
        evidence: of the same picture.
        label: whose map to draw.

    Returns:
        A new picture of the same size.
    """
    levels = heat(evidence, label)
    left, top, right, bottom = (
        round(edge * side)
        for edge, side in zip(evidence.region, (picture.width, picture.height) * 2, strict=True)
    )
    fine = Image.fromarray((levels * 255).round().astype(np.uint8)).resize(
        (max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC
    )
    full = Image.new("L", picture.size, 0)
    full.paste(fine, (left, top))
    level = np.asarray(full, dtype=np.float64) / 255.0
    return _coloured(np.asarray(picture.convert("L"), dtype=np.float64), level)


def _coloured(grey: NDArray[np.float64], level: NDArray[np.float64]) -> Image.Image:
    """Return a grey picture (0..255) coloured by levels of evidence (0..1), both (h, w)."""
    grey, weight = grey[..., None], HEAT_OPACITY * np.clip(level[..., None] * 1.6, 0.0, 1.0)
    base = np.repeat(0.65 * grey + 50.0, 3, axis=2)
    mixed = base * (1 - weight) + (0.35 * grey + 0.65 * _ramp(level)) * weight
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def heat(evidence: EvidenceMap, label: str) -> NDArray[np.float64]:
    """Return a label's map scaled to 0..1, as it is drawn.

    Args:
        evidence: of one picture.
        label: whose map.

    Returns:
        float (h, w), 1 where the map is strongest; of an additive map only values above 0.
    """
    values = np.asarray(evidence.of(label), dtype=np.float64)
    values = np.maximum(values, 0.0) if evidence.kind == "additive" else values - values.min()
    top = values.max()
    return values / top if top > 0 else np.zeros_like(values)


def _ramp(level: NDArray[np.float64]) -> NDArray[np.float64]:
    ramp = np.array(HEAT_RAMP, dtype=np.float64)
    points = np.linspace(0.0, 1.0, len(HEAT_RAMP))
    return np.stack([np.interp(level, points, ramp[:, c]) for c in range(3)], axis=-1)


def _panel(prediction: Prediction, label: str) -> Image.Image:
    """Return the text beside the pictures: the answer, a bar per emotion, the legend."""
    rows = prediction.ranked()
    panel = Image.new("RGB", (_PANEL, 330 + len(rows) * _ROW), _PAPER)
    draw = ImageDraw.Draw(panel)
    big, normal, small = (ImageFont.load_default(size) for size in (30, 18, 15))
    _draw_glyph(draw, prediction.emotion, (14, 18), 14)
    draw.text((40, 0), f"{prediction.emotion} {prediction.confidence:.0%}", _INK, big)
    y = 46
    if prediction.positive is not None and prediction.polarity is not None:
        share = max(prediction.positive, 1 - prediction.positive)
        draw.text((0, y), f"{prediction.polarity} {share:.0%}", _QUIET, normal)
        for line in _polarity_lines(prediction):
            y += 22
            draw.text((0, y + 4), line, _QUIET, small)
        y += 28
    draw.text((0, y), _set_line(draw, prediction.prediction_set, small), _QUIET, small)
    y += 36
    for name, probability in rows:
        _draw_row(draw, name, probability, (0, y), name in prediction.prediction_set)
        y += _ROW
    for line in prediction.affect_in_words:
        draw.text((0, y), line, _QUIET, small)
        y += 20
    return panel.crop((0, 0, _PANEL, _draw_legend(panel, prediction, label, y + 12)))


def _polarity_lines(prediction: Prediction) -> list[str]:
    """Return what the polarity's share is made of, and why it may not be the emotion's own."""
    lines = [f"the shares of all {prediction.polarity} emotions together;"]
    if label_polarity(prediction.emotion) is prediction.polarity:
        return [f"{lines[0].rstrip(';')}"]
    return [*lines, f"{prediction.emotion} is only the likeliest single one"]


def _draw_legend(panel: Image.Image, prediction: Prediction, label: str, y: int) -> int:
    """Draw what the colours mean, and return where it ends."""
    draw, small = ImageDraw.Draw(panel), ImageFont.load_default(15)
    if prediction.evidence is None:
        draw.text((0, y), "this model gives no evidence map", _QUIET, small)
        return y + 22
    draw.text((0, y), f"where the picture speaks for {label}:", _QUIET, small)
    level = np.tile(np.linspace(0.0, 1.0, 180), (14, 1))
    panel.paste(_coloured(np.full(level.shape, 128.0), level), (70, y + 26))
    draw.text((0, y + 23), "nowhere", _QUIET, small)
    draw.text((258, y + 23), "most", _QUIET, small)
    return y + 46


def _set_line(draw: ImageDraw.ImageDraw, labels: tuple[str, ...], font: _Font) -> str:
    """Return the prediction set in one line, cut at the end where it is too long."""
    for kept in range(len(labels), 0, -1):
        line = "plausible: " + ", ".join(labels[:kept]) + (", ..." if kept < len(labels) else "")
        if draw.textlength(line, font) <= _PANEL:
            return line
    return f"plausible: {len(labels)} labels"


def _draw_row(
    draw: ImageDraw.ImageDraw, name: str, probability: float, at: tuple[int, int], *flags: bool
) -> None:
    x, y = at
    ink = _INK if any(flags) else _QUIET
    font = ImageFont.load_default(18)
    _draw_glyph(draw, name, (x + 8, y + 12), 8)
    draw.text((x + 26, y), name, ink, font)
    left, right = x + 150, x + _PANEL - 60
    draw.rounded_rectangle((left, y + 3, right, y + 21), 4, _TRACK)
    length = round((right - left) * probability)
    if length >= 2:
        draw.rounded_rectangle(
            (left, y + 3, left + length, y + 21), min(4, length // 2), style_of(name).rgb
        )
    draw.text((x + _PANEL, y), f"{probability:.0%}", ink, font, anchor="ra")


_POLYGONS = {"▲": (3, -90), "▼": (3, 90), "◆": (4, -90), "■": (4, -45)}
_STARS = {"★": (5, 0.45), "✦": (4, 0.38)}


def _draw_glyph(
    draw: ImageDraw.ImageDraw, label: str, centre: tuple[int, int], radius: int
) -> None:
    style = style_of(label)
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    if style.glyph in _POLYGONS:
        sides, turn = _POLYGONS[style.glyph]
        draw.polygon(_around(centre, [radius] * sides, turn), style.rgb)
    elif style.glyph in _STARS:
        points, inner = _STARS[style.glyph]
        draw.polygon(_around(centre, [radius, radius * inner] * points, -90), style.rgb)
    elif style.glyph == "✖":
        width = max(3, radius // 2)
        draw.line((box[0], box[1], box[2], box[3]), style.rgb, width)
        draw.line((box[0], box[3], box[2], box[1]), style.rgb, width)
    elif style.glyph == "●":
        draw.ellipse(box, style.rgb)
    else:
        draw.ellipse(box, None, style.rgb, 3)


def _around(
    centre: tuple[int, int], radii: list[float] | list[int], turn: float
) -> list[tuple[float, float]]:
    angles = [math.radians(turn + 360 * i / len(radii)) for i in range(len(radii))]
    return [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for radius, angle in zip(radii, angles, strict=True)
    ]


_THUMBNAIL = 224


def prediction_html(prediction: Prediction) -> str:
    """Return a prediction as HTML for a notebook: the picture, and a bar per emotion.

    The picture is the one that the prediction keeps, else that of its path, where it can be
    read; it is drawn anew, without its file's metadata.
    """
    rows = "".join(_bar_html(prediction, label, p) for label, p in prediction.ranked())
    name = html.escape(prediction.path or "image")
    plausible = html.escape(", ".join(prediction.prediction_set))
    affect = "".join(f"<div>{html.escape(line)}</div>" for line in prediction.affect_in_words)
    notes = "".join(f"<div>note: {html.escape(note)}</div>" for note in prediction.warnings)
    return (
        '<div style="display:flex;gap:1em;align-items:flex-start;font-family:sans-serif;'
        f'font-size:13px">{_thumbnail_html(prediction)}<div><b>{name}</b>'
        f'<table style="border:0">{rows}</table><div>plausible: {plausible}</div>{affect}{notes}'
        "</div></div>"
    )


def _bar_html(prediction: Prediction, label: str, probability: float) -> str:
    faint = "" if label in prediction.prediction_set else ";opacity:.55"
    bar = (
        f'<div style="width:{180 * probability:.0f}px;height:10px;'
        f'background:{style_of(label).colour}"></div>'
    )
    return (
        f'<tr style="background:transparent{faint}"><td style="text-align:left">'
        f"{html.escape(label)}</td><td>{probability:.1%}</td>"
        f'<td style="text-align:left;width:180px">{bar}</td></tr>'
    )


def _thumbnail_html(prediction: Prediction) -> str:
    picture = prediction.picture
    if picture is None and prediction.path is not None and Path(prediction.path).is_file():
        try:
            picture = open_picture(prediction.path, min_size=(_THUMBNAIL, _THUMBNAIL)).image
        except ImageError:
            picture = None
    if picture is None:
        return ""
    small = picture.convert("RGB")
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=85)
    source = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<img alt="" src="data:image/jpeg;base64,{source}">'
