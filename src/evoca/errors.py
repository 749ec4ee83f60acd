"""Every error Evoca raises on purpose: one line that says what, where and what to do."""

from __future__ import annotations

import re

__all__ = [
    "BundleError",
    "DataError",
    "EvocaError",
    "ImageError",
    "MissingExtraError",
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
            f"{what} needs the package {missing}: install it with pip install 'evoca[{extra}]'"
        )
