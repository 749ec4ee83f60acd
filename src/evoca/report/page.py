"""The page: filled templates with style and script inside, and nothing to download.

Every string passes Jinja's automatic escaping. With the policy in the page the browser runs
only the script and style with the given hashes, loads images only from the page, and connects
to nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from evoca import __version__
from evoca.emotions import MIKELS8, style_of

__all__ = ["emotion_class", "page_parts"]

_STYLES = ("base", "layout", "numbers", "matrix", "plots", "images", "predictions", "timeline")
_SHARED = ("store", "pictures", "cards", "detail", "gallery")
_SCRIPTS = {
    "report": (*_SHARED, "filters", "matrix", "tables", "tabs"),
    "predictions": (*_SHARED, "predictions"),
    "timeline": ("timeline",),
}


def page_parts(content: Mapping[str, Any], page: str = "report") -> Iterator[str]:
    """Yield the page in parts, so that thousands of images are not copied in memory.

    Args:
        content: of the templates, without style, script and policy.
        page: ``report``, ``predictions`` or ``timeline``, which alone may play films beside it.
    """
    style, script = _style(), _script(_SCRIPTS[page])
    yield from (
        _templates()
        .get_template(f"{page}.html.j2")
        .stream(
            content,
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704
            policy=_policy(style, script, media=page == "timeline"),
            version=__version__,
        )
    )


@cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("evoca.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["emotion_class"] = emotion_class
    templates.filters["glyph"] = lambda label: style_of(label).glyph
    templates.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return templates


def emotion_class(label: str) -> str:
    """Return the CSS class with an emotion's colour.

    >>> emotion_class("awe"), emotion_class('"><script>')
    ('e-awe', 'e-other')
    """
    return f"e-{label}" if label in set(MIKELS8) else "e-other"


def _style() -> str:
    colours = "".join(
        f".{emotion_class(label)}{{--emotion:{style_of(label).colour}}}\n"
        for label in (*map(str, MIKELS8), "other")
    )
    return "\n".join([*_assets(f"{name}.css" for name in _STYLES), colours])


def _script(names: Iterable[str]) -> str:
    return '"use strict";\n(() => {\n' + "\n".join(_assets(f"{n}.js" for n in names)) + "})();\n"


def _assets(names: Iterable[str]) -> list[str]:
    folder = resources.files(__package__) / "assets"
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _policy(style: str, script: str, *, media: bool) -> str:
    # A page opened as a file has no origin that 'self' could name.
    films = "media-src 'self' file:; " if media else ""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        f"img-src data:; {films}base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"sha256-{digest}"
