"""Find image files under paths, and print their names safely."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["EXPLAINED_SUFFIX", "IMAGE_SUFFIXES", "find_images", "printable_name", "walk_order"]

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "gif", "webp", "avif", "bmp"),
        *("dib", "tif", "tiff", "jp2", "j2k", "ppm", "pgm", "pbm", "pnm", "heic", "heif", "hif"),
    )
)
"""Suffixes, in lower case, by which a folder walk recognises images."""


EXPLAINED_SUFFIX = ".evoca.png"
"""How the names of pictures end that ``evoca predict --explain`` draws."""


def find_images(
    folder: Path,
    on_error: Callable[[OSError], None] | None = None,
    on_explained: Callable[[Path], None] | None = None,
) -> Iterator[Path]:
    """Walk a folder for files with an image suffix, in a stable order.

    Hidden files and folders (a leading dot) are left out, and so are pictures that Evoca
    drew (:data:`EXPLAINED_SUFFIX`); links to folders are not followed, so a loop of
    links ends.

    Args:
        folder: where to start.
        on_error: is told of each folder that cannot be listed, and the walk goes on.
        on_explained: is told of each picture that is left out because Evoca drew it.

    Yields:
        Paths below the folder.

    Raises:
        OSError: the folder itself, or one below it, cannot be listed, and there is no
            ``on_error``.
    """

    def fail(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=on_error or fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or Path(name).suffix.lower() not in IMAGE_SUFFIXES:
                continue
            path = Path(root) / name
            if not name.endswith(EXPLAINED_SUFFIX):
                yield path
            elif on_explained is not None:
                on_explained(path)


def walk_order(name: str) -> tuple[tuple[bool, str], ...]:
    """Return a key that sorts names of files as :func:`find_images` finds them.

    That is by folder, the files of a folder before what lies in folders below it.

    >>> sorted(["awe/old/1.png", "awe/2.png", "anger/3.png"], key=walk_order)
    ['anger/3.png', 'awe/2.png', 'awe/old/1.png']
    """
    *folders, file = name.split("/")
    return (*((True, folder) for folder in folders), (False, file))


def printable_name(path: str | os.PathLike[str]) -> str:
    """Return a path as valid UTF-8 text.

    A name that is valid UTF-8 is returned as it is. In any other, each undecodable
    byte becomes ``%XX`` and a literal ``%`` becomes ``%25``, so nothing is lost.

    >>> printable_name("50%.jpg")
    '50%.jpg'
    >>> printable_name(os.fsdecode(b"50% caf" + bytes([0xE9]) + b".jpg"))
    '50%25 caf%E9.jpg'
    """
    text = os.fspath(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join(_percent_encoded(character) for character in text)
    return text


def _percent_encoded(character: str) -> str:
    code = ord(character)
    if character == "%":
        return "%25"
    if not 0xD800 <= code <= 0xDFFF:
        return character
    if 0xDC80 <= code <= 0xDCFF:  # how Python stores the undecodable byte 0xNN: U+DCNN
        return f"%{code - 0xDC00:02X}"
    # Names on Windows may hold other lone surrogates: the bytes that UTF-8 would give them.
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
