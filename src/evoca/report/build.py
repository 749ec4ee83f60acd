"""The report of runs, built as one page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoca.data.manifest.labelled import LabelledImages
from evoca.drafts import drafted
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.metrics.checks import IntArray
from evoca.progress import Announce
from evoca.report.context import run_content
from evoca.report.evidence import MOST_MAPS, Maps, evidence_of
from evoca.report.image_index import Library, library_of
from evoca.report.image_traits import LookFor, Traits, look_for_traits
from evoca.report.page import page_parts
from evoca.report.payload import as_script_text, payload
from evoca.report.run_predictions import ScoredRun
from evoca.report.sections.compare import compare_with_first, side_by_side
from evoca.report.thumbnails import Picture, pictures_of, thumbnail_side
from evoca.runs import Run
from evoca.runs.comparison import cautions
from evoca.runs.robustness import RobustnessResult
from evoca.runtime.predictor import Predictor
from evoca.words import by_number, counted

__all__ = ["MOST_IMAGES", "Built", "build_report", "write_page"]

MOST_IMAGES = 5_000
"""Images on a page by default: below 50 MB."""

_LEFT_OUT = "the page was made without the images (--no-images)"


@dataclass(frozen=True)
class Built:
    """A report that was written.

    Attributes:
        size: of the page, bytes.
        images: number of images in it.
        notes: what a reader must know about them.
    """

    size: int
    images: int
    notes: tuple[str, ...]


def build_report(
    runs: Sequence[Run],
    out: str | Path,
    data: LabelledImages | None,
    announce: Announce,
    *,
    models: Sequence[Predictor | None],
    images: bool = True,
    look_for: LookFor = "faces",
    most_images: int = MOST_IMAGES,
    robustness: RobustnessResult | None = None,
    left_out: bool = False,
) -> Built:
    """Return what was written: the report of some runs as one HTML file.

    Args:
        runs: the runs; the first is what the others are compared with.
        out: the file to write; appears only when it is complete.
        data: where the images are; ``None`` where that is not known.
        announce: shows progress.
        models: for each run the model whose evidence maps are shown, or ``None``.
        images: whether the page contains small copies of them.
        look_for: the traits to search pictures for.
        most_images: the largest number of images on the page.
        robustness: of the first run's model, in place of the one in the run's folder.
        left_out: whether the user wanted no images, rather than none were found.

    Raises:
        EvocaError: a run or the data cannot be used, or the file not be written.
    """
    out = Path(out)
    scored = [
        ScoredRun.of_run(run, robustness if position == 0 else None)
        for position, run in enumerate(runs)
    ]
    library = library_of(scored, data)
    chosen = _chosen(scored, library, most_images) if images else []
    pictures = _pictures(library, chosen, announce)
    shown = {
        model: _maps(model, library, chosen[:MOST_MAPS], announce)
        for model in dict.fromkeys(models)
    }
    maps = [shown[model] for model in models]
    traits = look_for_traits(library.paths, len(library.names), look_for, announce)
    searched = {name: found for name, found in traits.items() if not isinstance(found, str)}
    notes = [*library.notes]
    if images and len(chosen) < len(library.paths):
        notes.append(
            f"{len(chosen):,} of {counted(len(library.paths), 'image')} "
            f"{by_number(len(chosen), 'is', 'are')} shown: errors first, the most "
            "confident ahead. The figures are of all."
        )
    without = "the images are not at hand" if images or not left_out else _LEFT_OUT
    content = {
        "title": ", ".join(run.name for run in runs) + " – Evoca report",
        "notes": notes,
        "has_pictures": any(picture.data for picture in pictures.values()),
        "runs": [
            run_content(number, run, rows, own, _of_rows(traits, rows), without_images=without)
            for number, (run, rows, own) in enumerate(zip(scored, library.rows, maps, strict=True))
        ],
        "payload": as_script_text(payload(scored, library, pictures, maps, searched)),
        "pictures": [(n, picture.data) for n, picture in pictures.items() if picture.data],
        **(_compared(scored) if len(scored) > 1 else {}),
    }
    size = write_page(out, page_parts(content))
    return Built(size, sum(bool(p.data) for p in pictures.values()), tuple(notes))


def _of_rows(traits: Traits, rows: IntArray) -> Traits:
    return {
        name: found if isinstance(found, str) else found[rows] for name, found in traits.items()
    }


def _chosen(scored: Sequence[ScoredRun], library: Library, most: int) -> list[int]:
    """Return the images to show: errors of any run first, the most confident ahead."""
    urgency = np.full(len(library.names), -1.0)
    for run, rows in zip(scored, library.rows, strict=True):
        wrong = np.zeros(len(rows))
        wrong[run.errors] = 1.0
        np.maximum.at(urgency, rows, wrong + run.confidence * wrong)
    ranked = np.argsort(-urgency, kind="stable").tolist()
    return [number for number in ranked if number in library.paths][:most]


def _pictures(library: Library, chosen: Sequence[int], announce: Announce) -> dict[int, Picture]:
    if not chosen:
        return {}
    paths = [library.paths[number] for number in chosen]
    made = pictures_of(paths, thumbnail_side(len(chosen)), announce("thumbnails", len(chosen)))
    return dict(zip(chosen, made, strict=True))


def _maps(
    model: Predictor | None, library: Library, chosen: Sequence[int], announce: Announce
) -> Maps | None:
    if model is None or model.card.evidence_kind is None or not chosen:
        return None
    images = [(number, library.paths[number]) for number in chosen]
    return evidence_of(model, images, announce("evidence maps", len(images)))


def _compared(scored: Sequence[ScoredRun]) -> dict[str, Any]:
    comparisons = compare_with_first(scored)
    return {
        "cautions": cautions([run.run for run in scored]),
        "table": side_by_side(scored),
        "comparisons": comparisons,
        "comparisons_made": sum(len(one.rows) for one in comparisons),
    }


def write_page(out: Path, parts: Iterable[str]) -> int:
    """Return the bytes of a page that was written whole, or not at all."""
    if out.exists() and not out.is_file():  # a device, a pipe: a file would take its place
        raise DataError(f"{printable_name(out)}: not a regular file: name another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with drafted(out) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        return out.stat().st_size
    except OSError as error:
        raise DataError(f"{printable_name(out)}: cannot be written: {error.strerror}") from error
