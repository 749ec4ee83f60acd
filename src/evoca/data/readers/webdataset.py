"""WebDataset shards."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from evoca.data.manifest.schema import SPLIT_ALIASES, SPLITS
from evoca.data.readers.base import Cell, ReadOptions, Row, configurable_reader
from evoca.data.readers.extracted import Allowance, Extraction, extraction_folder
from evoca.data.readers.tar import TarMember, TarReader
from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of
from evoca.errors import DataError
from evoca.images import IMAGE_SUFFIXES, ImageLimits, LeftOut, printable_name

__all__ = ["read"]

_ENDINGS = (".tar", ".tar.gz", ".tgz")
_MAX_TEXT_BYTES = 1 << 20
_WORD = re.compile(r"[A-Za-z_]+")
# Common names of the picture itself where a sample has several.
_PICTURE_WORDS = {"image", "img", "input", "photo", "picture", "rgb"}
_MOST_VIEWS = 16
_READ = IMAGE_SUFFIXES | {".cls", ".txt", ".json"}


@dataclass
class _Sample:
    """The members of a shard that share a key.

    Attributes:
        key: path without the suffix.
        suffix: of the image.
        image: its bytes.
        cells: of ``.json``.
        named: label or caption by the suffix of the file it stands in.
        cause: why the sample cannot be used.
    """

    key: str
    suffix: str = ""
    image: bytes = b""
    cells: dict[str, Cell] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    cause: str = ""

    @property
    def stem(self) -> str:
        """The key up to the first dot of the file name."""
        folder, slash, name = self.key.rpartition("/")
        return folder + slash + name.split(".")[0]

    @property
    def word(self) -> str:
        """The part after the first dot of the file name."""
        return self.key.removeprefix(f"{self.stem}.")

    @property
    def is_view(self) -> bool:
        """Whether it may be another file of the sample of the bare name.

        Segmentations, second captions and the like are called by a word, and are a picture
        without a label or a text without a picture.
        """
        labelled = bool(self.named or self.cells)
        return bool(_WORD.fullmatch(self.word)) and not (labelled and self.image)


@configurable_reader("webdataset", "labels", "images", "taxonomy", "max_ratio")
def read(source: Path, options: ReadOptions) -> Iterator[Row | LeftOut]:
    """WebDataset shards: tar files of ``key.jpg`` with ``key.cls``, ``key.txt`` or ``key.json``.

    Consecutive members whose paths agree but for the last suffix are one sample, so that
    names may have dots; ``key.seg.png`` beside ``key.jpg``, a word and no label of its own,
    is another view of it, counted as left out; ``key.image.jpg`` beside ``key.cls`` alone is
    its picture. ``cls`` holds the label; ``json`` is an object whose
    ``emotion`` or ``label`` is it and whose other plain values become columns; ``txt`` is
    the label where neither is there, else the caption. Two pictures under one key are
    refused. Members of any other kind, pickles among them, are not read. The split is a
    word of the shard's name. Images are written below ``--images``; ``--label 0=amusement``
    names class numbers. A ``sha256`` that is not of the picture in the shard, as that of
    img2dataset is of the picture before it was resized, becomes ``source_sha256``.

    Shards may be compressed by gzip, and unpack to 64 MiB and 20 times the size of
    all of them (``--max-ratio``); a member stored with holes is refused.

    Source: https://github.com/webdataset/webdataset (the format's description).
    """
    folder = extraction_folder(options, printable_name(source))
    shards = [source] if source.is_file() else sorted(source.iterdir())
    shards = [shard for shard in shards if shard.name.lower().endswith(_ENDINGS)]
    if not shards:
        raise DataError(f"{printable_name(source)}: no .tar shards")
    allowance = Allowance(shards, options.max_ratio)
    for shard in shards:
        where = printable_name(shard)
        with (
            Extraction(folder / shard.name.split(".")[0]) as target,
            TarReader(shard, where, allowance) as archive,
        ):
            left_out = LeftOut()
            for number, sample in enumerate(_samples(archive, left_out), start=1):
                yield _row(sample, Row(where, number, {"split": _split(shard)}), options, target)
            yield left_out


def _split(shard: Path) -> str:
    words = re.split(r"[^a-z]+", shard.name.lower())
    found = (SPLIT_ALIASES.get(word, word) for word in words)
    return next((split for split in found if split in SPLITS), "")


def _samples(archive: TarReader, left_out: LeftOut) -> Iterator[_Sample]:
    """Yield the samples of a shard; holds one name's members at a time."""
    group = _Group()
    for member in archive:
        suffix = PurePosixPath(member.name).suffix.lower()
        if suffix not in _READ:
            continue
        key = str(PurePosixPath(member.name).with_suffix(""))
        if group.is_over(key):
            yield from group.samples(left_out)
            group = _Group()
        sample, done = group.open(key)
        if done is not None:
            yield done
        _take(sample, archive, member, suffix)
    yield from group.samples(left_out)


