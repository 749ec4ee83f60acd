"""Groups of images that belong together, for splits and intervals that no copy may cross."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evoca.data.duplicates.hamming import join_groups
from evoca.data.manifest.hashing import sha256_files
from evoca.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from evoca.data.duplicates.fingerprints import Fingerprint
    from evoca.data.manifest.labelled import LabelledImages

__all__ = ["Grouped", "group_copies", "unite", "with_groups"]


@dataclass(frozen=True)
class Grouped:
    """Images with their groups.

    Attributes:
        images: with groups.
        basis: where the groups come from, in words.
        near: whether near copies are in one group; false where only identical files are,
            since imagehash is not installed.
        found: int64 (n,), the clusters of copies alone, without the groups that were given.
        fingerprints: n, of the files; empty where near copies were not searched for.
    """

    images: LabelledImages
    basis: str
    near: bool
    found: NDArray[np.int64]
    fingerprints: tuple[Fingerprint, ...] = ()

    def take(self, keep: NDArray[np.bool_]) -> Grouped:
        """Return some of the images, in the groups they are in."""
        prints = zip(self.fingerprints, keep.tolist(), strict=False)
        return replace(
            self,
            images=self.images.take(keep),
            found=self.found[keep],
            fingerprints=tuple(print_ for print_, kept in prints if kept),
        )

    @property
    def by_path(self) -> dict[Path, Fingerprint]:
        """The fingerprints of the files that were read."""
        return dict(zip(self.images.paths, self.fingerprints, strict=False))


def with_groups(images: LabelledImages) -> Grouped:
    """Return images in groups: duplicates found, joined with the groups of the source.

    A given group holds, but copies may also lie in other groups or in rows without a
    group. Without imagehash (extra ``data``), or without any of the files, only
    identical files are found, the latter by the hashes that the manifest records.
    """
    prints: tuple[Fingerprint, ...] = ()
    near = True
    if not any(path.is_file() for path in images.paths):
        found = _same_files(images.paths, images.recorded_hashes)
        basis = "near-duplicates not looked for: no files"
    else:
        found, near, prints = _find_copies(images.paths, images.recorded_hashes)
        basis = "near-duplicate clusters" if near else "identical files"
    if not images.has_groups:
        return Grouped(replace(images, groups=found), basis, near, found, prints)
    joined = replace(images, groups=unite(images.groups, found))
    return Grouped(joined, f"the manifest's groups; {basis}", near, found, prints)


def unite(given: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups, joined where they share an image with a cluster, transitively.

    Args:
        given: int (n,), the groups of the source.
        found: int (n,), the clusters that were found.

    Returns:
        int64 (n,): ``given`` itself where no cluster joins two of its groups.

    >>> unite(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist()
    [0, 0, 0, 3]
    """
    pairs = np.unique(np.column_stack((found, given)), axis=0)
    if len(pairs) == len(np.unique(found)):  # each cluster lies in one group
        return given
    rows = np.arange(len(given))
    links = []
    for one in (given, found):
        _, first, number = np.unique(one, return_index=True, return_inverse=True)
        links.append(np.column_stack((first[number.ravel()], rows)))
    return join_groups(len(given), np.concatenate(links))


def group_copies(
    paths: Sequence[Path], recorded_hashes: Sequence[str] = ()
) -> tuple[NDArray[np.int64], bool]:
    """Return numbers of the clusters of near copies, or of identical files without imagehash.

    Args:
        paths: n files; one that cannot be read is a cluster of its own.
        recorded_hashes: n SHA-256 digests where they are known, empty elsewhere.

    Returns:
        int64 (n,), and whether near copies were searched for.
    """
    found, near, _ = _find_copies(paths, recorded_hashes)
    return found, near


def _find_copies(
    paths: Sequence[Path], recorded: Sequence[str]
) -> tuple[NDArray[np.int64], bool, tuple[Fingerprint, ...]]:
    from evoca.data.duplicates.clusters import group_prints
    from evoca.data.duplicates.fingerprints import fingerprint_all

    try:
        prints = tuple(fingerprint_all(paths))
    except MissingExtraError:
        return _same_files(paths, recorded), False, ()
    return group_prints(prints), True, prints


def _same_files(paths: Sequence[Path], recorded: Sequence[str]) -> NDArray[np.int64]:
    known = recorded or ("",) * len(paths)
    unknown = [path for path, digest in zip(paths, known, strict=True) if not digest]
    read = iter(sha256_files(unknown, on_error=lambda _: ""))
    digests = [digest or next(read) for digest in known]
    # A file without a digest is distinguished from all others by its position.
    keys = [digest or f"row {row}" for row, digest in enumerate(digests)]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)
