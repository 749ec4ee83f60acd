"""Look for what makes figures untrue: leaks across splits, contradictions, lost files."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duck import sql_name
from evoca.data.manifest import Manifest
from evoca.data.readers import get_reader, reader_names
from evoca.data.schema import SPLITS
from evoca.images import printable_name

__all__ = ["CheckReport", "Finding", "check"]

_EXAMPLES = 5
_THREADS = 4


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
    """

    source: str
    images: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not any(finding.problem for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as ``evoca data check --format json`` prints it."""
        return asdict(self) | {"ok": self.ok}


def check(manifest: Manifest, *, files: bool = True) -> CheckReport:
    """Look for leaks, contradictions, bad rows and missing files.

    A leak is one image in several splits: the same path, link, SHA-256 or duplicate
    group. Where the manifest has no SHA-256, files of equal size are read and compared.

    Args:
        manifest: read with ``strict=False``, so that bad rows are reported too.
        files: look at the images; without, only at the table.
    """
    found: list[Finding | None] = [_bad_rows(manifest)]
    if files:
        found.append(_missing_files(manifest))
        if "sha256" not in manifest:
            hashes = _hashes_of_equal_sizes(manifest)
            if hashes is not None:
                manifest = manifest.with_columns({"sha256": hashes})
    for column, kind in (
        ("image", "image"),
        ("url", "url"),
        ("sha256", "file"),
        ("group", "group"),
    ):
        found.append(_leak(manifest, column, kind))
    found.append(_repeats(manifest))
    for column, kind, problem in (
        ("image", "image", True),
        ("sha256", "file", True),
        ("group", "group", False),
    ):
        found.append(_conflicts(manifest, column, kind, problem=problem))
    found += [_unlabelled(manifest), *_absent_labels(manifest), _ungrouped(manifest)]
    present = [finding for finding in found if finding is not None]
    present.sort(key=lambda finding: not finding.problem)
    return CheckReport(manifest.source, len(manifest), tuple(present))


def _bad_rows(manifest: Manifest) -> Finding | None:
    rejects = manifest.rejects
    if not rejects:
        return None
    examples = tuple(str(reject) for reject in rejects[:_EXAMPLES])
    return Finding("bad-row", True, len(rejects), "rows that cannot be used", examples)


def _missing_files(manifest: Manifest) -> Finding | None:
    lost = [path for path in manifest.paths() if not path.is_file()]
    if not lost:
        return None
    if len(lost) == len(manifest) and _is_list(manifest):
        return Finding("no-files", False, len(lost), "images of a list of votes or links")
    names = tuple(printable_name(path) for path in lost[:_EXAMPLES])
    return Finding("missing-file", True, len(lost), "images are not there", names)


def _is_list(manifest: Manifest) -> bool:
    """Whether the set is of use without its images."""
    sources = set(manifest.texts("source").tolist())
    lists = {name for name in reader_names() if not get_reader(name).files_required}
    return "url" in manifest or sources <= lists


def _leak(manifest: Manifest, column: str, kind: str) -> Finding | None:
    if column not in manifest or "split" not in manifest:
        return None
    name = sql_name(column)
    crossing = (
        f"SELECT {name}, string_agg(DISTINCT split, ', ' ORDER BY split) AS splits "
        f"FROM {{manifest}} WHERE {name} IS NOT NULL AND split IS NOT NULL "
        f"GROUP BY {name} HAVING min(split) <> max(split)"
    )
    count = manifest.sql(f"SELECT count(*) FROM ({crossing})")[0][0]
    if not count:
        return None
    shown = manifest.sql(f"{crossing} ORDER BY {name} LIMIT {_EXAMPLES}")
    examples = tuple(f"{value}: {splits}" for value, splits in shown)
    what = {
        "image": "images are in several splits",
        "url": "links are in several splits",
        "file": "identical files are in several splits",
        "group": "duplicate groups are in several splits",
    }
    return Finding(f"leak-{kind}", True, int(count), what[kind], examples)


def _repeats(manifest: Manifest) -> Finding | None:
    repeated = "SELECT image, count(*) AS n FROM {manifest} GROUP BY image HAVING count(*) > 1"
    count = manifest.sql(f"SELECT count(*) FROM ({repeated})")[0][0]
    if not count:
        return None
    shown = manifest.sql(f"{repeated} ORDER BY image LIMIT {_EXAMPLES}")
    examples = tuple(f"{image}: {n} rows" for image, n in shown)
    return Finding("repeat", True, int(count), "images have several rows", examples)


def _conflicts(manifest: Manifest, column: str, kind: str, *, problem: bool) -> Finding | None:
    if column not in manifest or "emotion" not in manifest:
        return None
    name = sql_name(column)
    torn = (
        f"SELECT {name}, string_agg(DISTINCT emotion, ', ' ORDER BY emotion) AS emotions "
        f"FROM {{manifest}} WHERE {name} IS NOT NULL AND emotion IS NOT NULL "
        f"GROUP BY {name} HAVING min(emotion) <> max(emotion)"
    )
    count = manifest.sql(f"SELECT count(*) FROM ({torn})")[0][0]
    if not count:
        return None
    shown = manifest.sql(f"{torn} ORDER BY {name} LIMIT {_EXAMPLES}")
    examples = tuple(f"{value}: {emotions}" for value, emotions in shown)
    what = {
        "image": "images have labels that contradict each other",
        "file": "identical files have labels that contradict each other",
        "group": "duplicate groups have labels that contradict each other",
    }
    return Finding(f"conflict-{kind}", problem, int(count), what[kind], examples)


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
            findings.append(Finding("absent-label", False, len(lost), message, tuple(lost)))
    return findings


def _ungrouped(manifest: Manifest) -> Finding | None:
    if "group" in manifest or "split" not in manifest:
        return None
    message = "no column group: near-duplicates across splits cannot be seen"
    return Finding("no-group", False, 1, message, ("find them with: evoca data duplicates",))


def _hashes_of_equal_sizes(manifest: Manifest) -> NDArray[np.object_] | None:
    """SHA-256 of the files that share their size with another; the rest are unlike all."""
    paths = manifest.paths()
    by_size: dict[int, list[int]] = defaultdict(list)
    for i, path in enumerate(paths):
        try:
            status = os.stat(path)  # noqa: PTH116 (a million calls)
        except (OSError, ValueError):
            continue
        by_size[status.st_size].append(i)
    alike = [i for same in by_size.values() if len(same) > 1 for i in same]
    if not alike:
        return None
    result = np.full(len(paths), "", dtype=object)
    result[alike] = _hash_all([paths[i] for i in alike])
    return result


def _hash_all(paths: Sequence[Path]) -> list[str]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(_sha256, paths))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
