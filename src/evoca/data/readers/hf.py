"""A Hugging Face ``datasets`` dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evoca.data.manifest.duckdb import connect, duck_errors, sql_file, sql_name
from evoca.data.manifest.schema import SPLIT_ALIASES, SPLITS
from evoca.data.readers.base import Cell, ReadOptions, Row, configurable_reader
from evoca.data.readers.extracted import (
    Allowance,
    Extraction,
    RefusedArchiveError,
    extraction_folder,
)
from evoca.errors import DataError, MissingExtraError
from evoca.images import printable_name

__all__ = ["dataset_rows", "read"]

_LABEL_COLUMNS = ("emotion", "label", "labels")
_PLAIN = re.compile(r"VARCHAR|JSON|BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|ENUM.*")
_FETCH = 64
# What a row costs beside its cells; a compressed file can hold a billion empty ones.
_ROW_BYTES = 64


@configurable_reader("hf", "columns", "labels", "images", "taxonomy", "max_ratio")
def read(source: Path, options: ReadOptions) -> Iterator[Row]:
    """A Hugging Face dataset: Parquet shards, or a folder from ``save_to_disk``.

    Parquet shards (``Dataset.to_parquet``, or a repository's ``data/train-00000-of-
    00002.parquet``) hold an image column of ``{bytes, path}`` and a label; names of a
    ``ClassLabel`` are taken from the file's metadata. ``save_to_disk`` writes Arrow
    files, which need the extra ``hf``. The split is the shard's or the folder's name.
    Images are written below ``--images``; ``--column THEIRS=image`` and
    ``--column THEIRS=emotion`` name the columns, ``--label THEIRS=OURS`` the labels. The cells
    may come to 64 MiB and 20 times what the files weigh (``--max-ratio``).

    Source: https://huggingface.co/docs/datasets/image_dataset.
    """
    shards = [source] if source.is_file() else sorted(source.rglob("*.parquet"))
    if shards and all(shard.suffix == ".parquet" for shard in shards):
        allowance = Allowance(shards, options.max_ratio)
        for shard in shards:
            yield from _shard_rows(shard, options, allowance)
    elif (source / "dataset_dict.json").is_file() or (source / "state.json").is_file():
        yield from _saved_rows(source, options)
    else:
        raise DataError(f"{printable_name(source)}: no .parquet files, nor a saved dataset")


def dataset_rows(
    dataset: Iterable[Mapping[str, Any]],
    options: ReadOptions,
    *,
    where: str,
    split: str = "",
    names: Sequence[str] | None = None,
    allowance: Allowance | None = None,
) -> Iterator[Row]:
    """Yield the rows of records with undecoded images.

    Args:
        dataset: records; the image is ``{"bytes": ..., "path": ...}``, as
            ``Image(decode=False)`` returns it.
        options: names of columns and labels, and where images are written.
        where: printable name for messages; also names the folder of the images.
        split: of all records.
        names: label of each class number.
        allowance: what the records may come to; without bound if ``None``.

    Raises:
        RefusedArchiveError: they come to more.
    """
    with Extraction(extraction_folder(options, where) / Path(where).stem) as target:
        for number, record in enumerate(dataset, start=1):
            if allowance is not None:
                allowance.spend(_weight(record), where)
            yield _row(record, options, names, target, Row(where, number, {"split": split}))


def _weight(record: Mapping[str, Any]) -> int:
    """Return the approximate bytes of a record."""
    cells = [*record.values()]
    cells += [part for cell in cells if isinstance(cell, Mapping) for part in cell.values()]
    return _ROW_BYTES + sum(len(cell) for cell in cells if isinstance(cell, str | bytes))


def _row(
    record: Mapping[str, Any],
    options: ReadOptions,
    names: Sequence[str] | None,
    folder: Extraction,
    start: Row,
) -> Row:
    image_column = options.columns.get("image", "image")
    label_column = _label_column(record, options)
    image = record.get(image_column)
    cells = {**start.cells, "image": ""}
    if label_column is not None:
        cells["emotion"] = _label(record[label_column], names, options.labels)
    for name, value in record.items():
        if name not in {image_column, label_column, *cells} and isinstance(
            value, str | int | float
        ):
            cells[name] = value
    if not isinstance(image, Mapping) or not (image.get("bytes") or image.get("path")):
        return Row(start.file, start.row, cells, f"no image bytes in column {image_column!r}")
    if not image.get("bytes"):
        return Row(start.file, start.row, cells | {"image": str(image["path"])})
    try:
        suffix = Path(str(image.get("path") or "")).suffix
        path = folder.write(bytes(image["bytes"]), start.row, suffix)
    except DataError as error:
        return Row(start.file, start.row, cells, str(error))
    return Row(start.file, start.row, cells | {"image": str(path.absolute())})


def _label_column(record: Mapping[str, Any], options: ReadOptions) -> str | None:
    if "emotion" in options.columns:
        return options.columns["emotion"]
    return next((name for name in _LABEL_COLUMNS if name in record), None)


def _label(value: Any, names: Sequence[str] | None, labels: Mapping[str, str]) -> Cell:
    if isinstance(value, int) and names is not None and 0 <= value < len(names):
        value = names[value]
    text = "" if value is None else str(value)
    return labels.get(text, text)


def _split_of(name: str) -> str:
    first = name.lower().replace("_", "-").split("-")[0].split(".")[0]
    found = SPLIT_ALIASES.get(first, first)
    return found if found in SPLITS else ""


def _shard_rows(shard: Path, options: ReadOptions, allowance: Allowance) -> Iterator[Row]:
    where = printable_name(shard)
    connection = connect()
    source = f"read_parquet({sql_file(shard)})"
    with duck_errors(where):
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        kinds = {str(name): str(kind) for name, kind, *_ in described}
        for name in options.columns.values():
            if name not in kinds:
                raise DataError(f"{where}: no column {name!r}; it has {', '.join(kinds)}")
        image, label = options.columns.get("image", "image"), _label_column(kinds, options)
        names = _class_names(shard, options, list(kinds))
        # The others are not read: lists of a million numbers, further images.
        plain = [name for name in kinds if name != image and _PLAIN.fullmatch(kinds[name])]
        chosen = {name: sql_name(name) for name in dict.fromkeys([label, *plain]) if name}
        sizes = [f"strlen({cell}::VARCHAR)" for cell in chosen.values()]
        if parts := _image_parts(image, kinds.get(image, "")):
            fields = ", ".join(f"{sql_name(name)} := {part}" for name, part in parts.items())
            chosen[image] = f"struct_pack({fields})"
            sizes += [f"octet_length({part}::BLOB)" for part in parts.values()]
        cells = " + ".join([str(_ROW_BYTES), *(f"coalesce({size}, 0)" for size in sizes)])
        with _fits(where):
            total = connection.execute(f"SELECT sum({cells}) FROM {source}").fetchone()
            # Before a row is taken over: DuckDB copies them by the thousand.
            allowance.spend(int((total or (0,))[0] or 0), where)

        def records() -> Iterator[dict[str, Any]]:
            with _fits(where):
                columns = ", ".join(chosen.values())
                found = connection.execute(f"SELECT {columns} FROM {source}")
                while batch := found.fetchmany(_FETCH):
                    yield from (dict(zip(chosen, record, strict=True)) for record in batch)

        if chosen:
            split = _split_of(shard.name)
            yield from dataset_rows(records(), options, where=where, split=split, names=names)


def _image_parts(column: str, kind: str) -> dict[str, str]:
    """Return the fields of an image column that are read, each with its expression."""
    found = {"bytes": r'\b"?bytes"? BLOB', "path": r'\b"?path"? VARCHAR'}
    if not kind.startswith("STRUCT("):
        return {}
    return {
        name: f"{sql_name(column)}.{sql_name(name)}"
        for name, stated in found.items()
        if re.search(stated, kind)
    }


@contextmanager
def _fits(where: str) -> Iterator[None]:
    """Report the file whose pages or cells do not fit into DuckDB's memory."""
    try:
        yield
    except RefusedArchiveError:
        raise
    except DataError as error:
        raise DataError(
            f"{where}: {error}: a decompression bomb? Where you trust it, write it anew with "
            "smaller row groups"
        ) from error


