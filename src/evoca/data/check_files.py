"""Check the files of a manifest: whether they are there, whole and as recorded."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.fingerprints import Fingerprint
from evoca.data.duplicates.search import all_grouped, search_copies
from evoca.data.manifest.hashing import sha256_files
from evoca.data.manifest.table import Manifest
from evoca.data.readers import get_reader, reader_names
from evoca.images.walk import backslash_hint
from evoca.progress import Advance

__all__ = ["EXAMPLES", "Finding", "inspect_files"]

EXAMPLES = 5
"""How many cases of one kind are shown."""


@dataclass(frozen=True)
class Finding:
    """One kind of trouble, or a remark.

    Attributes:
        kind: a word for programs, such as ``leak-group``.
        problem: whether figures on this data cannot be trusted until it is repaired.
        count: how many cases.
        message: one line.
        examples: some of the cases; where files are meant, all of them.
    """

    kind: str
    problem: bool
    count: int
    message: str
    examples: tuple[str, ...] = ()


def inspect_files(
    manifest: Manifest, *, verify: bool, advance: Advance | None
) -> tuple[Manifest, list[Finding], int | None]:
    """Return a manifest with what its files state, and missing, changed and copied files.

    Args:
        manifest: the table.
        verify: read every image, even where each has a group and none would be.
        advance: called with 1 after each image that is read.

    Returns:
        The manifest with the files' own values (``group`` joined with the copies found; the
        true ``sha256`` of what was read), the findings, and how many clusters were found;
        ``None`` where they were not searched for.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    sizes = _file_sizes(manifest)
    there = int((sizes >= 0).sum())
    found = _missing_files(manifest, sizes)
    if not there:
        return manifest, found, None
    if all_grouped(manifest) and not verify:
        if "sha256" not in manifest:
            manifest = _with_hashes_of_equal_sizes(manifest, sizes)
        why = "images were not opened, since each has a group (--verify compares them)"
        return manifest, [*found, Finding("not-opened", False, there, why)], None
    stated, names = manifest.texts("sha256"), manifest.texts("image")
    searched = search_copies(manifest, advance=advance)
    manifest, prints = searched.manifest, searched.report.fingerprints
    clusters = len(searched.report.clusters)
    digests = np.array([print_.sha256 for print_ in prints], dtype=object)
    found += _unreadable_files(names, prints, sizes)
    found += _incomplete_files(names, prints)
    found += _changed_files(names, stated, digests)
    read = np.where(digests == "", stated, digests)
    return manifest.with_columns({"sha256": read}), found, clusters


def _file_sizes(manifest: Manifest) -> NDArray[np.int64]:
    """Return the bytes of each image, int64 (n,); -1 where there is no such file."""
    root = os.path.abspath(manifest.root)  # noqa: PTH100
    found = np.full(len(manifest), -1, dtype=np.int64)
    is_folder = cache(os.path.isdir)
    for i, (name,) in enumerate(manifest.rows("image")):
        path = f"{root}/{name}" if name[0] != "/" else name
        # Of a list that is not fetched yet not even the folders are there.
        if is_folder(path.rpartition("/")[0] or "/"):
            found[i] = _file_size(path)
    return found


def _file_size(path: str) -> int:
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _missing_files(manifest: Manifest, sizes: NDArray[np.int64]) -> list[Finding]:
    lost = np.flatnonzero(sizes < 0)
    if not len(lost):
        return []
    if len(lost) == len(manifest) and _is_list(manifest):
        return [Finding("no-files", False, len(lost), "images of a list of votes or links")]
    names = tuple(manifest.texts("image")[lost])
    hint = next((hint for hint in map(backslash_hint, names) if hint), "")
    return [Finding("missing-file", True, len(lost), f"images are not there{hint}", names)]


def _is_list(manifest: Manifest) -> bool:
    """Return whether the set is of use without its images."""
    column = "source" if "source" in manifest else "NULL"
    sources = {source for (source,) in manifest.sql(f"SELECT DISTINCT {column} FROM {{manifest}}")}
    lists = {name for name in reader_names() if not get_reader(name).files_required}
    return "url" in manifest or sources <= lists


def _unreadable_files(
    names: NDArray[np.object_], prints: Sequence[Fingerprint], sizes: NDArray[np.int64]
) -> list[Finding]:
    lost = tuple(
        f"{name}: {print_.error}"
        for name, print_, size in zip(names, prints, sizes, strict=True)
        if print_.error and size >= 0
    )
    if not lost:
        return []
    return [Finding("unreadable-file", True, len(lost), "images cannot be read", lost)]


def _incomplete_files(names: NDArray[np.object_], prints: Sequence[Fingerprint]) -> list[Finding]:
    lost = tuple(
        f"{name}: {print_.damage}"
        for name, print_ in zip(names, prints, strict=True)
        if print_.damage
    )
    if not lost:
        return []
    what = "images of which a part is missing"
    return [Finding("incomplete-file", True, len(lost), what, lost)]


def _changed_files(
    names: NDArray[np.object_], stated: NDArray[np.object_], digests: NDArray[np.object_]
) -> list[Finding]:
    changed = np.flatnonzero((stated != "") & (digests != "") & (stated != digests))
    if not len(changed):
        return []
    cases = tuple(f"{names[i]}: is {digests[i][:16]}, recorded {stated[i][:16]}" for i in changed)
    what = "files differ from their recorded SHA-256"
    return [Finding("changed-file", True, len(changed), what, cases)]


def _with_hashes_of_equal_sizes(manifest: Manifest, sizes: NDArray[np.int64]) -> Manifest:
    """Return the manifest with the SHA-256 of files of equal size: no others can be equal."""
    _, same, times = np.unique(sizes, return_inverse=True, return_counts=True)
    alike = np.flatnonzero((times[same] > 1) & (sizes >= 0))
    if not len(alike):
        return manifest
    names = manifest.texts("image")[alike]
    hashes = np.full(len(manifest), "", dtype=object)
    paths = [manifest.root / name for name in names]
    hashes[alike] = sha256_files(paths, on_error=lambda _: "")
    return manifest.with_columns({"sha256": hashes})
