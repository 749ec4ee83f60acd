"""Build a manifest from a data set as it is distributed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.crowd import AnnotatorVote, write_annotations
from evoca.data.manifest.builder import TableBuilder
from evoca.data.manifest.csv_table import BATCH_ROWS, CsvBatch
from evoca.data.manifest.duckdb import connect
from evoca.data.manifest.overwrite import check_table_name, keep_apart, keep_tables_of
from evoca.data.manifest.paths import Locator
from evoca.data.manifest.rejects import write_rejects
from evoca.data.manifest.schema import DISAGREE, PROBABILITY, VOTES, emotion_columns
from evoca.data.manifest.table import Manifest, manifest_of
from evoca.data.readers.base import Reader, ReadOptions, Row, TableBatch, get_reader
from evoca.data.relabel import BY_VALENCE, polarity_by_valence, remap
from evoca.data.votes import apply_rule, distribution, most_likely
from evoca.errors import DataError
from evoca.images import LeftOut, printable_name

__all__ = ["Built", "build"]


@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes:
        manifest: as written.
        dropped: label to the rows that lost it in a mapping to another taxonomy.
        rejects_file: where the refused rows are listed; ``None`` without any.
        votes_file: the votes by annotator, ``<out without suffix>.votes.csv``; ``None`` where
            the source does not know who voted.
        basis: where labels come from that no viewer gave; empty where viewers gave them.
    """

    manifest: Manifest
    dropped: Mapping[str, int]
    rejects_file: Path | None
    basis: str = ""
    votes_file: Path | None = None


def build(
    reader: str,
    source: str | Path,
    out: str | Path,
    *,
    options: ReadOptions | None = None,
    map_to: str | None = None,
    variant: str = "",
    strict: bool = False,
) -> Built:
    """Return the manifest of a data set, read and written.

    Raw votes are kept. ``emotion`` is what the source states; a source of votes alone gets
    the rule ``plurality``, and ``p_<emotion>`` where votes are not agrees and disagrees.

    Args:
        reader: name of a reader.
        source: file or folder as distributed; its images must lie inside its folder.
        out: the manifest, ``.parquet`` or ``.csv``.
        options: of the reader. Images that lie inside other files go to
            ``<out without suffix>_images`` where they name no folder. Votes by annotator
            go to ``<out without suffix>.votes.csv``.
        map_to: bring the labels to this taxonomy.
        variant: which mapping, where there are several; ``valence-midpoint`` makes a polarity
            of a source of ratings.
        strict: stop at the first bad row; else list the bad ones beside the manifest.

    Raises:
        DataError: no such reader or source, a source of another layout, nothing usable
            in it, a bad row while strict, or ``out`` is the source itself or a table of its own.
        MissingExtraError: DuckDB is not installed.
    """
    source, out = Path(source), Path(out)
    chosen = get_reader(reader)
    if not source.exists():
        raise DataError(f"{printable_name(source)}: no such file or folder")
    by_valence = _by_valence(chosen, map_to, variant)
    check_table_name(out)
    keep_apart(source, [out])
    keep_tables_of(source, out)
    options = _options(chosen, options or ReadOptions(), out)
    taxonomy = options.taxonomy or chosen.taxonomy
    builder = TableBuilder(connect(), taxonomy, strict=strict)
    root = source if source.is_dir() else source.parent
    also = None if options.images is None else Path(options.images)
    locator = Locator(root, out.parent, files_required=chosen.files_required, also=also)
    left_out = LeftOut()
    votes: list[AnnotatorVote] = []
    for batch in _batches(chosen.read(source, options), left_out):
        votes += _add(builder, batch, chosen.name, locator)
    manifest = _labelled(manifest_of(builder, out.parent, printable_name(source)))
    dropped: Mapping[str, int] = {}
    basis = ""
    if by_valence is not None:
        manifest = polarity_by_valence(manifest, by_valence)
        low, high = by_valence
        basis = (
            f"the mean valence against {(low + high) / 2:g}, the middle of the scale {low:g} to "
            f"{high:g}: a convention, no viewer was asked for it"
        )
    elif map_to is not None and map_to != manifest.taxonomy:
        remapped = remap(manifest, map_to, variant)
        manifest, dropped = remapped.manifest, remapped.dropped
    manifest.write(out)
    manifest.left_out.update(left_out)
    rejects_file = write_rejects(manifest.rejects, out)
    return Built(manifest, dropped, rejects_file, basis, _write_votes(votes, manifest, out))


def _write_votes(votes: list[AnnotatorVote], manifest: Manifest, out: Path) -> Path | None:
    """Write the votes by annotator on the images of a manifest, and return the file."""
    if not votes:
        return None
    kept = set(manifest.texts("image"))
    path = out.with_name(out.stem + ".votes.csv")
    write_annotations(path, (vote for vote in votes if vote[0] in kept))
    return path


