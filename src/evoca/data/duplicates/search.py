"""Search for copies among the images of manifests, and record them in the column ``group``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.clusters import (
    DEFAULT_THRESHOLD,
    DuplicateReport,
    Listed,
    find_duplicates,
)
from evoca.data.duplicates.fingerprints import fingerprint_all
from evoca.data.duplicates.groups import unite
from evoca.data.manifest.builder import TableBuilder
from evoca.data.manifest.duckdb import connect
from evoca.data.manifest.table import Manifest, manifest_of, read_folder, read_manifest
from evoca.data.taxonomies import DEFAULT_TAXONOMY
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.progress import Advance
from evoca.words import counted

if TYPE_CHECKING:
    from evoca.data.duplicates.fingerprints import Fingerprint

__all__ = [
    "Searched",
    "all_grouped",
    "has_files",
    "has_groups",
    "in_words",
    "listed_images",
    "read_images",
    "search_copies",
    "together",
]


_FOUND = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Searched:
    """A manifest whose images have been compared with each other.

    Attributes:
        manifest: with the column ``group``, and with ``sha256``, ``width`` and ``height``
            where only the file has them.
        report: what was found.
    """

    manifest: Manifest
    report: DuplicateReport

    def summary(self) -> str:
        """Return in one line what was found."""
        return in_words(_numbered(self.report.groups))


def in_words(groups: NDArray[Any]) -> str:
    """Return in one line what clusters there are.

    Args:
        groups: (n,), the group of each image, by name or number.

    >>> in_words(np.array([1, 2, 2, 3]))
    '1 near-duplicate cluster (2 images) among 4 images; each stays together'
    >>> in_words(np.array([1, 2]))
    'no near-duplicates among 2 images'
    """
    _, sizes = np.unique(groups, return_counts=True)
    several = sizes[sizes > 1]
    if not len(several):
        return f"no near-duplicates among {counted(len(groups), 'image')}"
    return (
        f"{counted(len(several), 'near-duplicate cluster')} "
        f"({counted(int(several.sum()), 'image')}) among "
        f"{counted(len(groups), 'image')}; each stays together"
    )


def has_groups(manifest: Manifest) -> bool:
    """Return whether any image states its duplicate group."""
    return bool((manifest.codes("group") >= 0).any())


def all_grouped(manifest: Manifest) -> bool:
    """Return whether every image states its duplicate group."""
    return bool((manifest.codes("group") >= 0).all())


def has_files(manifest: Manifest) -> bool:
    """Return whether any image is there; of a list of votes or links none may be."""
    return any(path.is_file() for path in manifest.paths())


def search_copies(
    manifest: Manifest,
    *,
    threshold: int = DEFAULT_THRESHOLD,
    listed: Sequence[Listed] | None = None,
    advance: Advance | None = None,
) -> Searched:
    """Return a manifest whose images have been compared with each other.

    Args:
        manifest: groups of its own column ``group`` hold, and are joined with what is found.
        threshold: as in :func:`evoca.data.duplicates.clusters.find_duplicates`.
        listed: its images as named in the report; :func:`listed_images` if omitted.
        advance: called with 1 after each image.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    prints = []
    for print_ in fingerprint_all(manifest.paths()):
        prints.append(print_)
        if advance is not None:
            advance(1)
    images = listed_images(manifest) if listed is None else listed
    report = find_duplicates(images, threshold=threshold, fingerprints=prints)
    groups = _united(manifest.texts("group"), report.groups)
    return Searched(manifest.with_columns({"group": groups, **_seen(manifest, prints)}), report)


def _united(given: NDArray[np.object_], found: Sequence[str]) -> NDArray[np.object_]:
    """Return given groups joined with clusters, each named after its least given name, if any."""
    numbers = unite(_numbered(given), _numbered(found))
    names: dict[int, tuple[bool, str]] = {}
    for number, own, cluster in zip(numbers.tolist(), given.tolist(), found, strict=True):
        if own or cluster:
            name = (not own, own or cluster)  # given names come first
            names[number] = min(names.get(number, name), name)
    return np.array([names.get(number, (True, ""))[1] for number in numbers.tolist()], object)


def _numbered(names: Iterable[str]) -> NDArray[np.int64]:
    """Return groups numbered by name, int64 (n,); an image without a name is alone."""
    keys = [name or f"row {row}" for row, name in enumerate(names)]
    return np.unique(keys, return_inverse=True)[1].ravel().astype(np.int64)


def listed_images(manifest: Manifest) -> list[Listed]:
    """Return the images of a manifest by its names."""
    name = printable_name(Path(manifest.source).stem)
    rows = manifest.rows("image", "emotion", "source")
    return [
        Listed(path, image, emotion or "", source or name)
        for path, (image, emotion, source) in zip(manifest.paths(), rows, strict=True)
    ]


def _seen(manifest: Manifest, prints: Sequence[Fingerprint]) -> dict[str, NDArray[Any]]:
    """Return the cells that the files have and the manifest does not."""
    stated = manifest.texts("sha256")
    digests = np.array([print_.sha256 for print_ in prints], dtype=object)
    filled: dict[str, NDArray[Any]] = {"sha256": np.where(stated == "", digests, stated)}
    sizes = np.array([print_.size for print_ in prints], dtype=np.float64).reshape(-1, 2)
    for name, found in zip(("width", "height"), sizes.T, strict=True):
        own = manifest.numbers(name)
        values = np.where(np.isnan(own), found, own)
        filled[name] = np.ma.masked_array(values.astype(np.int64), mask=values == 0)
    return filled


def read_images(path: Path, *, taxonomy: str | None = None) -> Manifest:
    """Return the manifest of a file, of class folders, or of any folder of images.

    In a folder that is not one of class folders, an image gets the label of the nearest
    folder above it that is named after an emotion, if any.

    Raises:
        DataError: nothing usable there.
        MissingExtraError: DuckDB is not installed.
    """
    try:
        return read_manifest(path, taxonomy=taxonomy, strict=False)
    except DataError:
        if not path.is_dir():
            raise
    return read_folder(path, taxonomy=taxonomy)


def together(manifests: Sequence[Manifest]) -> Manifest:
    """Return manifests one below the other, all columns included, marked by ``source``.

    Groups of equal names in two of them stay apart, except those of :func:`search_copies`,
    whose names are the same wherever the same pictures are.

    Args:
        manifests: at least one; a single one is returned as it is.

    Raises:
        DataError: one has no single taxonomy.
    """
    if len(manifests) == 1:
        return manifests[0]
    builder = TableBuilder(connect(), DEFAULT_TAXONOMY, strict=True)
    for manifest in manifests:
        home = os.path.abspath(manifest.root)  # noqa: PTH100
        columns = {name: manifest.texts(name) for name in manifest.columns}
        names = [os.path.join(home, name) for name in columns["image"]]  # noqa: PTH118
        columns["image"] = np.array(names, dtype=object)
        own = printable_name(Path(manifest.source).stem)
        stated = manifest.texts("source")
        columns["source"] = np.where(stated == "", own, stated)
        if "group" in columns:
            columns["group"] = np.array(
                [
                    name if not name or _FOUND.fullmatch(name) else f"{own}: {name}"
                    for name in columns["group"]
                ],
                dtype=object,
            )
        columns["taxonomy"] = np.full(len(manifest), manifest.taxonomy, dtype=object)
        rows = np.arange(1, len(manifest) + 1)
        builder.add(columns, rows, manifest.source)
        builder.rejects += manifest.rejects
    source = ", ".join(manifest.source for manifest in manifests)
    return manifest_of(builder, Path("/"), source)
