"""The inputs of a predictor that a user names: files, folders and addresses, in order.

An image that is given by address is fetched, when its turn comes, and decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from evoca.errors import ImageError, needs_extra
from evoca.images.addresses import is_address, local_path
from evoca.images.walk import Say, folder_images
from evoca.prediction import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from evoca.data.download.single import FetchedImage

__all__ = ["Fetch", "RemoteImage", "Source", "list_sources", "predict_sources"]


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

Source: TypeAlias = Path | RemoteImage | ImageError
"""One input: a file, an address, or what a path turned out to be."""


def list_sources(paths: Sequence[str], say: Say) -> Iterator[Source]:
    """Yield the inputs that some texts name: folders walked, an empty folder as an error.

    Pictures that ``--explain`` drew earlier are left out of a folder; given by name they are
    inputs like any other.

    Args:
        paths: files, folders and addresses.
        say: called with a line for what a folder leaves out.

    >>> [str(found) for found in list_sources(["photo.jpg", ""], print)]
    ['photo.jpg', 'an empty path']
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
        if is_folder:
            yield from folder_images(path, say)
        else:
            yield path


def predict_sources(
    stream: Callable[[Iterable[Any]], Iterator[Prediction | ImageError]],
    sources: Sequence[Source],
    fetch: Fetch,
) -> Iterator[Prediction | ImageError]:
    """Yield the model's prediction of each input, or its error, in order.

    Args:
        stream: of a predictor, such as :meth:`evoca.Predictor.stream`.
        sources: as :func:`list_sources` yields them.
        fetch: fetches those that are addresses.
    """
    predictions = stream(
        fetch(item) if isinstance(item, RemoteImage) else item
        for item in sources
        if not isinstance(item, ImageError)
    )
    for item in sources:
        if isinstance(item, ImageError):
            yield item
        else:
            predicted = next(predictions)
            yield item.named(predicted) if isinstance(item, RemoteImage) else predicted
