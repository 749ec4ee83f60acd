"""A search for image files in folders, and printable names of files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from evoca.errors import ImageError
from evoca.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "EXPLAINED_SUFFIX",
    "IMAGE_SUFFIXES",
    "LeftOut",
    "Say",
    "backslash_hint",
    "find_images",
    "folder_images",
    "is_image",
    "printable_name",
    "walk_order",
]

Say: TypeAlias = "Callable[[str], None]"
"""Called with a line on what was left out."""

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "gif", "webp", "avif", "bmp"),
        *("dib", "tif", "tiff", "jp2", "j2k", "ppm", "pgm", "pbm", "pnm", "heic", "heif", "hif"),
    )
)
"""Suffixes, in lower case, by which a folder walk recognises images."""


EXPLAINED_SUFFIX = ".evoca.png"
"""The end of the names of pictures that ``evoca predict --explain`` draws."""


def find_images(
    folder: str | Path,
    on_error: Callable[[OSError], None] | None = None,
    on_explained: Callable[[Path], None] | None = None,
    on_left_out: Callable[[Path, str], None] | None = None,
    top: str | Path | None = None,
) -> Iterator[Path]:
    """Yield the images in a folder and below, in a stable order.

    Images are recognised by their suffix. Files without a suffix, or with an unknown one
    (``x.jpg_large``, ``Dr. Smith 12.5``), are recognised by their first bytes. Links to folders
    are followed, but not into a folder that is also walked otherwise, so a loop of links ends.
    Hidden files and folders (a leading dot) are left out, and so are pictures that Evoca drew
    (:data:`EXPLAINED_SUFFIX`).

    Args:
        folder: where to start.
        on_error: called for each folder that cannot be listed; the walk continues.
        on_explained: called for each picture that is left out because Evoca drew it.
        on_left_out: called for everything else that a user might have meant, with the reason
            why it is left out: pictures in formats that are not read, links that lead back.
        top: of the whole walk that this one is a part of, into which no link is followed;
            ``folder`` if omitted.

    Yields:
        Paths below the folder.

    Raises:
        OSError: the folder itself, or one below it, cannot be listed, and there is no
            ``on_error``.
    """

    def fail(error: OSError) -> None:
        raise error

    def leave_out(path: Path, why: str) -> None:
        if on_left_out is not None:
            on_left_out(path, why)

    links = _Links(Path(top or folder))
    for root, folders, files in os.walk(folder, onerror=on_error or fail, followlinks=True):
        kept = []
        for name in sorted(folders):
            if name.startswith("."):
                continue
            why_not = links.why_not(os.path.join(root, name))  # noqa: PTH118
            if why_not:
                leave_out(Path(root) / name, why_not)
            else:
                kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            path = Path(root) / name
            if name.startswith("."):
                continue
            if name.endswith(EXPLAINED_SUFFIX):
                if on_explained is not None:
                    on_explained(path)
            elif is_image(path):
                yield path
            elif path.suffix.lower() in _UNREAD_SUFFIXES:
                leave_out(path, f"{path.suffix.lower()}, a format that is not read")


def folder_images(folder: Path, say: Say) -> Iterator[Path | ImageError]:
    """Yield the images of a folder and below, and an error for each folder without any.

    Pictures that ``--explain`` drew earlier are left out, and counted in a line.

    Args:
        folder: where to start.
        say: called at the end with a line for each kind of file that was left out.
    """
    unreadable: list[OSError] = []
    explained: list[Path] = []
    left_out = LeftOut()
    found = False
    for path in find_images(folder, unreadable.append, explained.append, left_out):
        found = True
        yield path
    name = printable_name(folder)
    if left_out:
        say(f"{name}: {left_out}")
    if explained:
        say(
            f"{name}: left out {counted(len(explained), 'explained picture')} "
            f"(*{EXPLAINED_SUFFIX}); give "
            "one by name to predict it"
        )
    for error in unreadable:
        reason = error.strerror or str(error)
        yield ImageError(f"cannot be read: {reason}", printable_name(error.filename or folder))
    if not found and not unreadable:
        yield ImageError("no images in this folder", name)


class _Links:
    """The folders that a walk has visited, so that no link leads into one of them again."""

    def __init__(self, top: Path) -> None:
        self._top = os.path.realpath(top)
        self._tops = [self._top]
        self._seen: set[str] = set()

    def why_not(self, folder: str) -> str | None:
        """Return a reason not to walk into a folder below the top; record it if there is none."""
        real = os.path.realpath(folder)
        is_link = os.path.islink(folder)  # noqa: PTH114
        if is_link and self._top.startswith(real.rstrip(os.sep) + os.sep):
            return "links to folders above this one"
        # A folder is walked at its own place, not by links; a hidden one only by links.
        inside = any(
            real == top or (real.startswith(top + os.sep) and os.sep + "." not in real[len(top) :])
            for top in self._tops
        )
        if real in self._seen or (is_link and inside):
            return "folders that are read already, by a link"
        if is_link:
            self._tops.append(real)
        self._seen.add(real)
        return None


_UNREAD_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jxl", "jxr", "svg", "psd", "xcf", "ico", "tga", "eps", "exr", "hdr", "webm", "mp4"),
        *("dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "raw"),
    )
)
# Kinds of files that are often beside images by the thousand; they need not be opened.
_OTHER_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("txt", "md", "json", "jsonl", "csv", "tsv", "xml", "yaml", "yml", "html", "htm", "log"),
        *("pdf", "doc", "docx", "xls", "xlsx", "db", "sqlite", "ini", "url", "lnk", "exe", "dll"),
        *("py", "ipynb", "sh", "js", "css", "zip", "tar", "gz", "tgz", "7z", "rar", "parquet"),
        *("npy", "npz", "pt", "pth", "onnx", "safetensors", "mat", "pkl", "h5"),
        *("mov", "avi", "mkv", "mpg", "m4v", "mp3", "wav", "m4a", "srt", "xmp", "aae", "thm"),
    )
)
# After an image's suffix: a copy's number or word, as download managers and sites add it.
_SUFFIX_BEFORE = re.compile(
    r"\.(?:" + "|".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES)) + r")(?![a-z])", re.I
)
_HEAD_BYTES = 1024  # a HEIF file names its brands in its first bytes


def is_image(path: Path) -> bool:
    """Return whether a file is an image, by its suffix or, if unknown, its first bytes."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return True
    known = suffix in _UNREAD_SUFFIXES or suffix in _OTHER_SUFFIXES
    if known and not _SUFFIX_BEFORE.search(path.name):
        return False
    # A pipe would wait for ever; the formats are imported here to keep the start fast.
    from evoca.images.formats import is_known_format

    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return is_known_format(file.read(_HEAD_BYTES))
    except OSError:
        return False


