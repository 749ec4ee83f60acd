"""Labels from annotators of unequal reliability, where each vote's author is known."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.columns import Columns, read_columns, texts
from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of
from evoca.data.votes import most_likely
from evoca.drafts import drafted
from evoca.errors import DataError, MissingExtraError, first_line
from evoca.images import printable_name
from evoca.words import by_number, counted

__all__ = [
    "Annotations",
    "AnnotatorVote",
    "CrowdLabels",
    "cautions",
    "crowdlab",
    "dawid_skene",
    "read_annotations",
    "require_overlap",
    "write_annotations",
]

Floats = NDArray[np.float64]

AnnotatorVote = tuple[str, str, str]
"""An image, who voted, and for which emotion."""

_COIN_VOTES = 4.0
_FEW_VOTES = 10


@dataclass(frozen=True, eq=False)
class Annotations:
    """m votes of A annotators on n images, over K labels.

    Attributes:
        images: n names, in order of first appearance.
        annotators: A names.
        labels: K labels.
        image: int64 (m,), whom each vote is on.
        annotator: int64 (m,), whose it is.
        label: int64 (m,), the label it is for.
        source: where they stand, for messages.
    """

    images: tuple[str, ...]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]
    image: NDArray[np.int64]
    annotator: NDArray[np.int64]
    label: NDArray[np.int64]
    source: str = "the votes"

    def counts(self) -> NDArray[np.int64]:
        """Return the votes of each image, int64 (n, K)."""
        result = np.zeros((len(self.images), len(self.labels)), dtype=np.int64)
        np.add.at(result, (self.image, self.label), 1)
        return result

    @cached_property
    def shared(self) -> NDArray[np.bool_]:
        """Return which votes are on images that another annotator voted on too, (m,)."""
        voters = np.bincount(self.image, minlength=len(self.images))
        return np.asarray(voters[self.image] > 1)


@dataclass(frozen=True, eq=False)
class CrowdLabels:
    """The labels of n images by a model of the annotators.

    Attributes:
        truth: int64 (n,), the likeliest label; -1 where it ties.
        probability: float64 (n,), how sure the model is of it (CROWDLAB: its quality
            score of the consensus).
        posterior: float64 (n, K), each label's probability; ``None`` for CROWDLAB.
        reliability: float64 (A,), how often each annotator is right, by the model.
    """

    truth: NDArray[np.int64]
    probability: NDArray[np.float64]
    posterior: NDArray[np.float64] | None
    reliability: NDArray[np.float64]


def read_annotations(path: Path, taxonomy: str = DEFAULT_TAXONOMY) -> Annotations:
    """Return the annotations of a table ``image, annotator, emotion`` (CSV or Parquet).

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
    return Annotations(images, annotators, labels, image, annotator, label, where)


def write_annotations(path: Path, votes: Iterable[AnnotatorVote]) -> None:
    """Write the table ``image, annotator, emotion`` that :func:`read_annotations` reads."""
    with drafted(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "annotator", "emotion"))
        writer.writerows(votes)


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
    """Return labels and each annotator's confusions, estimated together by EM.

    Starts from the share of votes, as the authors do. With few votes per annotator,
    their maximum-likelihood estimate gives nearly every image one label. So each annotator is
    first given one coin, by EM as well: the probability to be right, drawn towards
    everybody's by 4 votes, all wrong labels alike likely. Then each row of the confusion
    matrix is drawn towards that coin by K / 2 votes: with many votes an annotator it is
    theirs. An annotator who shares no image with another counts like the average.

    Args:
        votes: the annotations.
        iterations: the most rounds.
        tolerance: stop when no posterior changes by more.

    Raises:
        DataError: no image has votes of two annotators, or on none two of them agree.

    Sources: Dawid and Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates
    Using the EM Algorithm", equations 2.3 to 2.5; priors as in the hierarchical model of
    Paun et al. (2018), "Comparing Bayesian Models of Annotation".
    """
    require_overlap(votes)

    def by_coins(posterior: Floats) -> Floats:
        return _coin_matrices(_coins(votes, posterior), len(votes.labels))

    coins = by_coins(_expected(votes, by_coins, iterations, tolerance))

    def by_rows(posterior: Floats) -> Floats:
        confusion = len(votes.labels) / 2 * coins
        shared = votes.shared
        image, annotator, label = votes.image[shared], votes.annotator[shared], votes.label[shared]
        np.add.at(confusion.transpose(0, 2, 1), (annotator, label), posterior[image])
        return np.asarray(confusion / confusion.sum(axis=2, keepdims=True))

    posterior = _expected(votes, by_rows, iterations, tolerance)
    reliability = np.einsum("akk,k->a", by_rows(posterior), _shares(posterior))
    return CrowdLabels(most_likely(posterior), posterior.max(axis=1), posterior, reliability)


