"""Labelled images in memory: what training and evaluation read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.hamming import as_they_appear
from evoca.data.manifest.columns import Columns, read_columns, texts
from evoca.data.manifest.folders import scan_class_folders
from evoca.data.manifest.hashing import sha256_files
from evoca.data.manifest.rules import Cells, first_refused, possible_labels, rules_of
from evoca.data.manifest.schema import DISAGREE, PROBABILITY, VOTES, check_columns, emotion_columns
from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of
from evoca.data.teaching import Teaching
from evoca.data.votes import most_likely
from evoca.errors import DataError
from evoca.images import printable_name, walk_order
from evoca.images.walk import LeftOut, backslash_hint
from evoca.words import by_number, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LabelledImages", "load_labelled"]


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """n images with the facts of the emotion they evoke; K labels.

    Attributes:
        paths: n files.
        names: n printable names: the manifest's ``image`` cell, or the path below the
            folder. Use these in results; they do not name the machine's folders.
        truth: int64 (n,), index into ``labels``; -1 where no single label is known.
        labels: the K labels of the taxonomy, in its order.
        groups: int64 (n,), images of one group (near-duplicates) share a number; each
            image has its own where the source gives no group.
        has_groups: whether any group was given by the source.
        split: str (n,), ``train``, ``val``, ``test`` or empty.
        distribution: float64 (n, K), each row sums to 1, or is NaN where unknown;
            ``None`` where no image has one.
        agreement: float64 (n,), share of the viewers who chose the image's label, or, where
            they were asked whether they agree with it, who agreed; NaN where unknown;
            ``None`` where no image has it.
        affect: float64 (n, 2), valence and arousal as the source scales them, NaN where
            unknown; ``None`` where no image has them.
        recorded_hashes: n SHA-256 digests as the manifest states them, empty where it
            does not.
        taxonomy: name of the taxonomy.
        source: printable name of the manifest or folder.
        left_out: files of the folder that are none of the images, and why.
        affect_sd: float64 (n, 2), standard deviations of the viewers' ratings, NaN where
            unknown; ``None`` where no image has them.
        collection: name of the data set that the manifest's column ``source`` gives for every
            image; empty where it gives none, or several.
        teaching: what images of several sources teach; ``None`` for a single source, see
            :func:`evoca.data.sources.join_sources`.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    truth: NDArray[np.int64]
    labels: tuple[str, ...]
    groups: NDArray[np.int64]
    has_groups: bool
    split: NDArray[np.str_]
    distribution: NDArray[np.float64] | None
    agreement: NDArray[np.float64] | None
    affect: NDArray[np.float64] | None
    recorded_hashes: tuple[str, ...]
    taxonomy: str
    source: str
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)
    affect_sd: NDArray[np.float64] | None = None
    collection: str = ""
    teaching: Teaching | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: NDArray[Any] | Sequence[int]) -> LabelledImages:
        """Return the images at the given positions, or under a boolean mask of length n."""
        positions = np.asarray(indices)
        if not len(positions):  # an empty list has no type that could index
            positions = positions.astype(np.int64)
        chosen = np.arange(len(self))[positions]
        changed: dict[str, Any] = {}
        for own in fields(self):
            value = getattr(self, own.name)
            if own.name in {"paths", "names", "recorded_hashes"}:
                changed[own.name] = tuple(value[i] for i in chosen)
            elif isinstance(value, np.ndarray | Teaching):
                changed[own.name] = value[chosen]
            else:
                changed[own.name] = value
        return LabelledImages(**changed)

    def in_order(self) -> LabelledImages:
        """Return the images ordered by name, their groups numbered as they appear.

        Folds, validation cuts, shuffles and draws depend on the places of images. In this order
        they follow from the names alone, whatever the order of a table's rows. It is the
        order in which a folder of images is read.
        """
        hashes, splits = self.recorded_hashes, self.split.tolist()
        places = list(map(walk_order, self.names))
        # The rest decides between rows that share a name.
        order = sorted(
            range(len(self)),
            key=lambda i: (places[i], hashes[i], int(self.truth[i]), splits[i]),
        )
        found = self.take(order)
        return replace(found, groups=as_they_appear(found.groups))

    def group_names(self) -> tuple[str, ...]:
        """Return the number of each image's group as text, as result files hold it."""
        return tuple(map(str, self.groups.tolist()))

    def in_split(self, *names: str) -> LabelledImages:
        """Return the images of the named splits (``train``, ``val``, ``test``)."""
        return self.take(np.isin(self.split, names))

    def with_truth(self) -> LabelledImages:
        """Return the images that have a single known label."""
        return self.take(self.truth >= 0)

    def file_hashes(self, *, trust_recorded: bool = True) -> tuple[str, ...]:
        """Return the SHA-256 of each file, as hexadecimal text.

        Args:
            trust_recorded: take the manifest's ``sha256`` where it has one, rather than
                read the file.

        Raises:
            DataError: a file that must be read is missing or unreadable.
        """
        known = self.recorded_hashes if trust_recorded else ("",) * len(self)
        unknown = [path for path, digest in zip(self.paths, known, strict=True) if not digest]
        read = iter(sha256_files(unknown))
        return tuple(digest or next(read) for digest in known)

    def fingerprint(self) -> str:
        """Return one SHA-256 for names, labels, distributions, ratings and file contents.

        The order of the images, their splits and the folder they lie in do not matter.

        Raises:
            DataError: a file that must be read is missing or unreadable.
        """
        rows = []
        for i, digest in enumerate(self.file_hashes()):
            label = self.labels[self.truth[i]] if self.truth[i] >= 0 else ""
            soft = (
                ""
                if self.distribution is None
                else " ".join(f"{p:.6f}" for p in self.distribution[i])
            )
            affect = () if self.affect is None else (" ".join(f"{x:.6f}" for x in self.affect[i]),)
            rows.append("\0".join((self.names[i], label, soft, digest, *affect)))
            if self.teaching is not None:
                rows[-1] += "\0" + self.teaching.in_words(i)
        head = "\0".join(("evoca-labelled-1", self.taxonomy, *self.labels))
        return hashlib.sha256("\n".join((head, *sorted(rows))).encode()).hexdigest()


