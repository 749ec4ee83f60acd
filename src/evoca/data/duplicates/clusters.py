"""Find exact and near copies, contradicting labels, and damaged files.

Two pictures are near copies where the DCT hash ("pHash") and the difference hash
("dHash") of one, 64 bits each (Zauner 2010, "Implementation and benchmarking of
perceptual image hash functions"; as the package imagehash computes them), differ from
those of the other, or of its mirror image, in at most :data:`DEFAULT_THRESHOLD` of the
128 bits, or from those of its quarter turns in :data:`TURNED_MARGIN` fewer. The default
comes from 1,245 real photographs (600 of FI, 645 of OASIS) without a copy among them: 17
alterations of each, and their 774,390 pairs (measured as they are and mirrored; what
quarter turns add is in ``docs/data.md``).

=================================  =====  =====  =====  =====  =====
bits that may differ                  12     16     20     24     28
=================================  =====  =====  =====  =====  =====
found, in % of the altered copies
mirrored                           100.0  100.0  100.0  100.0  100.0
half size, JPEG at quality 50      100.0  100.0  100.0  100.0  100.0
JPEG at quality 15                  99.6  100.0  100.0  100.0  100.0
squashed to a square, or grey      100.0  100.0  100.0  100.0  100.0
brightness + 25%                    97.3   99.4   99.9  100.0  100.0
rotated by 1 degree                 97.9   99.5   99.8   99.9   99.9
black frame of 2%                   64.6   87.9   96.1   98.7   99.6
4% cropped                          90.7   98.8   99.8   99.9   99.9
6% cropped                          61.4   88.4   97.9   99.7   99.8
10% cropped                         10.8   30.8   59.2   84.2   94.7
5% cropped at one corner             4.9   25.6   55.6   83.6   95.6
white box on 4% of the area         34.7   60.3   80.6   92.5   97.3
false pairs                            0      0      0      0      2
=================================  =====  =====  =====  =====  =====

False pairs begin at 28 (12 at 30, 35 at 32, 103 at 34). Followed downwards, that curve
gives about one in 20 million pairs at 20: some 350 among 118,000 pictures, mostly plain
ones (lightning, fireworks, a sunset). In a split a false pair costs next to nothing, a
missed one leaks. The two hashes together beat either alone: pHash with 8 of its 64 bits,
at a like rate of false pairs, finds 84.7% of the 6% crops and 24.1% of the boxes.
``benchmarks/duplicates.py`` makes the table again from any folder of photographs.

Copies are joined transitively. Larger crops, wide frames, collages and rotations by other
than quarter turns are often missed: ``docs/data.md`` has the shares.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.fingerprints import Fingerprint, fingerprint_all
from evoca.data.duplicates.hamming import join_groups, near_pairs, near_to_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "DEFAULT_THRESHOLD",
    "TURNED_MARGIN",
    "Cluster",
    "DuplicateReport",
    "Listed",
    "copies_of",
    "duplicate_groups",
    "find_duplicates",
    "group_prints",
]

DEFAULT_THRESHOLD = 20
"""How many of 128 bits may differ between near copies."""

TURNED_MARGIN = 4
"""How many bits fewer may differ where one picture is turned, not merely mirrored.

Six more orientations are six more chances of a false pair. Copies that were turned are as
near as those that were not, so a stricter threshold finds them and keeps the rate.
"""


@dataclass(frozen=True)
class Listed:
    """One image of a data set, as far as duplicates are concerned.

    Attributes:
        path: the file.
        image: its name in the data set.
        emotion: its label; empty where it has none.
        source: which data set it belongs to.
    """

    path: Path
    image: str
    emotion: str = ""
    source: str = ""


@dataclass(frozen=True)
class Cluster:
    """Images that show the same picture.

    Attributes:
        group: name of the cluster, as in the manifest's column ``group``.
        members: at least two images.
        exact: whether all files are identical byte for byte.
    """

    group: str
    members: tuple[Listed, ...]
    exact: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """The different labels among the members, sorted; those without one left out."""
        return tuple(sorted({member.emotion for member in self.members} - {""}))

    @property
    def sources(self) -> tuple[str, ...]:
        """The different data sets among the members, sorted."""
        return tuple(sorted({member.source for member in self.members}))


@dataclass(frozen=True)
class DuplicateReport:
    """What a search for duplicates found.

    Attributes:
        images: all images searched.
        fingerprints: their fingerprints, in the same order.
        groups: the name of each image's group, in the same order: the start of the
            smallest SHA-256 in it, so it does not depend on the order of the images;
            empty where the file cannot be read.
        clusters: the groups of at least two images, largest first.
    """

    images: tuple[Listed, ...]
    fingerprints: tuple[Fingerprint, ...]
    groups: tuple[str, ...]
    clusters: tuple[Cluster, ...]

    @property
    def conflicts(self) -> tuple[Cluster, ...]:
        """The clusters whose members have different labels."""
        return tuple(cluster for cluster in self.clusters if len(cluster.labels) > 1)

    @property
    def unreadable(self) -> tuple[tuple[Listed, str], ...]:
        """The images that cannot be read, each with the reason."""
        pairs = zip(self.images, self.fingerprints, strict=True)
        return tuple((image, print_.error) for image, print_ in pairs if print_.error)


def find_duplicates(
    images: Sequence[Listed],
    *,
    threshold: int = DEFAULT_THRESHOLD,
    fingerprints: Iterable[Fingerprint] | None = None,
) -> DuplicateReport:
    """Return exact and near copies in one data set or across several.

    Args:
        images: the images of all data sets.
        threshold: how many of 128 bits may differ between near copies, 0..128; at
            millions of images take a lower one, such as 14, since false pairs grow with
            the square of the number.
        fingerprints: of the images, in order, where they are known (or to watch the
            progress); computed if omitted.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    if fingerprints is None:
        fingerprints = fingerprint_all([image.path for image in images])
    prints = tuple(fingerprints)
    groups = _name_groups(prints, group_prints(prints, threshold))
    members = defaultdict(list)
    for index, group in enumerate(groups):
        if group:
            members[group].append(index)
    clusters = [
        Cluster(group, tuple(images[i] for i in found), len({prints[i].sha256 for i in found}) == 1)
        for group, found in members.items()
        if len(found) > 1
    ]
    clusters.sort(key=lambda cluster: (-len(cluster.members), cluster.group))
    return DuplicateReport(tuple(images), prints, groups, tuple(clusters))


