"""Images that are given by address: each is fetched, when its turn comes, and decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from evoca.errors import ImageError, needs_extra
from evoca.prediction import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from evoca.data.download.single import FetchedImage

__all__ = ["Fetch", "RemoteImage"]


@dataclass(eq=False)
class RemoteImage:
    """An image by its address.

    Attributes:
        url: as it was given.
        fetched: the result; ``None`` until :meth:`fetch`.
    """

    url: str
    fetched: FetchedImage | ImageError | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """The file's name in the address, or the server's."""
        parts = urlsplit(self.url)
        return PurePosixPath(parts.path).name or parts.netloc

    def fetch(
        self, min_size: tuple[int, int] | None, *, networks: tuple[str, ...] = ()
    ) -> Image.Image | bytes:
        """Return the fetched picture, or bytes that are no image where there is none.

        Args:
            min_size: (width, height) that a scaled JPEG decode must not fall below.
            networks: that may be reached although they are not public.

        Raises:
            MissingExtraError: the extra ``data`` is not installed.
        """
        with needs_extra("data"):
            from evoca.data.download.addresses import AddressPolicy
            from evoca.data.download.single import fetch_image
        try:
            found = fetch_image(self.url, min_size=min_size, addresses=AddressPolicy.of(networks))
        except ImageError as error:
            self.fetched = error
            return b""
        self.fetched = found
        return found.decoded.image

    def named(self, predicted: Prediction | ImageError) -> Prediction | ImageError:
        """Return a prediction with the picture's address, and with the notes on its file."""
        if self.fetched is None or isinstance(self.fetched, ImageError):
            return self.fetched or ImageError("not fetched", self.url)
        if isinstance(predicted, ImageError):
            return ImageError(predicted.cause, self.url)
        decoded = self.fetched.decoded
        return replace(
            predicted,
            path=self.url,
            size=decoded.size,
            sha256=self.fetched.sha256,
            warnings=(*decoded.notes, *predicted.warnings),
        )

    @property
    def picture(self) -> Image.Image | bytes:
        """The picture that was fetched; bytes that are no image where there is none."""
        if self.fetched is None or isinstance(self.fetched, ImageError):
            return b""
        return self.fetched.decoded.image


Fetch = Callable[[RemoteImage], "Image.Image | bytes"]
"""Fetches one image; see :meth:`RemoteImage.fetch`."""