def load_labelled(
    path: Path | str, *, taxonomy: str | None = None, require_files: bool = True
) -> LabelledImages:
    """Return the labelled images of a manifest or a folder of class folders.

    A folder holds one folder per emotion, optionally below ``train``, ``val`` and
    ``test``. A manifest is a CSV (UTF-8, comma, with a header) or a Parquet file; only
    Parquet needs the extra ``data``.

    The label is the manifest's ``emotion``; a manifest without that column gives the
    unique maximum of the distribution, which for votes is the rule ``plurality``. The
    distribution is ``p_<emotion>``, else the share of ``votes_<emotion>`` where there
    are no disagree counts (agreement with one proposed emotion is not a distribution).

    Args:
        path: the manifest or folder.
        taxonomy: the labels to expect in a folder, and in a manifest whose rows do not
            name theirs; ``mikels8`` if omitted.
        require_files: refuse a manifest that names files which do not exist.

    Raises:
        DataError: nothing there, a class folder that is no emotion, a missing column, a
            bad cell, missing files; one line that names file, row and cause.
        MissingExtraError: Parquet without DuckDB.
    """
    path = Path(path)
    if path.is_dir():
        return _from_folder(path, taxonomy or DEFAULT_TAXONOMY)
    columns = read_columns(path)
    result = _from_columns(columns, path, taxonomy)
    if require_files:
        _require_files(result)
    return result


def _from_folder(folder: Path, taxonomy: str) -> LabelledImages:
    left_out = LeftOut()
    found = scan_class_folders(folder, taxonomy, left_out)
    labels = labels_of(taxonomy)
    index = {label: i for i, label in enumerate(labels)}
    return LabelledImages(
        paths=tuple(item.path for item in found),
        names=tuple(printable_name(item.path.relative_to(folder)) for item in found),
        truth=np.array([index[item.label] for item in found], dtype=np.int64),
        labels=labels,
        groups=np.arange(len(found), dtype=np.int64),
        has_groups=False,
        split=np.array([item.split for item in found], dtype=np.str_),
        distribution=None,
        agreement=None,
        affect=None,
        recorded_hashes=("",) * len(found),
        taxonomy=taxonomy,
        source=printable_name(folder),
        left_out=left_out,
    )


def _from_columns(columns: Columns, path: Path, taxonomy: str | None) -> LabelledImages:
    where = printable_name(path)
    names = texts(columns, "image", where, required=True)
    if not len(names):
        raise DataError(f"{where}: no rows; a manifest has one row per image")
    taxonomy = taxonomy or DEFAULT_TAXONOMY
    cells = Cells(columns)
    _require_rows(cells, taxonomy, where)
    taxonomy = _one_taxonomy(cells, where, taxonomy)
    labels = labels_of(taxonomy)
    check_columns(columns.values, labels, where)
    distribution = _distribution(cells, labels)
    groups, has_groups = _groups(columns, where)
    truth = _truth(cells, labels, distribution)
    root = path.parent
    return LabelledImages(
        paths=tuple(root / name for name in names),
        names=tuple(names),
        truth=truth,
        labels=labels,
        groups=groups,
        has_groups=has_groups,
        split=cells.text("split").astype(np.str_),
        distribution=distribution,
        agreement=_agreement(cells, labels, truth, distribution),
        affect=_pair(cells, "valence", "arousal"),
        recorded_hashes=tuple(cells.text("sha256").tolist()),
        taxonomy=taxonomy,
        source=where,
        affect_sd=_pair(cells, "valence_sd", "arousal_sd"),
        collection=_only(cells.text("source")),
    )


