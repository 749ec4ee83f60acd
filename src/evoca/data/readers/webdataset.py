"""WebDataset shards."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from evoca.data.readers.base import Cell, ReadOptions, Row, configurable_reader
from evoca.data.readers.extracted import extract, extraction_folder
from evoca.data.schema import SPLIT_ALIASES, SPLITS
from evoca.errors import DataError
from evoca.images import IMAGE_SUFFIXES, ImageLimits, printable_name

__all__ = ["read"]

_ENDINGS = (".tar", ".tar.gz", ".tgz")
_MAX_TEXT_BYTES = 1 << 20


@dataclass
class _Sample:
    """The members of a shard that share a key."""

    key: str
    suffix: str = ""
    image: bytes = b""
    cells: dict[str, Cell] = field(default_factory=dict)
    cause: str = ""


@configurable_reader("webdataset", "labels", "images", "taxonomy")
def read(source: Path, options: ReadOptions) -> Iterator[Row]:
    """WebDataset shards: tar files of ``key.jpg`` with ``key.cls``, ``key.txt`` or ``key.json``.

    Consecutive members whose paths agree up to the first dot of the file name are one
    sample. ``cls`` and ``txt`` hold the label; ``json`` is an object whose ``emotion`` or
    ``label`` is it and whose other plain values become columns. Members of any other
    kind, pickles among them, are not read. The split is a word of the shard's name.
    Images are written below ``--images``; ``--label 0=amusement`` names class numbers.

    Source: https://github.com/webdataset/webdataset (the format's description).
    """
    folder = extraction_folder(options, printable_name(source))
    shards = [source] if source.is_file() else sorted(source.iterdir())
    shards = [shard for shard in shards if shard.name.lower().endswith(_ENDINGS)]
    if not shards:
        raise DataError(f"{printable_name(source)}: no .tar shards")
    for shard in shards:
        where = printable_name(shard)
        target = folder / shard.name.split(".")[0]
        for number, sample in enumerate(_samples(shard, where), start=1):
            yield _row(sample, Row(where, number, {"split": _split(shard)}), options, target)


def _split(shard: Path) -> str:
    words = re.split(r"[^a-z]+", shard.name.lower())
    found = (SPLIT_ALIASES.get(word, word) for word in words)
    return next((split for split in found if split in SPLITS), "")


def _samples(shard: Path, where: str) -> Iterator[_Sample]:
    sample = _Sample("")
    try:
        with tarfile.open(shard, "r|*") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                path = PurePosixPath(member.name)
                stem, _, ending = path.name.partition(".")
                key = str(path.with_name(stem or "_"))
                if key != sample.key:
                    if sample.key:
                        yield sample
                    sample = _Sample(key)
                _take(sample, archive, member, f".{ending.lower()}")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{where}: not a readable tar file: {error}") from error
    if sample.key:
        yield sample


def _take(sample: _Sample, archive: tarfile.TarFile, member: tarfile.TarInfo, suffix: str) -> None:
    is_image = suffix in IMAGE_SUFFIXES
    if not is_image and suffix not in {".cls", ".txt", ".json"}:
        return
    limit = ImageLimits().max_bytes if is_image else _MAX_TEXT_BYTES
    if member.size > limit:
        sample.cause = f"{suffix} has {member.size:,} bytes, the limit is {limit:,}"
        return
    file = archive.extractfile(member)
    data = file.read() if file is not None else b""
    if is_image:
        sample.image, sample.suffix = data, suffix
    elif suffix == ".json":
        _take_json(sample, data)
    else:
        sample.cells.setdefault("emotion", data.decode("utf-8", "replace").strip())


def _take_json(sample: _Sample, data: bytes) -> None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        sample.cause = ".json is not a JSON object"
        return
    plain = {str(k): v for k, v in found.items() if isinstance(v, str | int | float)}
    if "label" in plain and "emotion" not in plain:
        plain["emotion"] = plain.pop("label")
    sample.cells |= plain


def _row(sample: _Sample, start: Row, options: ReadOptions, folder: Path) -> Row:
    cells: dict[str, Cell] = {**start.cells, **sample.cells, "key": sample.key, "image": ""}
    label = str(cells.get("emotion") or "")
    cells["emotion"] = options.labels.get(label, label)
    cause = sample.cause or ("" if sample.image else f"no image for the key {sample.key}")
    if cause:
        return Row(start.file, start.row, cells, cause)
    try:
        path = extract(sample.image, folder, start.row, sample.suffix)
    except DataError as error:
        return Row(start.file, start.row, cells, str(error))
    return Row(start.file, start.row, cells | {"image": str(path.absolute())})
