"""The files of a source's images, and their names in a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from evoca.images.walk import backslash_hint, printable_name

__all__ = ["NOT_UTF8", "Locator"]

NOT_UTF8 = "the file name is not valid UTF-8; rename the file"
"""Why an image that no table could name is refused."""

# A leading slash, a doubled one, dots for a part, bytes that are not UTF-8.
_UNUSUAL = re.compile(r"^/|//|(?:^|/)\.\.?(?:/|$)|[\ud800-\udfff]", re.MULTILINE)


class Locator:
    """Checks the images of rows and names them for the manifest."""

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
        self._is_folder = cache(os.path.isdir)
        same = self._root == self._home
        self._prefix = "" if same else self._named(self._root).rstrip("/") + "/"

    def __call__(
        self, names: Sequence[str], linked: Sequence[bool]
    ) -> tuple[list[str], list[str | None]]:
        """Return the images of some rows, located.

        Args:
            names: paths as the source states them; empty where there is none.
            linked: whether each row has a link that the image can be fetched from.

        Returns:
            The names for the manifest, and why each row is refused or ``None``.
        """
        # One search over all names finds whether any of them needs a closer check.
        plain = _UNUSUAL.search("\n".join(names)) is None
        found = [self._locate(name, link, plain) for name, link in zip(names, linked, strict=True)]
        return [name for name, _ in found], [cause for _, cause in found]

    def _locate(self, name: str, linked: bool, plain: bool) -> tuple[str, str | None]:
        if not name:
            return "", None
        if plain:
            path = f"{self._root}/{name}"
        else:
            if printable_name(name) != name:
                return printable_name(name), NOT_UTF8
            path = os.path.normpath(os.path.join(self._root, name))  # noqa: PTH118
            if not self._inside(path):
                return name, f"outside the data set's folder: {name}"
        if not (self._is_folder(path.rpartition("/")[0]) and os.path.isfile(path)):  # noqa: PTH113
            if self._files_required and not linked:
                return name, f"no such file: {name}{backslash_hint(name)}"
            # Nothing is there yet: it will be fetched to a place beside the manifest.
            return name, None
        return (self._prefix + name if plain else self._named(path)), None

    def _inside(self, path: str) -> bool:
        roots = (self._root, self._also)
        return any(root is not None and path.startswith(root + os.sep) for root in roots)

    def _named(self, path: str) -> str:
        if path.startswith(self._home.rstrip(os.sep) + os.sep):
            return os.path.relpath(path, self._home)
        return path
