"""What the machines of a Ray cluster do for ``evoca tag --ray``: decode, then run the model.

Both stages take and give tables of Arrow, a few hundred images each, and call the very functions
that ``evoca tag`` calls on one machine.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evoca.errors import ImageError
from evoca.images.decode import ImageLimits
from evoca.images.isolated import DecodingPool
from evoca.images.preprocess import Preprocessing
from evoca.runtime.bundle import Bundle
from evoca.runtime.choice import choose_engine
from evoca.runtime.engines import Engine, open_engine
from evoca.runtime.tables import number_columns, table_columns, table_row
from evoca.runtime.throughput import best_batch_size
from evoca.tagger.inputs import Listed
from evoca.tagger.journal import Computed
from evoca.tagger.model import RunModel
from evoca.tagger.pipeline import run_padded
from evoca.tagger.reading import MemberReader, load_listed

__all__ = [
    "LISTED",
    "Computing",
    "Counter",
    "ShippedModel",
    "decode",
    "listed_images",
    "listed_table",
    "row_schema",
    "settled",
]

LISTED = pa.schema(
    [
        ("path", pa.string()),
        # Names of files may be any bytes.
        ("place", pa.binary()),
        ("member", pa.binary()),
        ("version", pa.string()),
        ("problem", pa.string()),
    ]
)
"""The columns of the list of images."""

_DECODED = pa.schema(
    [
        ("path", pa.string()),
        ("pixels", pa.binary()),
        ("sha256", pa.string()),
        ("warnings", pa.string()),
        ("error", pa.string()),
    ]
)
_FETCHERS = 16


def row_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of the rows that are written."""
    numbers = number_columns(labels)
    return pa.schema(
        [
            (column, pa.float64() if column in numbers else pa.string())
            for column in table_columns(labels)
        ]
    )


def listed_table(images: Sequence[Listed]) -> pa.Table:
    """Return images that were listed as rows of :data:`LISTED`."""
    rows = [
        {
            "path": one.path,
            "place": os.fsencode(one.place),
            "member": os.fsencode(one.member),
            "version": one.version,
            "problem": one.problem,
        }
        for one in images
    ]
    return pa.Table.from_pylist(rows, LISTED)


def listed_images(table: pa.Table) -> list[Listed]:
    """Return the images of a table of :data:`LISTED`."""
    return [
        Listed(
            row["path"],
            os.fsdecode(row["place"]),
            os.fsdecode(row["member"]),
            row["version"],
            row["problem"],
        )
        for row in table.to_pylist()
    ]


# --- decoding -------------------------------------------------------------------------------


@cache
def _pool() -> DecodingPool:
    """Return the process that decodes for this one; it ends when this one ends."""
    return DecodingPool(1)


def decode(images: pa.Table, preprocessing: Preprocessing) -> pa.Table:
    """Return the pixels of images that were listed, or why there are none.

    A picture that ends its decoder costs itself alone.

    Args:
        images: rows of :data:`LISTED`.
        preprocessing: of the model.
    """
    limits = ImageLimits()

    def row(one: Listed, data: bytes | ImageError | None) -> dict[str, Any]:
        if one.problem:
            return {"path": one.path, "error": one.problem}
        try:
            loaded = load_listed(one, data, _pool(), preprocessing, limits)
        except ImageError as error:
            return {"path": one.path, "error": error.cause}
        return {
            "path": one.path,
            "pixels": loaded.pixels.tobytes(),
            "sha256": loaded.sha256,
            "warnings": json.dumps(loaded.warnings),
        }

    found = listed_images(images)
    # One picture is decoded at a time; the others are fetched meanwhile.
    with MemberReader(limits) as members, ThreadPoolExecutor(_FETCHERS) as threads:
        data = [members.read(one) if one.member else None for one in found]
        return pa.Table.from_pylist(list(threads.map(row, found, data)), _DECODED)


