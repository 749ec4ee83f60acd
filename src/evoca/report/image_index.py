"""The images of all runs of a report, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError, single_line
from evoca.metrics.checks import IntArray
from evoca.report.run_predictions import ScoredRun
from evoca.words import counted

__all__ = ["Library", "library_of", "shown_name"]


@dataclass(frozen=True)
class Library:
    """Images by number.

    Attributes:
        names: N names, as in the runs.
        rows: for each run, the number of the image in each of its rows.
        paths: number to file, of the images whose file is known.
        notes: what a reader must know about the images.
    """

    names: tuple[str, ...]
    rows: tuple[IntArray, ...]
    paths: dict[int, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def library_of(runs: Sequence[ScoredRun], data: LabelledImages | None) -> Library:
    """Return the images of some runs, numbered, with their files.

    Args:
        runs: the runs.
        data: where the files are; ``None`` for a report without images.

    Raises:
        DataError: none of the runs' images is in the data.
    """
    numbers: dict[str, int] = {}
    rows = tuple(
        np.array(
            [numbers.setdefault(name, len(numbers)) for name in run.predictions.images],
            dtype=np.int64,
        )
        for run in runs
    )
    names = tuple(numbers)
    if data is None:
        return Library(names, rows)
    known = dict(zip(data.names, data.paths, strict=True))
    paths = {number: known[name] for name, number in numbers.items() if name in known}
    if not paths:
        raise DataError(
            f"{data.source}: none of the {counted(len(names), 'predicted image')} is in it, the "
            f"first is {names[0]}: give the manifest or folder that was predicted"
        )
    return Library(names, rows, paths, _notes(runs, data, len(names) - len(paths)))


def _notes(runs: Sequence[ScoredRun], data: LabelledImages, lost: int) -> tuple[str, ...]:
    notes = []
    if lost:
        notes.append(
            f"{counted(lost, 'predicted image is', 'predicted images are')} not in "
            f"{Path(data.source).name}."
        )
    labels = {
        name: data.labels[truth]
        for name, truth in zip(data.names, data.truth.tolist(), strict=True)
        if truth >= 0
    }
    for run in runs:
        predictions = run.predictions
        differ = sum(
            truth >= 0 and labels.get(image, predictions.labels[truth]) != predictions.labels[truth]
            for image, truth in zip(predictions.images, predictions.truth.tolist(), strict=True)
        )
        if differ:
            notes.append(
                f"{counted(differ, 'image has', 'images have')} another label in "
                f"{Path(data.source).name} than in the "
                f"run {run.run.name}: is it the manifest that was predicted?"
            )
    return tuple(notes)


def shown_name(name: str) -> str:
    r"""Return a name as the page shows it: printable, without this machine's folders.

    >>> shown_name("/home/ada/pictures/awe/sky.jpg")
    'awe/sky.jpg'
    >>> shown_name("train/awe/sky\n.jpg")
    'train/awe/sky\\n.jpg'
    """
    path = PurePath(name)
    return single_line("/".join(path.parts[-2:]) if path.is_absolute() else name)