def _expected(
    votes: Annotations, confusion_of: Callable[[Floats], Floats], rounds: int, tolerance: float
) -> Floats:
    """Return each label's probability, (n, K), after rounds of EM from the share of votes.

    Args:
        votes: the annotations.
        confusion_of: from such probabilities to (A, K, K), how probable each vote of an
            annotator is, given the truth.
        rounds: the most.
        tolerance: stop when no probability changes by more.
    """
    counts = votes.counts()
    posterior = counts / counts.sum(axis=1, keepdims=True)
    for _ in range(rounds):
        given = np.log(confusion_of(posterior))
        log_likelihood = np.tile(np.log(_shares(posterior)), (len(counts), 1))
        np.add.at(log_likelihood, votes.image, given[votes.annotator, :, votes.label])
        updated = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        updated /= updated.sum(axis=1, keepdims=True)
        change = float(np.abs(updated - posterior).max())
        posterior = updated
        if change < tolerance:
            break
    return np.asarray(posterior)


def _shares(posterior: Floats) -> Floats:
    """Return the frequency of each label, (K,), one image of each added."""
    return np.asarray((posterior.sum(axis=0) + 1) / (posterior.sum() + posterior.shape[1]))


def _coins(votes: Annotations, posterior: Floats) -> Floats:
    """Return the probability that each annotator is right, (A,).

    Only images that others voted on too count.
    """
    shared, people = votes.shared, len(votes.annotators)
    image, annotator, label = votes.image[shared], votes.annotator[shared], votes.label[shared]
    given = np.bincount(annotator, minlength=people)
    right = np.bincount(annotator, posterior[image, label], minlength=people)
    average = (right.sum() + 1) / (given.sum() + 2)
    return np.asarray((right + _COIN_VOTES * average) / (given + _COIN_VOTES))


def _coin_matrices(coins: Floats, labels: int) -> Floats:
    """Return (A, K, K): right with a probability, else any wrong label alike."""
    wrong = ((1 - coins) / (labels - 1))[:, None, None]
    matrices = np.repeat(np.repeat(wrong, labels, axis=1), labels, axis=2)
    matrices[:, np.arange(labels), np.arange(labels)] = coins[:, None]
    return np.asarray(matrices)


def require_overlap(votes: Annotations) -> None:
    """Refuse votes that do not determine the reliability of annotators.

    Raises:
        DataError: no image has votes of two annotators, or on none two of them agree.
    """
    if not votes.shared.any():
        raise DataError(
            f"{votes.source}: no image has votes of two annotators: nothing shows whom to trust; "
            "--rule plurality takes the votes as they are"
        )
    if int(votes.counts().max()) < 2:
        raise DataError(
            f"{votes.source}: no two annotators agree on any image: nothing shows whom to trust; "
            "more votes per image are needed"
        )


