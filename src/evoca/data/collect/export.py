"""From votes to a manifest and a table of votes by annotator."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.data.collect.store import Verdict, Vote
from evoca.data.download.tables import write_table
from evoca.emotions import MIKELS8

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Exported", "export_review", "label_of"]


@dataclass(frozen=True)
class Exported:
    """What a review has come to.

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


def label_of(agree: Counter[str], disagree: Counter[str]) -> tuple[str, ...]:
    """Return the label that agree and disagree votes give, by FI's rule.

    An emotion is accepted where more reviewers agree than disagree (You et al. 2016; the
    majority rule of Sreenivas et al. 2018). Of several accepted ones the most salient is
    kept: the highest surplus of agrees over disagrees, then the most agrees.

    Returns:
        One label; several where they tie, which is for the caller to report; none where
        no emotion is accepted.

    >>> label_of(Counter(awe=3, fear=2), Counter(awe=2))
    ('fear',)
    """
    accepted = {e: (n - disagree[e], n) for e, n in agree.items() if n > disagree[e]}
    if not accepted:
        return ()
    best = max(accepted.values())
    return tuple(sorted(emotion for emotion, rank in accepted.items() if rank == best))


def export_review(votes: Iterable[Vote], folder: Path) -> Exported:
    """Write ``manifest.csv``, ``votes.csv`` and ``verdicts.csv``.

    ``manifest.csv`` has every image with an answer, its ``votes_<emotion>`` (agrees) and
    ``disagree_<emotion>``, and the ``emotion`` of :func:`label_of`, empty where the votes
    tie or reject the image. ``votes.csv`` (``image, annotator, emotion``) has a row for
    each agree; ``verdicts.csv`` has all answers, the disagrees and the skips too.

    Args:
        votes: all answers.
        folder: where to; image paths are relative to it where they lie below it.

    Raises:
        DataError: a file cannot be written.
    """
    by_image: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_image[vote.sha256].append(vote)
    rows, labels, tied, rejected = [], Counter[str](), 0, 0
    for given in by_image.values():
        agree = Counter(v.emotion for v in given if v.verdict is Verdict.ACCEPT)
        disagree = Counter(v.emotion for v in given if v.verdict is Verdict.REJECT)
        label = label_of(agree, disagree)
        labels.update(label if len(label) == 1 else ())
        tied += len(label) > 1
        rejected += not label
        rows.append(_row(given[0], agree, disagree, label, folder))
    counts = [f"{kind}_{emotion}" for kind in ("votes", "disagree") for emotion in MIKELS8]
    columns = ["image", "emotion", *counts, "keyword", "source", "url", "sha256"]
    write_table(folder / "manifest.csv", [*columns, "width", "height"], rows)
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
    agrees = [row for row in answers if row["verdict"] == Verdict.ACCEPT]
    write_table(folder / "votes.csv", ["image", "annotator", "emotion"], agrees)
    every = ["image", "annotator", "emotion", "verdict", "at"]
    write_table(folder / "verdicts.csv", every, answers)
    return Exported(labels, tied, rejected, len({row["annotator"] for row in answers}))


def _row(
    vote: Vote, agree: Counter[str], disagree: Counter[str], label: tuple[str, ...], folder: Path
) -> dict[str, str]:
    return {
        "image": _name(vote.path, folder),
        "emotion": label[0] if len(label) == 1 else "",
        **{f"votes_{emotion}": str(agree[emotion]) for emotion in MIKELS8},
        **{f"disagree_{emotion}": str(disagree[emotion]) for emotion in MIKELS8},
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
