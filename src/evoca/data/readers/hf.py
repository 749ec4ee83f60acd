"""A Hugging Face ``datasets`` dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evoca.data.duck import connect, duck_errors, sql_file
from evoca.data.readers.base import Cell, ReadOptions, Row, configurable_reader
from evoca.data.readers.extracted import extract, extraction_folder
from evoca.data.schema import SPLIT_ALIASES, SPLITS
from evoca.errors import DataError, MissingExtraError
from evoca.images import printable_name

__all__ = ["dataset_rows", "read"]

_LABEL_COLUMNS = ("emotion", "label", "labels")
_FETCH = 64


@configurable_reader("hf", "columns", "labels", "images", "taxonomy")
def read(source: Path, options: ReadOptions) -> Iterator[Row]:
    """A Hugging Face dataset: Parquet shards, or a folder from ``save_to_disk``.

    Parquet shards (``Dataset.to_parquet``, or a repository's ``data/train-00000-of-
    00002.parquet``) hold an image column of ``{bytes, path}`` and a label; names of a
    ``ClassLabel`` are taken from the file's metadata. ``save_to_disk`` writes Arrow
    files, which need the extra ``hf``. The split is the shard's or the folder's name.
    Images are written below ``--images``; ``--column image=NAME`` and
    ``--column emotion=NAME`` name the columns, ``--label OLD=NEW`` the labels.

    Source: https://huggingface.co/docs/datasets/image_dataset.
    """
    shards = [source] if source.is_file() else sorted(source.rglob("*.parquet"))
    if shards and all(shard.suffix == ".parquet" for shard in shards):
        for shard in shards:
            yield from _shard_rows(shard, options)
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
) -> Iterator[Row]:
    """Yield the rows of records with undecoded images.

    Args:
        dataset: records; the image is ``{"bytes": ..., "path": ...}``, as
            ``Image(decode=False)`` gives it.
        options: names of columns and labels, and where images are written.
        where: printable name for messages; also names the folder of the images.
        split: of all records.
        names: label of each class number.
    """
    folder = extraction_folder(options, where) / Path(where).stem
    for number, record in enumerate(dataset, start=1):
        yield _row(record, options, names, folder, Row(where, number, {"split": split}))


def _row(
    record: Mapping[str, Any],
    options: ReadOptions,
    names: Sequence[str] | None,
    folder: Path,
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
        path = extract(bytes(image["bytes"]), folder, start.row, suffix)
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


def _shard_rows(shard: Path, options: ReadOptions) -> Iterator[Row]:
    where = printable_name(shard)
    connection = connect()
    with duck_errors(where):
        found = connection.execute(f"SELECT * FROM read_parquet({sql_file(shard)})")
        columns = found.columns()
        for name in options.columns.values():
            if name not in columns:
                raise DataError(f"{where}: no column {name!r}; it has {', '.join(columns)}")
        names = _class_names(shard, options, columns)

        def records() -> Iterator[dict[str, Any]]:
            while batch := found.fetchmany(_FETCH):
                yield from (dict(zip(columns, record, strict=True)) for record in batch)

        yield from dataset_rows(
            records(), options, where=where, split=_split_of(shard.name), names=names
        )


def _class_names(shard: Path, options: ReadOptions, columns: Sequence[str]) -> Sequence[str] | None:
    """Read the names of a ClassLabel from the metadata that ``datasets`` writes."""
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
    for name, part in parts:
        label = _label_column(dict.fromkeys(part.column_names), options)
        if image not in part.column_names:
            have = ", ".join(part.column_names)
            raise DataError(f"{printable_name(source)}: no column {image!r}; it has {have}")
        names = getattr(part.features[label], "names", None) if label else None
        where = printable_name(source / name) if name else printable_name(source)
        plain = _plain_part(part, image, label)
        yield from dataset_rows(plain, options, where=where, split=_split_of(name), names=names)


def _plain_part(part: Any, image: str, label: str | None) -> Any:
    """Return the image undecoded, the label, and columns of plain values.

    Other columns of images, sounds and films would be opened on the way, over the network
    where they are links.
    """
    import datasets

    plain = (datasets.Value, datasets.ClassLabel)
    columns = [name for name, kind in part.features.items() if isinstance(kind, plain)]
    wanted = dict.fromkeys([image, *([label] if label else []), *columns])
    chosen = part.select_columns(list(wanted))
    return chosen.cast_column(image, datasets.Image(decode=False))
