"""Embeddings of images in files: Parquet, or an array of NumPy with its paths beside it.

- ``FILE.parquet``: the columns ``path``, ``sha256``, ``model`` and ``embedding``, a list of
  float32.
- ``FILE.npy``: float32 (N, D); row i belongs to row i of ``FILE.paths.csv``, which has the columns
  ``path``, ``sha256`` and ``model``.

Images that cannot be read are left out: a row of NaN would spoil every mean and distance.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from evoca.data.manifest.columns import Columns, read_columns, texts
from evoca.data.manifest.duckdb import connect, duck_errors, sql_file, sql_string
from evoca.drafts import drafted
from evoca.errors import DataError, EvocaError, ImageError
from evoca.images import printable_name
from evoca.metrics.checks import IntArray
from evoca.prediction import Prediction
from evoca.words import counted

__all__ = [
    "EMBEDDING_SUFFIXES",
    "Embeddings",
    "Written",
    "paths_beside",
    "read_embeddings",
    "write_embeddings",
]

EMBEDDING_SUFFIXES = (".parquet", ".npy")
"""Endings of the names of files of embeddings."""

_ROWS_AT_ONCE = 4096  # 35 MB of 2,136 numbers each
_HEADER = ("path", "sha256", "model")

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        images: N, rows of the file.
        dimensions: D, numbers in each.
        unread: the inputs that could not be read, and are left out.
    """

    images: int
    dimensions: int
    unread: tuple[ImageError, ...] = ()


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of N images in a file; the numbers stay there until they are needed.

    Attributes:
        file: that holds them.
        paths: object (N,), as the inputs were named.
        sha256: object (N,), of the images' files; empty where unknown.
        model: name of the model that computed them all.
        dimensions: D.
    """

    file: Path
    paths: NDArray[np.object_]
    sha256: NDArray[np.object_]
    model: str
    dimensions: int

    def __len__(self) -> int:
        return len(self.paths)

    def chunks(self) -> Iterator[Vectors]:
        """Yield the vectors in order, float32 (up to 4,096, D)."""
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield self._rows(start, min(start + _ROWS_AT_ONCE, len(self)))

    def of(self, rows: IntArray) -> Vectors:
        """Return the vectors of some rows, int (n,), as float32 (n, D)."""
        if self.file.suffix.lower() == ".npy":
            return np.asarray(_mapped(self.file)[rows])
        wanted, places = np.unique(rows, return_inverse=True)
        listed = ", ".join(map(str, wanted.tolist()))
        return self._read(f"file_row_number IN ({listed})", len(wanted))[places]

    def _rows(self, start: int, stop: int) -> Vectors:
        if self.file.suffix.lower() == ".npy":
            return np.asarray(_mapped(self.file)[start:stop])
        where = f"file_row_number >= {start} AND file_row_number < {stop}"
        return self._read(where, stop - start)

    def _read(self, where: str, count: int) -> Vectors:
        """Return the rows of a Parquet file for which a condition is true, in their order."""
        source = f"read_parquet({sql_file(self.file)}, file_row_number=true)"
        query = f"SELECT unnest(embedding)::FLOAT AS v FROM {source} WHERE {where}"
        with duck_errors(printable_name(self.file)):
            found = connect().execute(query).fetchnumpy()["v"]
        vectors = np.asarray(np.ma.filled(found, np.nan), dtype=np.float32)
        return vectors.reshape(count, self.dimensions)


def paths_beside(array: Path) -> Path:
    """Return the file with the paths of the rows of an array.

    >>> paths_beside(Path("features.npy")).name
    'features.paths.csv'
    """
    return array.with_suffix(".paths.csv")


def write_embeddings(predicted: Iterable[Prediction | ImageError], out: Path) -> Written:
    """Return what was written: a file of embeddings, which appears only when it is complete.

    Only a few thousand embeddings are held in memory.

    Args:
        predicted: of one model, as :meth:`evoca.Predictor.stream` yields them.
        out: ``.parquet``, or ``.npy`` with :func:`paths_beside` it.

    Raises:
        EvocaError: the model has no embedding, no image could be read, or the file cannot be
            written.
        MissingExtraError: ``.parquet`` without DuckDB.
    """
    name = printable_name(out)
    if out.suffix.lower() not in EMBEDDING_SUFFIXES:
        raise EvocaError(f"{name}: embeddings are written to {' or '.join(EMBEDDING_SUFFIXES)}")
    unread: list[ImageError] = []
    count = size = 0
    try:
        with ExitStack() as opened:
            writer: _Writer = (_Array if out.suffix.lower() == ".npy" else _Table)(out, opened)
            for batch in _batches(predicted, unread):
                vectors = np.stack([_vector(prediction) for prediction in batch])
                writer.add(batch, vectors)
                count, size = count + len(batch), vectors.shape[1]
            if not count:
                raise EvocaError(f"{name}: not written, since no image could be read")
            writer.finish((count, size))
    except OSError as error:
        raise EvocaError(f"{name}: cannot be written: {error.strerror or error}") from error
    return Written(count, size, tuple(unread))


def _batches(
    predicted: Iterable[Prediction | ImageError], unread: list[ImageError]
) -> Iterator[list[Prediction]]:
    batch: list[Prediction] = []
    for one in predicted:
        if isinstance(one, ImageError):
            unread.append(one)
            continue
        batch.append(one)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _vector(prediction: Prediction) -> Vectors:
    if prediction.embedding is None:
        raise EvocaError(f"the model {prediction.model} has no embedding: choose another")
    return prediction.embedding


class _Writer(Protocol):
    """What takes embeddings, a batch at a time."""

    def add(self, batch: Sequence[Prediction], vectors: Vectors) -> None:
        """Take a batch with its vectors (n, D)."""

    def finish(self, shape: tuple[int, int]) -> None:
        """Complete what was written; shape (N, D)."""


class _Array:
    """An array, and the paths of its rows."""

    def __init__(self, out: Path, opened: ExitStack) -> None:
        self._out = out
        # The last to be entered is the first in place: the paths, and then the array.
        array = opened.enter_context(drafted(out))
        paths = opened.enter_context(drafted(paths_beside(out)))
        self._array: BinaryIO = opened.enter_context(array.open("wb"))
        self._paths: TextIO = opened.enter_context(paths.open("w", encoding="utf-8", newline=""))
        self._rows = csv.writer(self._paths, lineterminator="\n")
        self._rows.writerow(_HEADER)
        self._begun = False

    def add(self, batch: Sequence[Prediction], vectors: Vectors) -> None:
        if not self._begun:
            self._write_header((0, vectors.shape[1]))
        self._begun = True
        self._rows.writerows(_named(batch))
        self._array.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())

    def finish(self, shape: tuple[int, int]) -> None:
        self._array.seek(0)
        self._write_header(shape)
        # An older array must not stand beside new paths, not even for a moment.
        self._out.unlink(missing_ok=True)

    def _write_header(self, shape: tuple[int, int]) -> None:
        """Write the header; NumPy leaves room in it for a first axis that grows."""
        content = {"descr": "<f4", "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._array, content)


class _Table:
    """A Parquet file, made of parts that are hidden beside it until it is complete."""

    def __init__(self, out: Path, opened: ExitStack) -> None:
        self._database = connect()
        self._draft = opened.enter_context(drafted(out))
        self._where = printable_name(out)
        self._parts: list[Path] = []

    def add(self, batch: Sequence[Prediction], vectors: Vectors) -> None:
        part = self._draft.with_name(f"{len(self._parts)}.parquet")
        names = np.array(_named(batch), dtype=object).T
        lists = np.empty(len(batch), dtype=object)
        lists[:] = list(vectors)
        columns = dict(zip(_HEADER, names, strict=True)) | {"embedding": lists}
        with duck_errors(self._where), self._database.arrays("batch", columns):
            self._database.execute(
                f"COPY (SELECT {', '.join(_HEADER)}, embedding::FLOAT[] AS embedding FROM batch) "
                f"TO {sql_string(part)} (FORMAT parquet)"
            )
        self._parts.append(part)

    def finish(self, shape: tuple[int, int]) -> None:
        del shape
        parts = ", ".join(sql_file(part) for part in self._parts)
        with duck_errors(self._where):
            self._database.execute(
                f"COPY (SELECT * FROM read_parquet([{parts}])) TO {sql_string(self._draft)} "
                f"(FORMAT parquet, ROW_GROUP_SIZE {_ROWS_AT_ONCE})"
            )


def _named(batch: Sequence[Prediction]) -> list[tuple[str, str, str]]:
    return [(one.path or "", one.sha256 or "", one.model) for one in batch]


def read_embeddings(file: Path) -> Embeddings:
    """Return embeddings that :func:`write_embeddings` wrote.

    Args:
        file: ``.parquet``, or ``.npy`` with :func:`paths_beside` it.

    Raises:
        DataError: missing, damaged, of several models, or an array without its paths.
        MissingExtraError: ``.parquet`` without DuckDB.
    """
    name = printable_name(file)
    if file.suffix.lower() not in EMBEDDING_SUFFIXES:
        raise DataError(f"{name}: embeddings are read from {' or '.join(EMBEDDING_SUFFIXES)}")
    if not file.is_file():
        raise DataError(f"{name}: no such file; evoca embed PATH... --out FILE writes one")
    if file.suffix.lower() == ".npy":
        columns, (rows, size) = read_columns(paths_beside(file)), _mapped(file).shape
    else:
        columns, (rows, size) = _named_rows(file, name)
    paths = texts(columns, "image", name, required=True)
    models = sorted(set(texts(columns, "model", name).tolist()))
    if len(paths) != rows:
        raise DataError(
            f"{name}: {counted(rows, 'row')}, but {counted(len(paths), 'path')} beside it: embed "
            "again"
        )
    if len(models) > 1:
        raise DataError(f"{name}: embeddings of several models, {' and '.join(models[:2])}")
    return Embeddings(file, paths, texts(columns, "sha256", name), "".join(models), size)


def _mapped(file: Path) -> Vectors:
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{printable_name(file)}: not a NumPy array, or cut off") from error
    if found.ndim != 2 or found.dtype != np.float32 or not found.shape[1]:
        raise DataError(
            f"{printable_name(file)}: float32 (N, D) is wanted, not {found.dtype} {found.shape}"
        )
    return np.asarray(found)


def _named_rows(file: Path, name: str) -> tuple[Columns, tuple[int, int]]:
    source, database = sql_file(file), connect()
    with duck_errors(name):
        cells = database.execute(f"SELECT {', '.join(_HEADER)} FROM {source}").fetchnumpy()
        row = database.execute(
            f"SELECT min(len(embedding)), max(len(embedding)), count(embedding) FROM {source}"
        ).fetchone()
    least, most, rows = row or (None, None, 0)
    if least is None or least != most:
        raise DataError(f"{name}: its embeddings are not all of one length")
    known = {name if name != "path" else "image": cells[name] for name in _HEADER}
    return Columns(known, np.arange(1, len(cells["path"]) + 1)), (int(rows), int(least))
