"""The figures of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from evoca.data.manifest.schema import DISAGREE, PROBABILITY, SPLITS, VOTES, emotion_columns
from evoca.data.manifest.table import Manifest
from evoca.data.votes import (
    Agreement,
    Approval,
    agreement,
    apply_rule,
    approval,
    distribution,
)

__all__ = ["Spread", "Stats", "measure_sizes", "stats"]


_QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Spread:
    """Of n numbers: the least, quartiles, the greatest and the mean."""

    n: int
    least: float
    quarter: float
    median: float
    three_quarters: float
    greatest: float
    mean: float


def _spread(values: NDArray[np.float64]) -> Spread | None:
    values = values[np.isfinite(values)] + 0.0  # a negative zero, as of no entropy, is zero
    if not len(values):
        return None
    least, quarter, median, three_quarters, greatest = np.quantile(values, _QUARTILES).tolist()
    mean = float(values.mean())
    return Spread(len(values), least, quarter, median, three_quarters, greatest, mean)


@dataclass(frozen=True)
class Stats:
    """Figures of a manifest.

    Attributes:
        source: printable name of the manifest.
        images: rows.
        rejects: rows that could not be used.
        taxonomy: name of the taxonomy.
        counts: label to images; labels without images included.
        unlabelled: images without a single label.
        rated: images with a rating of valence or arousal.
        only_rated: those of them without a single label.
        by_split: split to label to images; rows without a split under "".
        rated_by_split: split to images with a rating, likewise.
        imbalance: the most frequent label's images over the least frequent's, of the
            labels that have any; ``None`` without labels.
        tied: images whose most voted emotions tie; ``None`` without votes.
        agreement: of the viewers; ``None`` without votes on all emotions at once.
        approval: of the labels by viewers who were asked about one emotion each; ``None``
            without agree and disagree votes.
        entropy_bits: of the distributions, 0 to log2 K; ``None`` without any.
        width: in pixels.
        height: in pixels.
        valence: as the source scales it.
        arousal: as the source scales it.
        groups: duplicate groups with several images; ``None`` without the column.
    """

    source: str
    images: int
    rejects: int
    taxonomy: str
    counts: Mapping[str, int]
    unlabelled: int
    by_split: Mapping[str, Mapping[str, int]]
    imbalance: float | None
    tied: int | None
    agreement: Agreement | None
    approval: Approval | None
    entropy_bits: Spread | None
    width: Spread | None
    height: Spread | None
    valence: Spread | None
    arousal: Spread | None
    groups: int | None
    rated: int = 0
    only_rated: int = 0
    rated_by_split: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as ``evoca data stats --format json`` prints it."""
        return asdict(self)


def stats(manifest: Manifest) -> Stats:
    """Return the figures of a manifest.

    Raises:
        DataError: rows of several taxonomies.
    """
    codes, rated = manifest.label_codes(), manifest.rated()
    counts = _counts(codes, manifest.labels)
    present = [n for n in counts.values() if n]
    votes = manifest.counts(VOTES)
    # One viewer was asked about one emotion: agrees over emotions are not votes of a panel.
    against = manifest.counts(DISAGREE)
    panel = votes if against is None else None
    approved = None
    if votes is not None and against is not None:
        approved = approval(votes, against, codes)
    return Stats(
        source=manifest.source,
        images=len(manifest),
        rejects=len(manifest.rejects),
        taxonomy=manifest.taxonomy,
        counts=counts,
        unlabelled=int((codes < 0).sum()),
        by_split=_by_split(manifest, codes),
        imbalance=max(present) / min(present) if present else None,
        tied=None if panel is None else int(apply_rule("plurality", panel).tied.sum()),
        agreement=None if panel is None else agreement(panel),
        approval=approved,
        entropy_bits=_spread(_entropy(manifest, panel)),
        width=_spread(manifest.numbers("width")),
        height=_spread(manifest.numbers("height")),
        valence=_spread(manifest.numbers("valence")),
        arousal=_spread(manifest.numbers("arousal")),
        groups=_groups(manifest),
        rated=int(rated.sum()),
        only_rated=int((rated & (codes < 0)).sum()),
        rated_by_split={name: int(rated[rows].sum()) for name, rows in _splits(manifest).items()},
    )


def measure_sizes(manifest: Manifest) -> Manifest:
    """Return a manifest with width and height, read from images' headers where it has none.

    Unreadable images get empty cells.
    """
    if "width" in manifest and "height" in manifest:
        return manifest
    sizes = np.array([_size(path) for path in manifest.paths()], dtype=np.int64).reshape(-1, 2)
    unknown = sizes[:, 0] == 0
    return manifest.with_columns(
        {
            "width": np.ma.masked_array(sizes[:, 0], mask=unknown),
            "height": np.ma.masked_array(sizes[:, 1], mask=unknown),
        }
    )


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return 0, 0


def _counts(codes: NDArray[np.int64], labels: tuple[str, ...]) -> dict[str, int]:
    found = np.bincount(codes[codes >= 0], minlength=len(labels))
    return {label: int(n) for label, n in zip(labels, found, strict=True)}


def _by_split(manifest: Manifest, codes: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    return {name: _counts(codes[rows], manifest.labels) for name, rows in _splits(manifest).items()}


def _splits(manifest: Manifest) -> dict[str, NDArray[np.bool_]]:
    """Return which rows are of each split that has some; none where the table has no splits."""
    if "split" not in manifest:
        return {}
    split = manifest.texts("split")
    chosen = {name: split == name for name in (*SPLITS, "")}
    return {name: rows for name, rows in chosen.items() if rows.any()}


def _entropy(manifest: Manifest, votes: NDArray[np.int64] | None) -> NDArray[np.float64]:
    columns = emotion_columns(PROBABILITY, manifest.labels)
    if any(column in manifest for column in columns):
        shares = np.stack([manifest.numbers(column) for column in columns], axis=1)
    elif votes is not None:
        shares = distribution(votes)
    else:
        return np.empty(0)
    known = ~np.isnan(shares).all(axis=1)
    shares = np.nan_to_num(shares[known])
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=1))


def _groups(manifest: Manifest) -> int | None:
    codes = manifest.codes("group")
    if not (codes >= 0).any():
        return None
    return int((np.bincount(codes[codes >= 0]) > 1).sum())
