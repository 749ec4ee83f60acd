"""What the template of one run is filled with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoca.metrics.checks import IntArray
from evoca.report.evidence import Maps
from evoca.report.image_traits import Traits
from evoca.report.run_predictions import Judged
from evoca.report.sections.confidence import calibrations, reliability_plot, set_rows
from evoca.report.sections.confusion import confusion_cells, emotion_rows
from evoca.report.sections.curves import learning_curves
from evoca.report.sections.error_analysis import agreement_rows, trait_rows
from evoca.report.sections.headline import headline
from evoca.report.sections.label_errors import MOST_SHOWN, doubted_labels
from evoca.report.sections.method import lead, what_was_done
from evoca.report.sections.robustness import robustness
from evoca.report.selection import opens

__all__ = ["run_content"]


def run_content(
    number: int,
    judged: Judged,
    images: IntArray,
    maps: Maps | None,
    traits: Traits,
    *,
    without_images: str = "the images are not at hand",
) -> dict[str, Any]:
    """Compute every section of a run.

    Args:
        number: of the run on the page.
        judged: the run.
        images: int (n,), the number of the image in each of its rows.
        maps: its evidence maps, ``None`` without.
        traits: name to float (n,), 1, 0 or NaN, or why it was not looked for.
        without_images: why the page has no images, where it has none.
    """
    first, others = headline(judged)
    compared = trait_rows(judged, traits)
    doubts = doubted_labels(judged)
    content: dict[str, Any] = {
        "number": number,
        "name": judged.run.name,
        "labels": judged.labels,
        "repeats": judged.predictions.repeats,
        "labelled": int(judged.labelled.sum()),
        "lead": lead(judged),
        "notes": list(judged.run.notes),
        "first": first,
        "others": others,
        "done": what_was_done(judged),
        "curves": learning_curves(judged.run.history),
        "history": judged.run.history,
        "confusion": confusion_cells(judged),
        "emotions": emotion_rows(judged),
        "reliability": reliability_plot(judged),
        "calibration": calibrations(judged),
        "sets": set_rows(judged),
        "agreement": agreement_rows(judged),
        "traits": compared,
        "without_images": without_images,
        "by_chance": f"{1 - 0.95 ** sum(row.having is not None for row in compared):.0%}",
        "trait_names": [name for name, found in traits.items() if not isinstance(found, str)],
        "robustness": robustness(judged.probe),
        "errors": _shown(judged.errors),
        "doubts": doubts,
        "doubted": _shown(doubts.rows),
        "all_doubted": opens(rows=doubts.rows),
        "map_model": "" if maps is None else maps.model,
        "map_count": 0 if maps is None else len(maps.by_image.keys() & set(images.tolist())),
        "folded": bool((judged.predictions.fold >= 0).all()),
    }
    return content | {"contents": _contents(content)}


def _shown(rows: IntArray) -> dict[str, Any] | None:
    """Return the first rows of a choice, ready for a row of cards; ``None`` without any."""
    if not len(rows):
        return None
    first = rows[:MOST_SHOWN]
    return {"count": len(first), "opens": opens(rows=first)}


def _contents(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the sections that the page has, by anchor and name."""
    judged = bool(content["confusion"])
    sections = [
        ("figures", "Figures", True),
        ("done", "What was done", True),
        ("learning", "Learning curves", bool(content["curves"])),
        ("confusion", "Confusion", judged),
        ("emotions", "Emotion by emotion", bool(content["emotions"])),
        ("confidence", "Confidence", bool(content["reliability"] or content["sets"])),
        ("causes", "Where it errs", judged),
        ("errors", "Confident errors", judged),
        ("doubts", "Doubtful labels", judged),
        ("robustness", "Robustness", bool(content["robustness"])),
        ("images", "All images", True),
    ]
    return [(key, name) for key, name, there in sections if there]
