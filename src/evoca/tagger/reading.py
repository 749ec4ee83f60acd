"""The bytes of images that are no files of this machine: members of archives, addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EvocaError, ImageError, first_line, needs_extra
from evoca.images.addresses import is_address, scheme_of
from evoca.images.decode import ImageLimits
from evoca.images.isolated import DecodingPool
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import LoadedImage, pixels_of
from evoca.images.walk import printable_name
from evoca.tagger.inputs import Listed, open_archive

if TYPE_CHECKING:
    from evoca.data.readers.tar import TarMember, TarReader

__all__ = ["MemberReader", "fetched", "first_pixels", "load_listed"]

_SAMPLED = 8


def load_listed(
    image: Listed,
    data: bytes | ImageError | None,
    pool: DecodingPool,
    preprocessing: Preprocessing,
    limits: ImageLimits,
) -> LoadedImage:
    """Return an image that was listed, decoded in another process.

    Args:
        image: to read.
        data: of a member of an archive, or why there is none; ``None`` of other images.
        pool: that decodes.
        preprocessing: of the model.
        limits: on the image.

    Raises:
        ImageError: it cannot be read.
        DecodingStoppedError: the pool was stopped.
        MissingExtraError: a package that reads its address is not installed.
    """
    if isinstance(data, ImageError):
        raise data
    if data is None and scheme_of(image.place):
        data = fetched(image.place, limits)
    return pool.load(Path(image.place) if data is None else data, preprocessing, limits)


def first_pixels(images: Iterable[Listed], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return pixels to measure an engine with, uint8 (8, H, W, 3).

    They are those of the first images that are files; black where none of them can be read.
    """
    shape = preprocessing.height, preprocessing.width, 3
    found = []
    for image in islice(images, _SAMPLED):
        if not (image.member or image.problem or scheme_of(image.place)):
            with suppress(ImageError):
                found.append(pixels_of(Path(image.place), preprocessing))
    return np.resize(np.stack(found or [np.zeros(shape, np.uint8)]), (_SAMPLED, *shape))


class MemberReader:
    """Reads members of archives in their order, each archive from front to back once.

    A context manager; not to be shared between threads.
    """

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._place = ""
        self._opened = ExitStack()
        self._archive: TarReader | None = None
        self._members: Iterator[TarMember] = iter(())

    def __enter__(self) -> MemberReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._place, self._archive, self._members = "", None, iter(())
        self._opened.close()

    def read(self, image: Listed) -> bytes | ImageError:
        """Return the bytes of a member, or why there are none."""
        try:
            data = self._next(image.member) if image.place == self._place else None
            if data is None:  # another archive, or it lies before
                self._open(image.place)
                data = self._next(image.member)
        except ImageError as error:
            return error
        except EvocaError as error:
            name = printable_name(image.place)
            return ImageError(str(error).removeprefix(f"{name}: "), image.path)
        except Exception as error:  # each store has errors of its own
            if not scheme_of(image.place):
                raise
            return ImageError(f"cannot be read: {first_line(error)}", image.path)
        return ImageError("no longer in this archive", image.path) if data is None else data

    def _next(self, name: str) -> bytes | None:
        """Return the bytes of the next member of a name; ``None`` where none follows."""
        assert self._archive is not None
        for member in self._members:
            if member.name == name:
                self._limits.check_bytes(member.size)
                return self._archive.read()
        return None

    def _open(self, place: str) -> None:
        self.__exit__(None, None, None)
        self._archive = self._opened.enter_context(open_archive(place))
        self._members, self._place = iter(self._archive), place


def fetched(address: str, limits: ImageLimits) -> bytes:
    """Return the bytes at an address of the web, or of a store that fsspec can read.

    Of the web, public addresses alone are connected to, as ``evoca data download`` does.

    Raises:
        ImageError: it cannot be fetched, or is too large.
        MissingExtraError: a package for it is not installed.
    """
    if is_address(address):
        with needs_extra("data"):
            from evoca.data.download.single import fetch_bytes
        return fetch_bytes(address)
    with needs_extra("remote"):
        import fsspec
    try:
        with fsspec.open(address, "rb") as file:
            data: bytes = file.read(limits.max_bytes + 1)
    except Exception as error:  # each store has errors of its own
        raise ImageError(f"cannot be read: {first_line(error)}", address) from error
    limits.check_bytes(len(data))
    return data
