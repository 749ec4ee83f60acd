"""Every error Evoca raises on purpose: one line that says what, where and what to do."""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "BundleError",
    "DataError",
    "EvocaError",
    "ImageError",
    "MissingExtraError",
    "install_hint",
    "single_line",
]

# Control characters, line and paragraph separators, direction overrides, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def single_line(text: str) -> str:
    r"""Escape what would break the line, steer the terminal or cannot be printed.

    >>> single_line("a\nb\x1b[31m.jpg")
    'a\\nb\\x1b[31m.jpg'
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class EvocaError(Exception):
    """Base of all errors that Evoca raises on purpose."""


class ImageError(EvocaError, ValueError):
    """An input that cannot be read as an image.

    Attributes:
        cause: what is wrong, without the input's name.
        source: the printable name of the input; empty where it has none. It may hold
            control characters, as file names may; the message shows them escaped.
    """

    def __init__(self, cause: str, source: str = "") -> None:
        super().__init__(cause, source)
        self.cause = cause
        self.source = source

    def __str__(self) -> str:
        return single_line(f"{self.source}: {self.cause}" if self.source else self.cause)


class BundleError(EvocaError, ValueError):
    """A model bundle that is missing, damaged, too new, or untrue about itself."""


class DataError(EvocaError, ValueError):
    """Labelled images that cannot be used as they are."""


class MissingExtraError(EvocaError, ImportError):
    """A part of Evoca that needs an extra which is not installed."""

    def __init__(self, what: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{what} needs the package {missing}: install it with {install_hint(extra)}"
        )


def install_hint(extra: str = "", *, options: str = "") -> str:
    """Return what to type to install Evoca again as it was installed, with an extra.

    Installers note in ``direct_url.json`` (PEP 610) where a package came from that was not
    taken from an index: a folder, a file or a repository.

    Args:
        extra: name of an extra; none if empty.
        options: of ``pip install``, such as ``--upgrade``.
    """
    from pathlib import Path  # only here: what imports these must start quickly
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    command = f"pip install {options}".rstrip()
    name = f"evoca[{extra}]" if extra else "evoca"
    origin = _origin()
    if origin is None:  # from an index
        return f"{command} {_quoted(name)}"
    url = str(origin.get("url", ""))
    if "archive_info" in origin:
        return single_line(f"{command} {_quoted(f'{name} @ {url}')}")
    if isinstance(vcs := origin.get("vcs_info"), dict):
        source = f"{name} @ {vcs.get('vcs')}+{url}"
        return single_line(f"{command} {_quoted(source)}")
    folder = Path(url2pathname(urlsplit(url).path))
    there = bool(url) and (folder / "pyproject.toml").is_file()
    place = f"in {folder}" if there else "in the clone of Evoca"
    return single_line(f"{command} {_quoted(f'.[{extra}]' if extra else '.')} {place}")


def _origin() -> dict[str, Any] | None:
    """Read where Evoca came from; ``None``: an index, ``{}``: nobody installed it."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution("evoca").read_text("direct_url.json")
        found = None if noted is None else json.loads(noted)
    except (PackageNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else None


def _quoted(requirement: str) -> str:
    """Quote for a shell where it is needed: brackets and spaces are special."""
    return f"'{requirement}'" if set(requirement) & set("[ ") else requirement
