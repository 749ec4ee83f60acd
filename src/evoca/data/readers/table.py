"""Any CSV, with a mapping of its columns and labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.csv_table import CsvBatch, csv_batches, csv_header
from evoca.data.manifest.schema import SPLIT_ALIASES, with_image_column
from evoca.data.readers.base import ReadOptions, Row, TableBatch, configurable_reader, linked_name
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["read", "renamed"]

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": ","}


@configurable_reader("csv", "columns", "labels", "taxonomy")
def read(source: Path, options: ReadOptions) -> Iterator[Row | TableBatch]:
    """A CSV or TSV with a header; --column and --label map its names.

    The manifest's own columns need no mapping; all others pass through. Image paths
    are relative to the table's folder.
    """
    where = printable_name(source)
    if source.suffix.lower() not in _DELIMITERS:
        raise DataError(f"{where}: not a .csv or .tsv")
    delimiter = _DELIMITERS[source.suffix.lower()]
    header = csv_header(source, delimiter)
    _check_mapping(options.columns, header, where)
    refused: list[Row] = []

    def refuse(row: int, cause: str) -> None:
        refused.append(Row(where, row, {"image": ""}, cause))

    for batch in csv_batches(source, refuse, delimiter=delimiter):
        values = renamed(batch.values, options)
        yield TableBatch(where, CsvBatch(values, batch.rows))
        yield from refused
        refused.clear()


def renamed(
    values: Mapping[str, NDArray[np.object_]], options: ReadOptions
) -> dict[str, NDArray[np.object_]]:
    """Return columns, labels and splits under the manifest's names."""
    if "image" not in options.columns and "path" not in options.columns.values():
        values = dict(zip(with_image_column(values), values.values(), strict=True))
    theirs = {source: ours for ours, source in options.columns.items()}
    found = {
        theirs.get(name, name): cells
        for name, cells in values.items()
        if name in theirs or name not in options.columns
    }
    if "image" not in found and "url" in found:
        found["image"] = np.array(
            [linked_name(str(link)) if link else "" for link in found["url"]], dtype=object
        )
    if "emotion" in found and options.labels:
        found["emotion"] = _translate(found["emotion"], options.labels)
    if "split" in found:
        found["split"] = _translate(found["split"], SPLIT_ALIASES)
    return found


def _translate(cells: NDArray[np.object_], names: Mapping[str, str]) -> NDArray[np.object_]:
    plain = [str(cell or "").strip() for cell in cells.tolist()]
    return np.array(
        [names.get(cell, names.get(cell.lower(), cell)) for cell in plain], dtype=object
    )


def _check_mapping(columns: Mapping[str, str], header: list[str], where: str) -> None:
    lost = sorted(set(columns.values()) - set(header))
    if lost:
        raise DataError(f"{where}: no column {', '.join(lost)}; it has {', '.join(header)}")
    rest = (name for name in header if name not in columns.values())
    named = {*columns, *with_image_column(rest)}
    if not {"image", "url"} & named:
        raise DataError(
            f"{where}: no column 'image'; say which of {', '.join(header)} names the image: "
            "--column THEIRS=image, or --column THEIRS=url for links"
        )
