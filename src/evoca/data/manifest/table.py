"""A manifest: one table of labelled images, held in DuckDB, read from and written to files.

The table keeps all of its source, raw votes and unknown columns included. Code that
trains or evaluates reads the plainer :class:`evoca.data.manifest.labelled.LabelledImages`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.builder import TableBuilder
from evoca.data.manifest.csv_table import csv_batches
from evoca.data.manifest.duckdb import Database, connect, duck_errors, sql_name, sql_string
from evoca.data.manifest.folders import ClassFile, scan_any_folder, scan_class_folders
from evoca.data.manifest.overwrite import check_table_name
from evoca.data.manifest.paths import NOT_UTF8
from evoca.data.manifest.schema import DISAGREE, PROBABILITY, VOTES, column_order, emotion_columns
from evoca.data.taxonomies import DEFAULT_TAXONOMY, all_labels
from evoca.data.votes import distribution, most_likely
from evoca.drafts import drafted
from evoca.errors import DataError
from evoca.images import LeftOut, printable_name
from evoca.words import counted

if TYPE_CHECKING:
    from evoca.data.manifest.rejects import Reject

__all__ = ["Manifest", "manifest_of", "read_folder", "read_manifest"]

_names = count()


class Manifest:
    """A table of n labelled images; never changed in place.

    Attributes:
        root: the folder that relative image paths start from.
        source: printable name of the file or folder it was read from.
        rejects: the rows that were refused on the way here.
        left_out: files of its folder that are not in it; a manifest that is made of this
            one does not report them again.
    """

    def __init__(
        self,
        connection: Database,
        relation: str,
        root: Path,
        source: str,
        rejects: tuple[Reject, ...] = (),
    ) -> None:
        """Wrap a table or view whose scan gives the rows in order, as DuckDB's do."""
        self._connection = connection
        self._relation = relation
        self.root = root
        self.source = source
        self.rejects = rejects
        self.left_out = LeftOut()
        described = connection.execute(f"DESCRIBE {relation}").fetchall()
        self._types = {name: str(kind) for name, kind, *_ in described}
        self._length = int(self.sql("SELECT count(*) FROM {manifest}")[0][0])

    def __len__(self) -> int:
        return self._length

    def __contains__(self, column: str) -> bool:
        return column in self._types

    def __repr__(self) -> str:
        return (
            f"Manifest({self.source!r}, {counted(len(self), 'row')}, columns "
            f"{', '.join(self.columns)})"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in the manifest's order."""
        return column_order(self._types, self.labels)

    @property
    def taxonomy(self) -> str:
        """The taxonomy of all rows.

        Raises:
            DataError: the rows are of several taxonomies.
        """
        found = self._taxonomies()
        if len(found) > 1:
            raise DataError(
                f"{self.source}: rows of several taxonomies ({', '.join(found)}); "
                "map them to one first"
            )
        return found[0] if found else DEFAULT_TAXONOMY

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the taxonomy, in order; of every taxonomy where rows differ."""
        return all_labels(self._taxonomies() or (DEFAULT_TAXONOMY,))

    def _taxonomies(self) -> tuple[str, ...]:
        if "taxonomy" not in self:
            return ()
        default = sql_string(DEFAULT_TAXONOMY)
        query = f"SELECT DISTINCT coalesce(taxonomy, {default}) AS t FROM {{manifest}} ORDER BY t"
        return tuple(row[0] for row in self.sql(query))

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; ``{manifest}`` stands for the table."""
        return self._connection.execute(query.replace("{manifest}", self._relation)).fetchall()

    def arrays(self, query: str) -> dict[str, NDArray[Any]]:
        """Return the columns of a query, as :meth:`sql` runs it, as (masked) arrays."""
        found = self._connection.execute(query.replace("{manifest}", self._relation))
        return found.fetchnumpy()

    def texts(self, column: str) -> NDArray[np.object_]:
        """Return a column as text, object (n,); empty where it or a cell is absent."""
        if column not in self:
            return np.full(len(self), "", dtype=object)
        query = f"SELECT coalesce({sql_name(column)}::VARCHAR, '') AS v"
        return np.asarray(self.arrays(f"{query} FROM {{manifest}}")["v"], dtype=object)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return a column as float64 (n,); NaN where it or a cell is absent."""
        if column not in self:
            return np.full(len(self), np.nan)
        query = f"SELECT {sql_name(column)}::DOUBLE AS v FROM {{manifest}}"
        return np.asarray(np.ma.filled(self.arrays(query)["v"], np.nan), dtype=np.float64)

    def codes(self, column: str) -> NDArray[np.int64]:
        """Return the values of a column as numbers, int64 (n,): equal cells share one, from 0.

        An absent cell is -1. The numbers follow the order of first appearance.
        """
        if column not in self:
            return np.full(len(self), -1, dtype=np.int64)
        name = sql_name(column)
        found = self.arrays(
            f"WITH cells AS (SELECT {name} AS v, row_number() OVER () - 1 AS i FROM {{manifest}}), "
            "firsts AS (SELECT v, min(i) AS i FROM cells WHERE v IS NOT NULL GROUP BY v), "
            "numbered AS (SELECT v, row_number() OVER (ORDER BY i) - 1 AS code FROM firsts) "
            "SELECT i, code FROM cells JOIN numbered USING (v)"
        )
        result = np.full(len(self), -1, dtype=np.int64)
        result[np.asarray(found["i"])] = np.asarray(found["code"])
        return result

    def label_codes(self) -> NDArray[np.int64]:
        """Return ``emotion`` as int64 (n,), index into :attr:`labels`; -1 where empty.

        A table without that column has the labels that training gives it: the unique
        maximum of its distributions, which for votes is the rule ``plurality``.
        """
        if "emotion" not in self:
            shares = self._shares()
            return np.full(len(self), -1) if shares is None else most_likely(shares)
        listed = ", ".join(sql_string(label) for label in self.labels)
        found = self.arrays(
            f"SELECT coalesce(list_position([{listed}], emotion), 0) - 1 AS v FROM {{manifest}}"
        )
        return np.asarray(found["v"], dtype=np.int64)

    def labelled(self) -> Manifest:
        """Return a manifest with the column ``emotion``, made of :meth:`label_codes`."""
        if "emotion" in self:
            return self
        names = np.array([*self.labels, ""], dtype=object)
        return self.with_columns({"emotion": names[self.label_codes()]})

    def rated(self) -> NDArray[np.bool_]:
        """Return which images have a rating of valence or arousal, bool (n,)."""
        ratings = [self.numbers(name) for name in ("valence", "arousal")]
        return np.asarray(np.isfinite(ratings).any(axis=0))

    def _shares(self) -> NDArray[np.float64] | None:
        """Return each image's distribution, (n, K), as stated or by its votes on all emotions."""
        names = emotion_columns(PROBABILITY, self.labels)
        if any(name in self for name in names):
            return np.stack([self.numbers(name) for name in names], axis=1)
        votes = self.counts(VOTES)
        # Agreement with one proposed emotion is not a distribution.
        if votes is None or self.counts(DISAGREE) is not None:
            return None
        return distribution(votes)

    def counts(self, prefix: str) -> NDArray[np.int64] | None:
        """Return the counts under a prefix (``votes_``, ``disagree_``), int64 (n, K).

        An absent column or cell counts as 0. ``None`` where no column has the prefix.
        """
        names = emotion_columns(prefix, self.labels)
        if not any(name in self for name in names):
            return None
        result = np.zeros((len(self), len(names)), dtype=np.int64)
        for k, name in enumerate(names):
            if name in self:
                result[:, k] = np.nan_to_num(self.numbers(name))
        return result

    def paths(self) -> list[Path]:
        """Return the n image files; a relative path starts at :attr:`root`."""
        return [self.root / name for name in self.texts("image")]

    def with_columns(self, values: Mapping[str, NDArray[Any]]) -> Manifest:
        """Return a manifest with columns added or replaced.

        Args:
            values: column name to n cells. In text an empty cell is "", in floating
                point NaN, else a masked one.
        """
        for name, cells in values.items():
            if len(cells) != len(self):
                raise ValueError(
                    f"{name} has {counted(len(cells), 'cell')}, the manifest "
                    f"{counted(len(self), 'row')}"
                )
        table = self._store(values)
        kept = [sql_name(name) for name in self._types if name not in values]
        new = [f"{table}.{sql_name(name)}" for name in values]
        return self._view(
            f"SELECT {', '.join((*kept, *new))} FROM {{manifest}} POSITIONAL JOIN {table}"
        )

    def without_columns(self, *names: str) -> Manifest:
        """Return a manifest without some columns."""
        kept = [sql_name(name) for name in self._types if name not in names]
        return self._view(f"SELECT {', '.join(kept)} FROM {{manifest}}")

    def take(self, keep: NDArray[np.bool_]) -> Manifest:
        """Return the rows under a boolean mask of length n, in their order."""
        table = self._store({"__keep": np.asarray(keep, dtype=np.bool_)})
        kept = ", ".join(sql_name(name) for name in self._types)
        return self._view(f"SELECT {kept} FROM {{manifest}} POSITIONAL JOIN {table} WHERE __keep")

    def rows(self, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the named columns, in order; an absent cell is ``None``."""
        names = ", ".join(sql_name(c) if c in self else "NULL" for c in columns)
        cursor = self._connection.cursor()
        found = cursor.execute(f"SELECT {names} FROM {self._relation}")
        while batch := found.fetchmany(10_000):
            yield from batch

    def write(self, path: str | Path) -> None:
        """Write the manifest as CSV or Parquet, whole or not at all.

        Image paths are stored relative to the file where they lie below its folder, and
        absolute elsewhere.

        Raises:
            DataError: another file type, or the folder cannot be written to.
        """
        path = Path(path)
        where = printable_name(path)
        check_table_name(path)
        manifest = self._rebased(path.parent)
        form = (
            "FORMAT csv, HEADER"
            if path.suffix.lower() == ".csv"
            else ("FORMAT parquet, COMPRESSION zstd")
        )
        names = ", ".join(sql_name(name) for name in manifest.columns)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with drafted(path) as draft, duck_errors(where):
                self._connection.execute(
                    f"COPY (SELECT {names} FROM {manifest._relation}) "
                    f"TO {sql_string(draft.absolute())} ({form})"
                )
        except OSError as error:
            raise DataError(f"{where}: cannot be written: {error.strerror}") from error

    def _rebased(self, folder: Path) -> Manifest:
        """Return the manifest with images named from another folder."""
        old, new = os.path.abspath(self.root), os.path.abspath(folder)  # noqa: PTH100
        if old == new:
            return self
        names = [_relative(os.path.join(old, name), new) for name in self.texts("image")]  # noqa: PTH118
        moved = self.with_columns({"image": np.array(names, dtype=object)})
        moved.root = folder
        return moved

    def _store(self, columns: Mapping[str, NDArray[Any]]) -> str:
        """Return the name of a new table; masked cells, NaN and empty text become NULL."""
        table = f"columns_{next(_names)}"
        incoming: dict[str, NDArray[Any]] = {}
        expressions = []
        for i, (name, cells) in enumerate(columns.items()):
            # Not all versions of DuckDB heed the mask of an array.
            empty = np.ma.getmaskarray(cells) | _is_empty(cells)
            incoming |= {f"c{i}": np.asarray(np.ma.getdata(cells)), f"e{i}": empty}
            expressions.append(f"CASE WHEN NOT e{i} THEN c{i} END AS {sql_name(name)}")
        with self._connection.arrays("incoming", incoming):
            self._connection.execute(
                f"CREATE TABLE {table} AS SELECT {', '.join(expressions)} FROM incoming"
            )
        return table

    def _view(self, query: str) -> Manifest:
        view = f"manifest_{next(_names)}"
        text = query.replace("{manifest}", self._relation)
        self._connection.execute(f"CREATE VIEW {view} AS {text}")
        return Manifest(self._connection, view, self.root, self.source, self.rejects)


def read_manifest(
    path: Path | str, *, taxonomy: str | None = None, strict: bool = True
) -> Manifest:
    """Return the manifest of a file, or of a folder of class folders.

    Args:
        path: a CSV (UTF-8, comma, with a header), a Parquet file, or a folder.
        taxonomy: of the rows that do not name theirs; ``mikels8`` if omitted.
        strict: stop at the first bad row; else keep the good rows and list the bad ones
            in :attr:`Manifest.rejects`.

    Raises:
        DataError: nothing there, not a table, no column ``image``, or a bad row while
            strict; one line that names file, row and cause.
        MissingExtraError: DuckDB is not installed.
    """
    path = Path(path)
    where = printable_name(path)
    taxonomy = taxonomy or DEFAULT_TAXONOMY
    builder = TableBuilder(connect(), taxonomy, strict=strict)
    if path.is_dir():
        left_out = LeftOut()
        _add_files(builder, path, scan_class_folders(path, taxonomy, left_out))
        manifest = manifest_of(builder, path, where)
        manifest.left_out = left_out
        return manifest
    if not path.exists():
        raise DataError(f"{where}: no such file or folder")
    if path.suffix.lower() == ".parquet":
        with duck_errors(where):
            builder.add_parquet(path)
    elif path.suffix.lower() == ".csv":
        for batch in csv_batches(path, lambda row, cause: builder.reject(where, row, cause)):
            builder.add(batch.values, batch.rows, where)
    else:
        raise DataError(f"{where}: not a manifest; give a .csv, a .parquet or a folder")
    return manifest_of(builder, path.parent, where)


def manifest_of(builder: TableBuilder, root: Path, source: str) -> Manifest:
    """Return what a builder has collected.

    Raises:
        DataError: no row is left.
    """
    if not builder.started:
        raise DataError(f"{source}: no rows")
    manifest = Manifest(builder.connection, "manifest", root, source, tuple(builder.rejects))
    if not len(manifest):
        bad = manifest.rejects
        first = f"; the first of {counted(len(bad), 'bad row')}: {bad[0]}" if bad else ""
        raise DataError(f"{source}: no rows{first}")
    return manifest


def read_folder(path: str | Path, *, taxonomy: str | None = None) -> Manifest:
    """Return any folder of images as a manifest, class folders or not.

    Raises:
        DataError: no images, or a folder that cannot be read.
        MissingExtraError: DuckDB is not installed.
    """
    path, taxonomy = Path(path), taxonomy or DEFAULT_TAXONOMY
    builder = TableBuilder(connect(), taxonomy, strict=False)
    left_out = LeftOut()
    _add_files(builder, path, scan_any_folder(path, taxonomy, left_out))
    manifest = manifest_of(builder, path, printable_name(path))
    manifest.left_out = left_out
    return manifest


def _add_files(builder: TableBuilder, folder: Path, found: list[ClassFile]) -> None:
    paths = [item.path.relative_to(folder) for item in found]
    values = {
        "image": [printable_name(path) for path in paths],
        "emotion": [item.label for item in found],
        "split": [item.split for item in found],
    }
    unnameable = [
        NOT_UTF8 if name != str(path) else None
        for name, path in zip(values["image"], paths, strict=True)
    ]
    causes = np.array(unnameable, dtype=object) if any(unnameable) else None
    columns = {name: np.array(cells, dtype=object) for name, cells in values.items()}
    rows = np.zeros(len(found), dtype=np.int64)
    builder.add(columns, rows, printable_name(folder), causes=causes)


def _is_empty(cells: NDArray[Any]) -> NDArray[np.bool_]:
    if cells.dtype.kind in "UO":
        return np.asarray(cells == "")
    if cells.dtype.kind == "f":
        return np.asarray(np.isnan(np.ma.getdata(cells)))
    return np.zeros(len(cells), dtype=np.bool_)


def _relative(path: str, folder: str) -> str:
    path = os.path.normpath(path)
    inside = path.startswith(folder.rstrip(os.sep) + os.sep)
    return os.path.relpath(path, folder) if inside else path