def _class_names(shard: Path, options: ReadOptions, columns: Sequence[str]) -> Sequence[str] | None:
    """Return the names of a ClassLabel from the metadata that ``datasets`` writes."""
    label = _label_column(dict.fromkeys(columns), options)
    query = (
        f"SELECT decode(value) FROM parquet_kv_metadata({sql_file(shard)}) "
        "WHERE decode(key) = 'huggingface'"
    )
    stored = connect().execute(query).fetchone()
    if stored is None or label is None:
        return None
    try:
        feature = json.loads(stored[0])["info"]["features"][label]
        names = feature.get("names")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _saved_rows(source: Path, options: ReadOptions) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("a dataset from save_to_disk", "hf", "datasets") from error
    loaded = datasets.load_from_disk(str(source))
    parts = loaded.items() if isinstance(loaded, datasets.DatasetDict) else [("", loaded)]
    image = options.columns.get("image", "image")
    allowance = Allowance(sorted(source.rglob("*.arrow")), options.max_ratio)
    for name, part in parts:
        label = _label_column(dict.fromkeys(part.column_names), options)
        if image not in part.column_names:
            have = ", ".join(part.column_names)
            raise DataError(f"{printable_name(source)}: no column {image!r}; it has {have}")
        names = getattr(part.features[label], "names", None) if label else None
        where = printable_name(source / name) if name else printable_name(source)
        plain = _plain_part(part, image, label)
        split = _split_of(name)
        yield from dataset_rows(
            plain, options, where=where, split=split, names=names, allowance=allowance
        )


def _plain_part(part: Any, image: str, label: str | None) -> Any:
    """Return the image undecoded, the label, and columns of plain values.

    Other columns of images, sounds and films would be opened on the way, over the network
    where they are links.
    """
    import datasets

    plain = (datasets.Value, datasets.ClassLabel)
    columns = [name for name, kind in part.features.items() if isinstance(kind, plain)]
    columns_read = dict.fromkeys([image, *([label] if label else []), *columns])
    chosen = part.select_columns(list(columns_read))
    return chosen.cast_column(image, datasets.Image(decode=False))