@dataclass
class _Group:
    """Consecutive members whose names agree up to their first dot.

    Attributes:
        base: the member of that name alone.
        views: those with one word more, ``name.mask.png``, and no label of their own.
        current: the sample being read.
    """

    base: _Sample | None = None
    views: list[_Sample] = field(default_factory=list)
    current: _Sample = field(default_factory=lambda: _Sample(""))

    def is_over(self, key: str) -> bool:
        """Whether a key belongs to the next group."""
        return bool(self.current.key) and _Sample(key).stem != self.current.stem

    def open(self, key: str) -> tuple[_Sample, _Sample | None]:
        """Return the sample of a key, and the one before it where that is whole."""
        if key == self.current.key:
            return self.current, None
        done = self._close()
        again = self.base is not None and key == self.base.key
        self.current = self.base if self.base is not None and again else _Sample(key)
        return self.current, done

    def _close(self) -> _Sample | None:
        """Close the current sample; return it where it is one of its own."""
        sample = self.current
        if sample is self.base or not sample.key:
            return None
        if sample.key == sample.stem:
            self.base = sample
        elif sample.is_view and len(self.views) < _MOST_VIEWS:
            self.views.append(sample)
        else:
            return sample
        return None

    def samples(self, left_out: LeftOut) -> Iterator[_Sample]:
        """Yield the rest of the group, its views as samples or as left out.

        They are pictures of their own where nothing has the bare name. Where that has a label
        and no picture, the only one is its picture, or the only one called ``image`` or alike.
        """
        if (done := self._close()) is not None:
            yield done
        base = self.base
        if base is None:
            yield from self.views
            return
        own = None
        if not (base.image or base.cause):
            pictures = self._pictures()
            if len(pictures) > 1:
                names = ", ".join(f"{view.key}{view.suffix}" for view in pictures)
                base.cause = f"which is the image of the key {base.key}: {names}?"
                yield base
                return
            if pictures:
                own = pictures[0]
                base.image, base.suffix, base.cause = own.image, own.suffix, own.cause
        for view in self.views:
            if view is not own:
                why = f"a further file of a sample, .{view.word}"
                left_out(Path(f"{view.key}{view.suffix or next(iter(view.named), '.json')}"), why)
        yield base

    def _pictures(self) -> list[_Sample]:
        """Return the pictures among the views; only the one called so where there is one."""
        pictures = [view for view in self.views if view.image or view.cause]
        named = [view for view in pictures if view.word in _PICTURE_WORDS]
        return named if len(named) == 1 else pictures


def _take(sample: _Sample, archive: TarReader, member: TarMember, suffix: str) -> None:
    is_image = suffix in IMAGE_SUFFIXES
    limit = ImageLimits().max_bytes if is_image else _MAX_TEXT_BYTES
    if member.size > limit:
        sample.cause = f"{suffix} has {member.size:,} bytes, the limit is {limit:,}"
        return
    if member.sparse:
        sample.cause = f"{suffix} is stored with holes: pack the files without --sparse"
        return
    data = archive.read()
    if is_image and sample.suffix:
        sample.cause = f"two pictures under the key {sample.key}: {sample.suffix} and {suffix}"
    elif is_image:
        sample.image, sample.suffix = data, suffix
    elif suffix == ".json":
        _take_json(sample, data)
    else:
        sample.named[suffix] = data.decode("utf-8", "replace").strip()


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


def _row(sample: _Sample, start: Row, options: ReadOptions, folder: Extraction) -> Row:
    cells: dict[str, Cell] = {**start.cells, **sample.cells, "key": sample.key, "image": ""}
    cells |= _label(sample, options)
    cause = sample.cause or ("" if sample.image else f"no image for the key {sample.key}")
    if cause:
        return Row(start.file, start.row, cells, cause)
    stated = str(cells.get("sha256") or "")
    if stated and stated.lower() != hashlib.sha256(sample.image).hexdigest():
        cells["source_sha256"] = cells.pop("sha256")
    try:
        path = folder.write(sample.image, start.row, sample.suffix)
    except DataError as error:
        return Row(start.file, start.row, cells, str(error))
    return Row(start.file, start.row, cells | {"image": str(path.absolute())})


def _label(sample: _Sample, options: ReadOptions) -> dict[str, Cell]:
    """Return the label, and the caption where a text is that."""
    stated = sample.named.get(".cls", str(sample.cells.get("emotion") or ""))
    text = sample.named.get(".txt", "")
    known = {*options.labels, *labels_of(options.taxonomy or DEFAULT_TAXONOMY)}
    is_label = not stated and (not sample.cells or text in known or text.lower() in known)
    label = text if is_label else stated
    found: dict[str, Cell] = {"emotion": options.labels.get(label, label)}
    if text and not is_label and "caption" not in sample.cells:
        found["caption"] = text
    return found