@dataclass
class LeftOut:
    """The files that a walk leaves out, by reason, for one line of a report.

    Attributes:
        reasons: reason to the paths.
    """

    reasons: dict[str, list[Path]] = field(default_factory=dict)

    def __call__(self, path: Path, why: str) -> None:
        """Add a path with its reason."""
        self.reasons.setdefault(why, []).append(path)

    def update(self, other: LeftOut) -> None:
        """Add the files that another walk left out."""
        for why, paths in other.reasons.items():
            self.reasons.setdefault(why, []).extend(paths)

    def __len__(self) -> int:
        return sum(map(len, self.reasons.values()))

    def __str__(self) -> str:
        """Return all reasons on one line; empty where nothing was left out.

        >>> left_out = LeftOut()
        >>> left_out(Path("a.psd"), ".psd, a format that is not read")
        >>> print(left_out)
        left out: 1 (.psd, a format that is not read; first a.psd)
        """
        if not self.reasons:
            return ""
        parts = (
            f"{len(paths):,} ({why}; first {printable_name(paths[0])})"
            for why, paths in self.reasons.items()
        )
        return f"left out: {', '.join(parts)}"


def walk_order(name: str) -> tuple[tuple[bool, str], ...]:
    """Return a key that sorts names of files in the order of :func:`find_images`.

    This order is by folder, the files of a folder before the folders below it.

    >>> sorted(["awe/old/1.png", "awe/2.png", "anger/3.png"], key=walk_order)
    ['anger/3.png', 'awe/2.png', 'awe/old/1.png']
    """
    *folders, file = name.split("/")
    return (*((True, folder) for folder in folders), (False, file))


def backslash_hint(name: str) -> str:
    r"""Return a hint for the message that a file is not there; empty for most names.

    >>> print(backslash_hint("awe/1.jpg"), backslash_hint("awe\\1.jpg"))
     (paths on Windows have backslashes: write / in their place)
    """
    if "\\" not in name or os.sep == "\\":
        return ""
    return " (paths on Windows have backslashes: write / in their place)"


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