def _require_rows(cells: Cells, taxonomy: str, where: str) -> None:
    """Refuse rows that break a rule: names the first, and counts the others."""
    labels = possible_labels(taxonomy, by_row="taxonomy" in cells.names)
    if (found := first_refused(rules_of(cells.names, labels, taxonomy), cells)) is not None:
        row, cause, refused = found
        rest = f" (and {counted(refused - 1, 'more row')})" if refused > 1 else ""
        raise DataError(f"{where}: row {cells.columns.rows[row]}: {cause}{rest}")


def _one_taxonomy(cells: Cells, where: str, default: str) -> str:
    own = np.unique(cells.text("taxonomy").astype(np.str_))
    found = sorted({str(name) or default for name in own})
    if len(found) > 1:
        raise DataError(
            f"{where}: rows of several taxonomies ({', '.join(found)}); map them to one first"
        )
    return found[0]


def _truth(
    cells: Cells, labels: tuple[str, ...], distribution: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    if "emotion" not in cells.names:
        if distribution is None:
            return np.full(cells.count, -1, dtype=np.int64)
        return most_likely(distribution)
    known, codes = np.unique(cells.text("emotion").astype(np.str_), return_inverse=True)
    index = {label: i for i, label in enumerate(labels)} | {"": -1}
    return np.array([index[label] for label in known.tolist()], dtype=np.int64)[codes]


def _distribution(cells: Cells, labels: tuple[str, ...]) -> NDArray[np.float64] | None:
    stated = _matrix(cells, PROBABILITY, labels)
    if stated is not None:
        return np.asarray(stated / stated.sum(axis=1, keepdims=True))
    if any(column in cells.names for column in emotion_columns(DISAGREE, labels)):
        return None
    votes = _matrix(cells, VOTES, labels)
    if votes is None:
        return None
    with np.errstate(invalid="ignore"):
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))


def _agreement(
    cells: Cells,
    labels: tuple[str, ...],
    truth: NDArray[np.int64],
    distribution: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    votes, against = (_matrix(cells, prefix, labels) for prefix in (VOTES, DISAGREE))
    if votes is not None and against is not None:
        with np.errstate(invalid="ignore"):
            shares = votes / (votes + against)
    elif distribution is not None:
        shares = distribution
    else:
        return None
    own = np.take_along_axis(shares, np.maximum(truth, 0)[:, None], axis=1)[:, 0]
    return np.where(truth < 0, np.nan, own)


def _matrix(cells: Cells, prefix: str, labels: tuple[str, ...]) -> NDArray[np.float64] | None:
    """Return a column per label, (n, K); an absent column or an empty cell beside others is 0."""
    names = emotion_columns(prefix, labels)
    if not any(column in cells.names for column in names):
        return None
    matrix = np.stack([cells.number(column) for column in names], axis=1)
    empty = np.isnan(matrix).all(axis=1, keepdims=True)
    return np.where(empty, np.nan, np.nan_to_num(matrix, nan=0.0))


def _groups(columns: Columns, where: str) -> tuple[NDArray[np.int64], bool]:
    cells = texts(columns, "group", where)
    given = cells != ""
    codes = np.empty(len(cells), dtype=np.int64)
    known, inverse = np.unique(cells[given].astype(np.str_), return_inverse=True)
    codes[given] = inverse
    codes[~given] = len(known) + np.arange((~given).sum())
    return codes, bool(given.any())


def _pair(cells: Cells, *names: str) -> NDArray[np.float64] | None:
    """Return two columns (n, 2), NaN where empty; ``None`` without either."""
    if not any(name in cells.names for name in names):
        return None
    return np.stack([cells.number(name) for name in names], axis=1)


def _only(values: NDArray[Any]) -> str:
    """Return the value of all rows; empty where they have several."""
    found = np.unique(values.astype(np.str_))
    return str(found[0]) if len(found) == 1 else ""


def _require_files(images: LabelledImages) -> None:
    missing = [i for i, path in enumerate(images.paths) if not path.is_file()]
    if missing:
        raise DataError(
            f"{images.source}: {len(missing):,} of {counted(len(images), 'image')} "
            f"{by_number(len(missing), 'is', 'are')} not there, first "
            f"{printable_name(images.paths[missing[0]])}; paths are relative to the manifest"
            f"{backslash_hint(images.names[missing[0]])}"
        )
