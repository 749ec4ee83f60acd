"""Every error Evoca raises on purpose: one line that says what, where and what to do."""

from __future__ import annotations

__all__ = ["BundleError", "DataError", "EvocaError", "ImageError", "MissingExtraError"]


class EvocaError(Exception):
    """Base of all errors that Evoca raises on purpose."""


class ImageError(EvocaError, ValueError):
    """An input that cannot be read as an image.

    Attributes:
        cause: what is wrong, without the input's name.
        source: the printable name of the input; empty where it has none.
    """

    def __init__(self, cause: str, source: str = "") -> None:
        super().__init__(cause, source)
        self.cause = cause
        self.source = source

    def __str__(self) -> str:
        return f"{self.source}: {self.cause}" if self.source else self.cause


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
