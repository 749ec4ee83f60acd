"""From votes to a manifest and a table of votes by annotator."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.data.collect.store import Verdict, Vote
from evoca.data.download.tables import write_table
from evoca.data.manifest.schema import DISAGREE, VOTES, emotion_columns
from evoca.data.votes import apply_rule
from evoca.emotions import MIKELS8

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["TABLES", "Exported", "export_review"]

TABLES = ("manifest.csv", "votes.csv", "verdicts.csv")
"""What a review writes into its folder."""


@dataclass(frozen=True)
class Exported:
    """The result of a review.

    Attributes:
        labels: how many images got each label.
        tied: images whose votes do not decide between labels.
        rejected: images that no emotion was accepted for.
        annotators: how many people voted.
    """

    labels: Counter[str]
    tied: int
    rejected: int
    annotators: int


def export_review(votes: Iterable[Vote], folder: Path) -> Exported:
    """Return the counts of a review, written to ``manifest.csv``, ``votes.csv``, ``verdicts.csv``.

    ``manifest.csv`` has every image with an answer, its ``votes_<emotion>`` (agrees) and
    ``disagree_<emotion>``, and the ``emotion`` that the rule ``agree`` of
    :mod:`evoca.data.votes` gives, empty where the votes tie or reject the
    image. ``votes.csv`` (``image, annotator, emotion``) has a row for each agree;
    ``verdicts.csv`` has all answers, the disagrees and the skips too.

    Args:
        votes: all answers.
        folder: where to; image paths are relative to it where they lie below it.

    Raises:
        DataError: a file cannot be written.
    """
    by_image: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_image[vote.sha256].append(vote)
    agrees, disagrees = (_counts(by_image.values(), v) for v in (Verdict.ACCEPT, Verdict.REJECT))
    made = apply_rule("agree", agrees, disagrees)
    labels = ["" if code < 0 else str(MIKELS8[code]) for code in made.truth]
    table = [
        _row(given[0], agree, disagree, label, folder)
        for given, agree, disagree, label in zip(
            by_image.values(), agrees.tolist(), disagrees.tolist(), labels, strict=True
        )
    ]
    counts = [*emotion_columns(VOTES, MIKELS8), *emotion_columns(DISAGREE, MIKELS8)]
    columns = ["image", "emotion", *counts, "keyword", "source", "url", "sha256"]
    write_table(folder / "manifest.csv", [*columns, "width", "height"], table)
    answers = [
        {
            "image": _name(vote.path, folder),
            "annotator": vote.annotator,
            "emotion": vote.emotion,
            "verdict": str(vote.verdict),
            "at": vote.at,
        }
        for given in by_image.values()
        for vote in given
    ]
    accepted = [row for row in answers if row["verdict"] == Verdict.ACCEPT]
    write_table(folder / "votes.csv", ["image", "annotator", "emotion"], accepted)
    every = ["image", "annotator", "emotion", "verdict", "at"]
    write_table(folder / "verdicts.csv", every, answers)
    return Exported(
        labels=Counter(label for label in labels if label),
        tied=int(made.tied.sum()),
        rejected=int((~made.kept).sum()),
        annotators=len({row["annotator"] for row in answers}),
    )


def _counts(by_image: Collection[list[Vote]], verdict: Verdict) -> NDArray[np.int64]:
    """Return the count of a verdict by image and emotion, int64 (n, 8)."""
    index = {str(emotion): k for k, emotion in enumerate(MIKELS8)}
    counts = np.zeros((len(by_image), len(MIKELS8)), dtype=np.int64)
    for i, given in enumerate(by_image):
        for vote in given:
            counts[i, index[vote.emotion]] += vote.verdict is verdict
    return counts


def _row(
    vote: Vote, agree: list[int], disagree: list[int], label: str, folder: Path
) -> dict[str, str]:
    return {
        "image": _name(vote.path, folder),
        "emotion": label,
        **dict(zip(emotion_columns(VOTES, MIKELS8), map(str, agree), strict=True)),
        **dict(zip(emotion_columns(DISAGREE, MIKELS8), map(str, disagree), strict=True)),
        "keyword": vote.keyword,
        "source": "collected",
        "url": vote.url,
        "sha256": vote.sha256,
        "width": str(vote.width),
        "height": str(vote.height),
    }


def _name(path: Path, folder: Path) -> str:
    try:
        return path.relative_to(Path(os.path.abspath(folder))).as_posix()  # noqa: PTH100
    except ValueError:
        return str(path)