def duplicate_groups(
    paths: Sequence[Path], *, threshold: int = DEFAULT_THRESHOLD
) -> NDArray[np.int64]:
    """Return numbers of the duplicate clusters of files, for splits that no copy may cross.

    Args:
        paths: n files.
        threshold: as in :func:`find_duplicates`.

    Returns:
        int64 (n,); images of one cluster share a number. An unreadable file is a cluster
        of its own.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    return group_prints(tuple(fingerprint_all(paths)), threshold)


def group_prints(
    prints: Sequence[Fingerprint], threshold: int = DEFAULT_THRESHOLD
) -> NDArray[np.int64]:
    """Return numbers of the duplicate clusters of n fingerprints, int64 (n,): see above."""
    same = [*_same_files(prints), *_alike(prints, threshold)]
    return join_groups(len(prints), same)


def copies_of(
    prints: Sequence[Fingerprint],
    known: Iterable[tuple[int, int]],
    threshold: int = DEFAULT_THRESHOLD,
) -> NDArray[np.bool_]:
    """Return which of n pictures are near copies of known ones, bool (n,).

    Args:
        prints: of the pictures; they are compared in all their orientations.
        known: the hashes of the known pictures as they are (``Fingerprint.looks``).
        threshold: as in :func:`find_duplicates`.
    """
    found = np.zeros(len(prints), dtype=np.bool_)
    index = np.array([i for i, print_ in enumerate(prints) if print_.orientations], np.int64)
    others = np.array(sorted(known), np.uint64).reshape(-1, 2)
    if len(index) and len(others):
        hashes = np.array([prints[i].orientations for i in index], np.uint64)
        for part, bits in (
            (hashes[:, :2], threshold),
            (hashes[:, 2:], max(0, threshold - TURNED_MARGIN)),
        ):
            near = near_to_any(part.reshape(-1, 2), others, bits)
            found[index] |= near.reshape(len(index), -1).any(axis=1)
    return found


def _same_files(prints: Sequence[Fingerprint]) -> Iterable[tuple[int, int]]:
    first: dict[str, int] = {}
    for index, print_ in enumerate(prints):
        if print_.sha256:
            yield first.setdefault(print_.sha256, index), index


def _alike(prints: Sequence[Fingerprint], threshold: int) -> Iterable[tuple[int, int]]:
    index = [i for i, print_ in enumerate(prints) if print_.looks is not None]
    if not index:
        return
    hashes = np.array([prints[i].orientations for i in index], np.uint64)
    # A picture that many files show is compared once: its pairs would grow with the square.
    kinds, first, kind = np.unique(
        hashes.reshape(len(index), -1), axis=0, return_index=True, return_inverse=True
    )
    for position, item in enumerate(index):
        yield index[first[kind.ravel()[position]]], item
    upright, others = kinds[:, :2], kinds[:, 2:].reshape(len(kinds), -1, 2)
    mirrored, turned = others[:, :1], others[:, 1:]
    for a, b in near_pairs(upright, threshold, others=mirrored).tolist():
        yield index[first[a]], index[first[b]]
    for a, b in near_pairs(upright, max(0, threshold - TURNED_MARGIN), others=turned).tolist():
        yield index[first[a]], index[first[b]]


def _name_groups(prints: Sequence[Fingerprint], groups: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the name of each group: the smallest SHA-256 in it."""
    smallest: dict[int, str] = {}
    for number, print_ in zip(groups.tolist(), prints, strict=True):
        if print_.sha256:
            smallest[number] = min(smallest.get(number, print_.sha256), print_.sha256)
    return tuple(smallest.get(number, "")[:16] for number in groups.tolist())
