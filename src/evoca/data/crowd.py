"""Labels from annotators of unequal reliability, where each vote's author is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.columns import Columns, read_columns, texts
from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of
from evoca.data.votes import most_likely
from evoca.errors import DataError, MissingExtraError
from evoca.images import printable_name

__all__ = ["Annotations", "CrowdLabels", "crowdlab", "dawid_skene", "read_annotations"]

_SMOOTHING = 0.01


@dataclass(frozen=True, eq=False)
class Annotations:
    """m votes of A annotators on n images, over K labels.

    Attributes:
        images: n names, in order of first appearance.
        annotators: A names.
        labels: K labels.
        image: int64 (m,), whom each vote is on.
        annotator: int64 (m,), whose it is.
        label: int64 (m,), what it says.
    """

    images: tuple[str, ...]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]
    image: NDArray[np.int64]
    annotator: NDArray[np.int64]
    label: NDArray[np.int64]

    def counts(self) -> NDArray[np.int64]:
        """Return the votes of each image, int64 (n, K)."""
        result = np.zeros((len(self.images), len(self.labels)), dtype=np.int64)
        np.add.at(result, (self.image, self.label), 1)
        return result


@dataclass(frozen=True, eq=False)
class CrowdLabels:
    """What a model of the annotators makes of n images.

    Attributes:
        truth: int64 (n,), the likeliest label; -1 where it ties.
        probability: float64 (n,), how sure the model is of it (CROWDLAB: its quality
            score of the consensus).
        posterior: float64 (n, K), each label's probability; ``None`` for CROWDLAB.
        reliability: float64 (A,), how often each annotator is right, as the model sees it.
    """

    truth: NDArray[np.int64]
    probability: NDArray[np.float64]
    posterior: NDArray[np.float64] | None
    reliability: NDArray[np.float64]


def read_annotations(path: Path, taxonomy: str = DEFAULT_TAXONOMY) -> Annotations:
    """Read a table ``image, annotator, emotion`` (CSV or Parquet).

    Raises:
        DataError: unreadable, a column or cell missing, an unknown emotion, or one
            annotator twice on an image; file and row are named.
    """
    where = printable_name(path)
    columns = read_columns(path)
    names = {c: texts(columns, c, where, required=True) for c in ("image", "annotator", "emotion")}
    for column, cells in names.items():
        _refuse(cells == "", columns, where, f"no {column} in this row")
    labels = labels_of(taxonomy)
    index = {label: i for i, label in enumerate(labels)}
    label = np.array(
        [index.get(str(cell).lower(), -1) for cell in names["emotion"]], dtype=np.int64
    )
    if (label < 0).any():
        cell = names["emotion"][int((label < 0).argmax())]
        known = f"unknown emotion {cell!r}; the taxonomy has {', '.join(labels)}"
        _refuse(label < 0, columns, where, known)
    images, image = _numbered(names["image"])
    annotators, annotator = _numbered(names["annotator"])
    pair = image * max(len(annotators), 1) + annotator
    _, first = np.unique(pair, return_index=True)
    again = np.ones(len(pair), dtype=np.bool_)
    again[first] = False
    _refuse(again, columns, where, "this annotator has voted on this image before")
    return Annotations(images, annotators, labels, image, annotator, label)


def _refuse(bad: NDArray[np.bool_], columns: Columns, where: str, cause: str) -> None:
    if bad.any():
        raise DataError(f"{where}: row {columns.rows[int(bad.argmax())]}: {cause}")


def _numbered(cells: NDArray[np.object_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = tuple(dict.fromkeys(cells.tolist()))
    index = {name: i for i, name in enumerate(names)}
    return names, np.array([index[cell] for cell in cells.tolist()], dtype=np.int64)


def dawid_skene(
    votes: Annotations, *, iterations: int = 200, tolerance: float = 1e-6
) -> CrowdLabels:
    """Estimate labels and each annotator's confusions together, by EM.

    Starts from the share of votes, as the authors do. Each annotator's confusion matrix
    is smoothed by 0.01 of a vote a cell, so that one vote never makes a label impossible.

    Args:
        votes: the annotations.
        iterations: the most rounds.
        tolerance: stop when no posterior changes by more.

    Source: Dawid and Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates
    Using the EM Algorithm", equations 2.3 to 2.5.
    """
    counts = votes.counts()
    k = len(votes.labels)
    posterior = counts / counts.sum(axis=1, keepdims=True)
    confusion = np.zeros((len(votes.annotators), k, k))
    for _ in range(iterations):
        confusion = np.full_like(confusion, _SMOOTHING)
        by_answer = confusion.transpose(0, 2, 1)
        np.add.at(by_answer, (votes.annotator, votes.label), posterior[votes.image])
        confusion /= confusion.sum(axis=2, keepdims=True)
        prior = posterior.mean(axis=0) + 1e-12
        log_likelihood = np.tile(np.log(prior), (len(counts), 1))
        np.add.at(log_likelihood, votes.image, np.log(confusion)[votes.annotator, :, votes.label])
        updated = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        updated /= updated.sum(axis=1, keepdims=True)
        change = float(np.abs(updated - posterior).max())
        posterior = updated
        if change < tolerance:
            break
    prior = posterior.mean(axis=0)
    reliability = np.einsum("akk,k->a", confusion, prior)
    return CrowdLabels(most_likely(posterior), posterior.max(axis=1), posterior, reliability)


def crowdlab(votes: Annotations, probabilities: NDArray[np.floating[Any]]) -> CrowdLabels:
    """Combine the annotators with a trained classifier, through cleanlab.

    Args:
        votes: the annotations.
        probabilities: (n, K), out-of-sample predictions for the images in their order,
            such as those that ``evoca crossval --out`` writes.

    Raises:
        DataError: probabilities of another shape.
        MissingExtraError: cleanlab is not installed.

    Source: Goh, Tkachenko and Mueller (2022), "CROWDLAB: Supervised learning to infer
    consensus labels and quality scores for data with multiple annotators".
    """
    wanted = (len(votes.images), len(votes.labels))
    if probabilities.shape != wanted:
        raise DataError(f"probabilities of shape {probabilities.shape}, {wanted} wanted")
    try:
        from cleanlab.multiannotator import get_label_quality_multiannotator
    except ImportError as error:
        raise MissingExtraError("CROWDLAB", "crowd", "cleanlab") from error
    table = np.full((len(votes.images), len(votes.annotators)), np.nan)
    table[votes.image, votes.annotator] = votes.label
    found = get_label_quality_multiannotator(
        table, np.asarray(probabilities, dtype=np.float64), verbose=False
    )
    quality = found["label_quality"]
    annotators = found["annotator_stats"].sort_index()
    return CrowdLabels(
        truth=np.asarray(quality["consensus_label"], dtype=np.int64),
        probability=np.asarray(quality["consensus_quality_score"], dtype=np.float64),
        posterior=None,
        reliability=np.asarray(annotators["annotator_quality"], dtype=np.float64),
    )