def cautions(votes: Annotations, truth: NDArray[np.int64]) -> list[str]:
    """Return cautions where votes are too few to compare annotators, or a label has none.

    Args:
        votes: the annotations.
        truth: (n,) the labels that were made of them; -1 for none.
    """
    counts, found = votes.counts(), []
    labelled = np.flatnonzero(truth >= 0)
    unsaid = int((counts[labelled, truth[labelled]] == 0).sum())
    if unsaid:
        found.append(
            f"{unsaid:,} of {counted(len(labelled), 'image')} {by_number(unsaid, 'has', 'have')} "
            "a label that none of their annotators "
            "gave"
        )
    given = np.bincount(votes.annotator[votes.shared], minlength=len(votes.annotators))
    if alone := int((given == 0).sum()):
        found.append(
            f"{alone:,} of {counted(len(given), 'annotator')} "
            f"{by_number(alone, 'shares', 'share')} no image with another: nothing shows "
            "how reliable they are"
        )
    middle = float(np.median(given[given > 0]))
    if middle < _FEW_VOTES:
        found.append(
            f"half of the annotators have at most {middle:g} votes on images that others saw too: "
            "how reliable each is can hardly be told; compare with --rule plurality"
        )
    agreed, by_chance = _agreement(counts)
    if agreed <= by_chance < 1:
        found.append(
            f"two annotators of an image agree in {agreed:.0%} of the cases, no more than the "
            f"{by_chance:.0%} of votes cast at random: the labels rest on nothing"
        )
    if int(counts.sum(axis=1).max()) < 3:
        found.append("no image has three votes: where two differ, little says which is right")
    return found


def _agreement(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Return how often two votes on one image agree, and how often any two votes would.

    Source: Fleiss (1971), "Measuring nominal scale agreement among many raters", equations 3
    to 5, with every pair of votes counted once where images have different numbers of them.
    """
    votes = counts.sum(axis=1)
    agreed = (counts * (counts - 1)).sum() / (votes * (votes - 1)).sum()
    shared = counts[votes > 1].sum(axis=0)
    return float(agreed), float(((shared / shared.sum()) ** 2).sum())


def crowdlab(votes: Annotations, probabilities: NDArray[np.floating[Any]]) -> CrowdLabels:
    """Return labels of the annotators and a trained classifier together, by cleanlab.

    Args:
        votes: the annotations.
        probabilities: (n, K), out-of-sample predictions for the images in their order,
            such as those that ``evoca crossval --out`` writes.

    Raises:
        DataError: probabilities of another shape, or votes that do not determine them.
        MissingExtraError: cleanlab is not installed.

    Source: Goh, Tkachenko and Mueller (2022), "CROWDLAB: Supervised learning to infer
    consensus labels and quality scores for data with multiple annotators".
    """
    expected = (len(votes.images), len(votes.labels))
    if probabilities.shape != expected:
        raise DataError(f"probabilities of shape {probabilities.shape}, {expected} wanted")
    require_overlap(votes)
    try:
        from cleanlab.multiannotator import get_label_quality_multiannotator
    except ImportError as error:
        raise MissingExtraError("CROWDLAB", "crowd", "cleanlab") from error
    table = np.full((len(votes.images), len(votes.annotators)), np.nan)
    table[votes.image, votes.annotator] = votes.label
    with _fixed_seed():  # what ties for the consensus is drawn from NumPy's global generator
        try:
            found = get_label_quality_multiannotator(
                table, np.asarray(probabilities, dtype=np.float64), verbose=False
            )
        except ValueError as error:
            cause = first_line(error)
            raise DataError(f"{votes.source}: cleanlab cannot use these votes: {cause}") from error
    quality = found["label_quality"]
    annotators = found["annotator_stats"].sort_index()
    return CrowdLabels(
        truth=np.asarray(quality["consensus_label"], dtype=np.int64),
        probability=np.asarray(quality["consensus_quality_score"], dtype=np.float64),
        posterior=None,
        reliability=np.asarray(annotators["annotator_quality"], dtype=np.float64),
    )


@contextmanager
def _fixed_seed() -> Iterator[None]:
    """Set the seed of NumPy's global generator for a while."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
