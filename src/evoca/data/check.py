"""Look for what makes figures untrue: leaks across splits, contradictions, lost files."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.copies import Searched, has_groups, search_copies
from evoca.data.divide import is_divided
from evoca.data.duck import sql_name, sql_string
from evoca.data.hashing import sha256_files
from evoca.data.manifest import Manifest
from evoca.data.readers import get_reader, reader_names
from evoca.data.schema import SPLITS

__all__ = ["CheckReport", "Finding", "check"]

_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One kind of trouble, or a remark.

    Attributes:
        kind: a word for programs, such as ``leak-group``.
        problem: whether figures on this data cannot be trusted until it is mended.
        count: how many cases.
        message: one line.
        examples: some of the cases.
    """

    kind: str
    problem: bool
    count: int
    message: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """What was looked at, and what was found.

    Attributes:
        source: printable name of the manifest.
        images: how many rows.
        findings: problems first.
        clusters: near-duplicate clusters that were found by looking at the images;
            ``None`` where the manifest has groups, or no image was looked at.
    """

    source: str
    images: int
    findings: tuple[Finding, ...]
    clusters: int | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not any(finding.problem for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as ``evoca data check --format json`` prints it."""
        return asdict(self) | {"ok": self.ok}


def check(
    manifest: Manifest, *, files: bool = True, advance: Callable[[int], None] | None = None
) -> CheckReport:
    """Look for leaks, contradictions, bad rows, and missing or unreadable files.

    A leak is one image in several splits: the same path, link, SHA-256 or duplicate
    group. Where the manifest has no groups, the images are read and compared. Where it
    has, but no SHA-256, files of equal size are compared.

    Args:
        manifest: read with ``strict=False``, so that bad rows are reported too.
        files: look at the images; without, only at the table.
        advance: called with 1 after each image that is compared.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    found: list[Finding | None] = [_bad_rows(manifest)]
    clusters = None
    if files:
        sizes = _file_sizes(manifest)
        found.append(_missing_files(manifest, sizes))
        if not has_groups(manifest) and (sizes >= 0).any():
            searched = search_copies(manifest, advance=advance)
            manifest, clusters = searched.manifest, len(searched.report.clusters)
            found.append(_unreadable_files(searched, sizes))
        elif "sha256" not in manifest:
            manifest = _with_hashes_of_equal_sizes(manifest, sizes)
    for column, kind in (
        ("image", "image"),
        ("url", "url"),
        ("sha256", "file"),
        ("group", "group"),
    ):
        found += _clashes(manifest, column, kind)
    found += [_unlabelled(manifest), *_absent_labels(manifest), _ungrouped(manifest)]
    present = [finding for finding in found if finding is not None]
    present.sort(key=lambda finding: not finding.problem)
    return CheckReport(manifest.source, len(manifest), tuple(present), clusters)


def _bad_rows(manifest: Manifest) -> Finding | None:
    rejects = manifest.rejects
    if not rejects:
        return None
    examples = tuple(str(reject) for reject in rejects[:_EXAMPLES])
    return Finding("bad-row", True, len(rejects), "rows that cannot be used", examples)


def _file_sizes(manifest: Manifest) -> NDArray[np.int64]:
    """Bytes of each image, int64 (n,); -1 where there is no such file."""
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


def _missing_files(manifest: Manifest, sizes: NDArray[np.int64]) -> Finding | None:
    lost = np.flatnonzero(sizes < 0)
    if not len(lost):
        return None
    if len(lost) == len(manifest) and _is_list(manifest):
        return Finding("no-files", False, len(lost), "images of a list of votes or links")
    names = manifest.texts("image")[lost[:_EXAMPLES]]
    return Finding("missing-file", True, len(lost), "images are not there", tuple(names))


def _unreadable_files(searched: Searched, sizes: NDArray[np.int64]) -> Finding | None:
    lost = [
        f"{searched.report.images[i].image}: {print_.error}"
        for i, print_ in enumerate(searched.report.fingerprints)
        if print_.error and sizes[i] >= 0
    ]
    if not lost:
        return None
    examples = tuple(lost[:_EXAMPLES])
    return Finding("unreadable-file", True, len(lost), "images cannot be read", examples)


def _is_list(manifest: Manifest) -> bool:
    """Whether the set is of use without its images."""
    column = "source" if "source" in manifest else "NULL"
    sources = {source for (source,) in manifest.sql(f"SELECT DISTINCT {column} FROM {{manifest}}")}
    lists = {name for name in reader_names() if not get_reader(name).files_required}
    return "url" in manifest or sources <= lists


_WHAT = {"image": "images", "url": "links", "file": "identical files", "group": "duplicate groups"}


def _clashes(manifest: Manifest, column: str, kind: str) -> list[Finding]:
    """Look at the rows that share a value: are their splits and labels the same?"""
    if column not in manifest:
        return []
    split = "split" if "split" in manifest else "NULL"
    emotion = "emotion" if "emotion" in manifest else "NULL"
    name = sql_name(column)
    manifest.sql(
        f"CREATE OR REPLACE TEMP TABLE shared AS SELECT {name}::VARCHAR AS value, count(*) AS n, "
        f"min({split}) AS split, max({split}) AS other_split, "
        f"min({emotion}) AS emotion, max({emotion}) AS other_emotion "
        f"FROM {{manifest}} WHERE {name} IS NOT NULL GROUP BY ALL HAVING count(*) > 1"
    )
    what = _WHAT[kind]
    leak = "concat_ws(', ', split, other_split)", "split <> other_split"
    torn = "concat_ws(', ', emotion, other_emotion)", "emotion <> other_emotion"
    found = [
        _cases(manifest, column, f"leak-{kind}", True, f"{what} are in several splits", *leak),
        # Near-duplicates may rightly differ; one file cannot evoke two labels.
        _cases(
            manifest, column, f"conflict-{kind}", kind != "group", f"{what} differ in label", *torn
        ),
    ]
    if kind == "image":
        several = "images have several rows"
        found.append(_cases(manifest, column, "repeat", True, several, "n", "true"))
    return [finding for finding in found if finding is not None]


def _cases(
    manifest: Manifest,
    column: str,
    kind: str,
    problem: bool,
    message: str,
    shown: str,
    condition: str,
) -> Finding | None:
    rows = manifest.sql(
        f"SELECT value, {shown}, count(*) OVER () FROM shared WHERE {condition} "
        f"ORDER BY value LIMIT {_EXAMPLES}"
    )
    if not rows:
        return None
    images = {} if column == "image" else _images(manifest, column, [row[0] for row in rows])
    examples = tuple(f"{value}: {text}{images.get(value, '')}" for value, text, _ in rows)
    return Finding(kind, problem, int(rows[0][2]), message, examples)


def _images(manifest: Manifest, column: str, values: list[str]) -> dict[str, str]:
    """Name some images of each value."""
    name, wanted = sql_name(column), ", ".join(sql_string(value) for value in values)
    rows = manifest.sql(
        f"SELECT {name}::VARCHAR AS value, list(image ORDER BY image)[:{_EXAMPLES}] "
        f"FROM {{manifest}} WHERE {name}::VARCHAR IN ({wanted}) GROUP BY value"
    )
    return {value: f" ({', '.join(images)})" for value, images in rows}


def _unlabelled(manifest: Manifest) -> Finding | None:
    count = int((manifest.label_codes() < 0).sum())
    if not count:
        return None
    return Finding("unlabelled", False, count, "images have no single label (tied votes, or none)")


def _absent_labels(manifest: Manifest) -> list[Finding]:
    if "emotion" not in manifest:
        return []
    counted = (
        "SELECT split, emotion, count(*) FROM {manifest} WHERE emotion IS NOT NULL GROUP BY ALL"
    )
    if "split" not in manifest:
        counted = counted.replace("split, ", "NULL AS split, ")
    present: dict[str, set[str]] = defaultdict(set)
    for split, emotion, _ in manifest.sql(counted):
        present[split or ""].add(emotion)
    findings = []
    for split in ("", *SPLITS):
        lost = [label for label in manifest.labels if label not in present[split]]
        if split in present and present[split] and lost:
            where = f"in {split}" if split else "among the images without a split"
            message = f"labels have no image {where}"
            findings.append(Finding("absent-label", False, len(lost), message, (", ".join(lost),)))
    return findings


def _ungrouped(manifest: Manifest) -> Finding | None:
    if has_groups(manifest) or not is_divided(manifest):
        return None
    message = "images without a duplicate group were not compared: leaks of copies cannot be seen"
    return Finding("no-group", False, len(manifest), message)


def _with_hashes_of_equal_sizes(manifest: Manifest, sizes: NDArray[np.int64]) -> Manifest:
    """Add the SHA-256 of the files that share their size with another: no others can equal."""
    _, same, times = np.unique(sizes, return_inverse=True, return_counts=True)
    alike = np.flatnonzero((times[same] > 1) & (sizes >= 0))
    if not len(alike):
        return manifest
    names = manifest.texts("image")[alike]
    hashes = np.full(len(manifest), "", dtype=object)
    paths = [manifest.root / name for name in names]
    hashes[alike] = sha256_files(paths, on_error=lambda _: "")
    return manifest.with_columns({"sha256": hashes})
