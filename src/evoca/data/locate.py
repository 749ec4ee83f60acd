"""Where the images of a source are, and what a manifest should call them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from evoca.images import printable_name

__all__ = ["Located", "Locator", "locate_all"]


class Locator:
    """Checks the image of each row and names it for the manifest."""

    def __init__(
        self, root: Path, manifest_folder: Path, *, files_required: bool, also: Path | None = None
    ) -> None:
        """Prepare.

        Args:
            root: folder that the rows' paths start from and must stay inside.
            manifest_folder: folder that the names will be relative to.
            files_required: refuse a row whose image is not there.
            also: another folder that an absolute path may lie in.
        """
        # abspath, not resolve: names keep the links that the user's folders go through.
        self._root = os.path.abspath(root)  # noqa: PTH100
        self._home = os.path.abspath(manifest_folder)  # noqa: PTH100
        self._also = None if also is None else os.path.abspath(also)  # noqa: PTH100
        self._files_required = files_required
        self._prefix = self._named(self._root).rstrip("/") + "/"
        if self._root == self._home:
            self._prefix = ""

    def __call__(self, name: str, linked: bool) -> Located:
        """Return the manifest's name for an image, or why it cannot be used.

        Args:
            name: path as the source states it.
            linked: the row has a link that the image can be fetched from.
        """
        if not name:
            return "", None
        if not name.isprintable() and not _is_text(name):
            return printable_name(name), "the file name is not valid UTF-8; rename the file"
        simple = ".." not in name and "//" not in name and "./" not in name and name[0] != "/"
        path = f"{self._root}/{name}" if simple else os.path.normpath(f"{self._join(name)}")
        if not simple and not self._inside(path):
            return name, f"outside the data set's folder: {name}"
        if not os.path.isfile(path):  # noqa: PTH113
            if self._files_required and not linked:
                return name, f"no such file: {name}"
            # Nothing is there yet: it will be fetched to a place beside the manifest.
            return name, None
        return (self._prefix + name if simple else self._named(path)), None

    def _join(self, name: str) -> str:
        return os.path.join(self._root, name)  # noqa: PTH118

    def _inside(self, path: str) -> bool:
        roots = (self._root, self._also)
        return any(root is not None and path.startswith(root + os.sep) for root in roots)

    def _named(self, path: str) -> str:
        if path.startswith(self._home.rstrip(os.sep) + os.sep):
            return os.path.relpath(path, self._home)
        return path


Located = tuple[str, str | None]
"""The name for the manifest, and why the row is refused or ``None``."""


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def locate_all(
    locator: Locator, names: Sequence[object], links: Sequence[object] | None
) -> tuple[list[str], list[str | None]]:
    """Locate many images; a link is whatever is not empty."""
    found = [
        locator(str(name or "").strip(), bool(link))
        for name, link in zip(names, links or [None] * len(names), strict=True)
    ]
    return [name for name, _ in found], [cause for _, cause in found]
