"""Groups of images that belong together, for splits and intervals that no copy may cross."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evoca.data.hashing import sha256_files
from evoca.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from evoca.data.labelled import LabelledImages

__all__ = ["Grouped", "group_copies", "with_groups"]


@dataclass(frozen=True)
class Grouped:
    """Images with their groups.

    Attributes:
        images: with groups.
        basis: where the groups come from, in words.
        near: whether near copies are in one group; false where only identical files are,
            since imagehash is not installed.
    """

    images: LabelledImages
    basis: str
    near: bool = True


def with_groups(images: LabelledImages) -> Grouped:
    """Keep the groups that the source gives, else find the duplicates.

    Without imagehash (extra ``data``), or without any of the files, only identical files
    are found, the latter by the hashes that the manifest records.
    """
    if images.has_groups:
        return Grouped(images, "the manifest's groups")
    if not any(path.is_file() for path in images.paths):
        groups = _same_files(images.paths, images.recorded_hashes)
        return Grouped(replace(images, groups=groups), "near-duplicates not looked for: no files")
    groups, near = group_copies(images.paths, images.recorded_hashes)
    basis = "near-duplicate clusters" if near else "identical files"
    return Grouped(replace(images, groups=groups), basis, near)


def group_copies(
    paths: Sequence[Path], recorded_hashes: Sequence[str] = ()
) -> tuple[NDArray[np.int64], bool]:
    """Number the clusters of near copies, or of identical files without imagehash.

    Args:
        paths: n files; one that cannot be read is a cluster of its own.
        recorded_hashes: n SHA-256 digests where they are known, empty elsewhere.

    Returns:
        int64 (n,), and whether near copies were looked for.
    """
    from evoca.data.duplicates import duplicate_groups

    try:
        return duplicate_groups(paths), True
    except MissingExtraError:
        return _same_files(paths, recorded_hashes), False


def _same_files(paths: Sequence[Path], recorded: Sequence[str]) -> NDArray[np.int64]:
    known = recorded or ("",) * len(paths)
    unknown = [path for path, digest in zip(paths, known, strict=True) if not digest]
    read = iter(sha256_files(unknown, on_error=lambda _: ""))
    digests = [digest or next(read) for digest in known]
    # A file without a digest is told from all others by its position.
    keys = [digest or f"row {row}" for row, digest in enumerate(digests)]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)
