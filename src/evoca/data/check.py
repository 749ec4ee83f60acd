"""Check for what makes figures wrong: leaks across splits, contradictions, lost files."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from evoca.data.check_files import EXAMPLES, Finding, inspect_files
from evoca.data.divide import is_divided
from evoca.data.manifest.duckdb import sql_name, sql_string
from evoca.data.manifest.schema import SPLITS
from evoca.data.manifest.table import Manifest
from evoca.images import printable_name
from evoca.progress import Advance

__all__ = ["CheckReport", "Finding", "check"]


@dataclass(frozen=True)
class CheckReport:
    """What was checked, and what was found.

    Attributes:
        source: printable name of the manifest.
        images: how many rows.
        findings: problems first.
        clusters: near-duplicate clusters that were found among the images; ``None``
            where no image was read.
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
    manifest: Manifest,
    *,
    files: bool = True,
    verify: bool = False,
    advance: Advance | None = None,
) -> CheckReport:
    """Return leaks, contradictions, bad rows, and missing, unreadable or changed files.

    A leak is one image in several splits: the same path, link, SHA-256 or duplicate
    group. Images are read and compared, and clusters of copies joined with the groups
    that are given. Where every image has a group, they are only read to ``verify`` them;
    without SHA-256, files of equal size are compared.

    Args:
        manifest: read with ``strict=False``, so that bad rows are reported too.
        files: read the images; without, only the table.
        verify: read every image, to find damage and what is not as recorded.
        advance: called with 1 after each image that is read.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    found: list[Finding | None] = [_bad_rows(manifest), *_left_out(manifest)]
    manifest = manifest.labelled()
    clusters = None
    if files:
        manifest, seen, clusters = inspect_files(manifest, verify=verify, advance=advance)
        found += seen
    for column, kind in (
        ("image", "image"),
        ("url", "url"),
        ("sha256", "file"),
        ("group", "group"),
    ):
        found += _clashes(manifest, column, kind)
    found += [
        _unlabelled(manifest),
        _only_rated(manifest),
        *_absent_labels(manifest),
        _ungrouped(manifest),
    ]
    present = [finding for finding in found if finding is not None]
    present.sort(key=lambda finding: not finding.problem)
    return CheckReport(manifest.source, len(manifest), tuple(present), clusters)


def _bad_rows(manifest: Manifest) -> Finding | None:
    rejects = manifest.rejects
    if not rejects:
        return None
    examples = tuple(str(reject) for reject in rejects[:EXAMPLES])
    return Finding("bad-row", True, len(rejects), "rows that cannot be used", examples)


def _left_out(manifest: Manifest) -> list[Finding]:
    return [
        Finding(
            "left-out", False, len(paths), f"left out: {why}", tuple(map(printable_name, paths))
        )
        for why, paths in manifest.left_out.reasons.items()
    ]


_WHAT = {"image": "images", "url": "links", "file": "identical files", "group": "duplicate groups"}


def _clashes(manifest: Manifest, column: str, kind: str) -> list[Finding]:
    """Return findings on rows that share a value but not their split or label."""
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
        f"ORDER BY value LIMIT {EXAMPLES}"
    )
    if not rows:
        return None
    images = {} if column == "image" else _images(manifest, column, [row[0] for row in rows])
    examples = tuple(f"{value}: {text}{images.get(value, '')}" for value, text, _ in rows)
    return Finding(kind, problem, int(rows[0][2]), message, examples)


def _images(manifest: Manifest, column: str, values: list[str]) -> dict[str, str]:
    """Return some images of each value, by name."""
    name, listed = sql_name(column), ", ".join(sql_string(value) for value in values)
    rows = manifest.sql(
        f"SELECT {name}::VARCHAR AS value, list(image ORDER BY image)[:{EXAMPLES}] "
        f"FROM {{manifest}} WHERE {name}::VARCHAR IN ({listed}) GROUP BY value"
    )
    return {value: f" ({', '.join(images)})" for value, images in rows}


def _unlabelled(manifest: Manifest) -> Finding | None:
    count = int(((manifest.label_codes() < 0) & ~manifest.rated()).sum())
    if not count:
        return None
    return Finding("unlabelled", False, count, "images have no single label (tied votes, or none)")


def _only_rated(manifest: Manifest) -> Finding | None:
    count = int(((manifest.label_codes() < 0) & manifest.rated()).sum())
    if not count:
        return None
    message = "images have ratings of valence and arousal alone"
    return Finding("only-rated", False, count, message)


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
    if not is_divided(manifest):
        return None
    alone = int((manifest.codes("group") < 0).sum())
    if not alone:
        return None
    message = "images without a duplicate group were not compared: leaks of copies cannot be seen"
    return Finding("no-group", False, alone, message)