def _by_valence(reader: Reader, map_to: str | None, variant: str) -> tuple[float, float] | None:
    """Return the scale whose middle divides negative from positive, where requested.

    Raises:
        DataError: the source has labels or no known scale; or ratings alone, and they are
            to become labels by no stated rule.
    """
    if variant == BY_VALENCE:
        if reader.ratings is None:
            raise DataError(
                f"--variant {BY_VALENCE}: the reader {reader.name} has labels of its own, or no "
                "scale of valence that is known: leave it out"
            )
        if map_to != "polarity":
            raise DataError(
                f"--variant {BY_VALENCE} needs --map-to polarity: no emotion follows from valence"
            )
        return reader.ratings
    if map_to is not None and reader.ratings is not None:
        raise DataError(
            f"{reader.name} has ratings of valence and arousal, no labels to map to {map_to}; "
            f"--map-to polarity --variant {BY_VALENCE} says on which side of the middle of the "
            "scale an image lies"
        )
    return None


def _options(reader: Reader, options: ReadOptions, out: Path) -> ReadOptions:
    names = ("columns", "labels", "images", "taxonomy", "max_ratio")
    given = {name for name in names if getattr(options, name)}
    if given - reader.accepts:
        unused = ", ".join(sorted(given - reader.accepts))
        raise DataError(f"the reader {reader.name} knows its layout and takes no {unused}")
    if "images" in reader.accepts and options.images is None:
        return replace(options, images=out.with_name(out.stem + "_images"))
    return options


@dataclass(frozen=True)
class _Batch:
    file: str
    values: dict[str, NDArray[np.object_]]
    rows: NDArray[np.int64]
    causes: list[str | None]
    annotations: tuple[tuple[tuple[str, str], ...], ...] = ()


def _batches(rows: Iterable[Row | TableBatch | LeftOut], left_out: LeftOut) -> Iterator[_Batch]:
    """Yield the rows of one file as columns, whole tables unchanged; count what is left out."""
    gathered: list[Row] = []
    for row in rows:
        if isinstance(row, LeftOut):
            left_out.update(row)
            continue
        if isinstance(row, TableBatch):
            batch: CsvBatch = row.batch
            yield _Batch(row.file, dict(batch.values), batch.rows, [None] * len(batch.rows))
            continue
        if gathered and (row.file != gathered[0].file or len(gathered) == BATCH_ROWS):
            yield _columns(gathered)
            gathered = []
        gathered.append(row)
    if gathered:
        yield _columns(gathered)


def _columns(rows: list[Row]) -> _Batch:
    names = dict.fromkeys(name for row in rows for name in row.cells)
    values = {
        name: np.array([_text(row.cells.get(name)) for row in rows], dtype=object)
        for name in names
        if name == "image" or any(row.cells.get(name) not in {None, ""} for row in rows)
    }
    numbers = np.array([row.row for row in rows], dtype=np.int64)
    causes = [row.cause or None for row in rows]
    return _Batch(rows[0].file, values, numbers, causes, tuple(row.annotations for row in rows))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _add(
    builder: TableBuilder, batch: _Batch, reader: str, locator: Locator
) -> list[AnnotatorVote]:
    """Add rows, and return the votes by annotator on their images."""
    n = len(batch.rows)
    values: dict[str, NDArray[Any]] = dict(batch.values)
    names = [str(name or "").strip() for name in values["image"].tolist()]
    linked = [bool(url) for url in values["url"].tolist()] if "url" in values else [False] * n
    names, causes = locator(names, linked)
    values["image"] = np.array(names, dtype=object)
    constants = {"source": reader, "taxonomy": builder.taxonomy}
    stated = [first or second for first, second in zip(batch.causes, causes, strict=True)]
    refused = np.array(stated, dtype=object) if any(stated) else None
    builder.add(values, batch.rows, batch.file, causes=refused, constants=constants)
    return [
        (name, annotator, emotion)
        for name, given in zip(names, batch.annotations, strict=False)  # none of whole tables
        for annotator, emotion in given
    ]


def _labelled(manifest: Manifest) -> Manifest:
    """Return the manifest with what follows from the votes where the source does not state it."""
    votes = manifest.counts(VOTES)
    values: dict[str, NDArray[Any]] = {}
    labels = np.array([*manifest.labels, ""], dtype=object)
    shares = emotion_columns(PROBABILITY, manifest.labels)
    stated = any(column in manifest for column in shares)
    if votes is not None:
        if "emotion" not in manifest:
            values["emotion"] = labels[apply_rule("plurality", votes).truth]
        if not stated and manifest.counts(DISAGREE) is None:
            values |= dict(zip(shares, distribution(votes).T, strict=True))
    elif stated and "emotion" not in manifest:
        table = np.stack([manifest.numbers(column) for column in shares], axis=1)
        values["emotion"] = labels[most_likely(table)]
    return manifest.with_columns(values) if values else manifest