# --- the model ------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShippedModel:
    """A model that travels to another machine, where the folder of its bundle need not be.

    Attributes:
        model: as it was read here.
        files: of its bundle, name to content.
    """

    model: RunModel
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, model: RunModel) -> ShippedModel:
        """Return a model with the content of its bundle's files."""
        folder = model.bundle.path
        return cls(model, {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()})

    def open(self, engine: str, precision: str) -> Engine:
        """Return an engine of one thread, loaded with the bundle."""
        with self.unpacked() as bundle:
            return open_engine(engine, bundle, 1, precision)

    @contextmanager
    def unpacked(self) -> Iterator[Bundle]:
        """Yield the bundle in a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="evoca-bundle-") as folder:
            for name, data in self.files.items():
                (Path(folder) / name).write_bytes(data)
            yield replace(self.model.bundle, path=Path(folder))


def settled(
    shipped: ShippedModel,
    pixels: NDArray[np.uint8] | None,
    named: tuple[str, str] | None,
    batch_size: int | None,
) -> tuple[str, str, int, list[str]]:
    """Return engine, precision and batch size, measured where they are not given, and why.

    Args:
        shipped: the model.
        pixels: to measure with; ``None`` where nothing is to be measured.
        named: engine and precision; ``None`` for the fastest on this machine.
        batch_size: ``None`` for the fastest.

    Raises:
        BundleError: the graph is damaged.
        EngineError: no such engine or precision, or not on this machine or for this model.
        MissingExtraError: the engine is not installed here.
    """
    said = []
    if named is None:
        assert pixels is not None
        with shipped.unpacked() as bundle:
            found = choose_engine(bundle, pixels, 1)
        named = found.engine, found.precision
        said.append(found.why)
    engine = shipped.open(*named)  # it fails here, before the work, if at all
    if batch_size is None:
        assert pixels is not None
        batch_size = best_batch_size(engine, pixels, 1)
        said.append(f"{batch_size} images per run of the model: the fastest there")
    return *named, batch_size, said


class Counter:
    """Counts what is computed anywhere; an actor."""

    def __init__(self) -> None:
        self._computed = self._unread = 0

    def add(self, computed: int, unread: int) -> None:
        """Count more images, and those of them that could not be read."""
        self._computed += computed
        self._unread += unread

    def counts(self) -> tuple[int, int]:
        """Return how many were computed, and how many of them could not be read."""
        return self._computed, self._unread


class Computing:
    """Runs the model on decoded images; an actor.

    Args:
        shipped: where Ray holds the :class:`ShippedModel`.
        engine: that runs it, in one thread.
        precision: to compute in.
        batch_size: images per run of the model.
        counter: the actor that counts.
    """

    def __init__(
        self,
        shipped: Any,
        engine: str,
        precision: str,
        batch_size: int,
        counter: Any,
    ) -> None:
        import ray

        found: ShippedModel = ray.get(shipped)
        self._model, self._size, self._counter = found.model, batch_size, counter
        self._engine = found.open(engine, precision)
        self._schema = row_schema(self._model.card.labels)
        preprocessing = self._model.card.preprocessing
        self._shape = (preprocessing.height, preprocessing.width, 3)

    def __call__(self, images: pa.Table) -> pa.Table:
        """Return the rows of decoded images."""
        rows = images.to_pylist()
        good = [row for row in rows if not row["error"]]
        computed = [Computed(row["path"], "", error=row["error"]) for row in rows if row["error"]]
        for first in range(0, len(good), self._size):
            computed += self._run(good[first : first + self._size])
        self._counter.add.remote(len(rows), len(rows) - len(good))
        return pa.Table.from_pylist([self._row(one) for one in computed], self._schema)

    def _run(self, batch: Sequence[Mapping[str, Any]]) -> Iterator[Computed]:
        outputs = run_padded(self._engine, [self._pixels(row) for row in batch], self._size)
        for i, row in enumerate(batch):
            affect = None if outputs.affect is None else outputs.affect[i]
            warnings = tuple(json.loads(row["warnings"]))
            yield Computed(
                row["path"], "", outputs.logits[i], affect, row["sha256"] or "", warnings
            )

    def _pixels(self, row: Mapping[str, Any]) -> NDArray[np.uint8]:
        return np.frombuffer(row["pixels"], np.uint8).reshape(self._shape)

    def _row(self, one: Computed) -> dict[str, Any]:
        """Return a row; empty texts are missing, as they are in the tables of one machine."""
        row = table_row(self._model.predicted(one))
        return {column: value for column, value in row.items() if column == "path" or value != ""}
