"""The content of the template of one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoca.metrics.checks import IntArray
from evoca.report.evidence import Maps
from evoca.report.image_traits import Traits
from evoca.report.run_predictions import ScoredRun
from evoca.report.sections.by_source import source_tables
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
    scored: ScoredRun,
    images: IntArray,
    maps: Maps | None,
    traits: Traits,
    *,
    without_images: str = "the images are not at hand",
) -> dict[str, Any]:
    """Return every section of a run.

    Args:
        number: of the run on the page.
        scored: the run.
        images: int (n,), the number of the image in each of its rows.
        maps: its evidence maps, ``None`` without.
        traits: name to float (n,), 1, 0 or NaN, or the reason why it was not searched for.
        without_images: why the page has no images, where it has none.
    """
    first, others = headline(scored)
    compared = trait_rows(scored, traits)
    doubts = doubted_labels(scored)
    content: dict[str, Any] = {
        "number": number,
        "name": scored.run.name,
        "labels": scored.labels,
        "repeats": scored.predictions.repeats,
        "labelled": int(scored.labelled.sum()),
        "lead": lead(scored),
        "notes": list(scored.run.notes),
        "first": first,
        "others": others,
        "by_source": source_tables(scored.run.result),
        "done": what_was_done(scored),
        "curves": learning_curves(scored.run.history),
        "history": scored.run.history,
        "confusion": confusion_cells(scored),
        "emotions": emotion_rows(scored),
        "reliability": reliability_plot(scored),
        "calibration": calibrations(scored),
        "sets": set_rows(scored),
        "agreement": agreement_rows(scored),
        "traits": compared,
        "without_images": without_images,
        "by_chance": f"{1 - 0.95 ** sum(row.having is not None for row in compared):.0%}",
        "trait_names": [name for name, found in traits.items() if not isinstance(found, str)],
        "robustness": robustness(scored.robustness),
        "errors": _shown(scored.errors),
        "doubts": doubts,
        "doubted": _shown(doubts.rows),
        "all_doubted": opens(rows=doubts.rows),
        "map_model": "" if maps is None else maps.model,
        "map_count": 0 if maps is None else len(maps.by_image.keys() & set(images.tolist())),
        "folded": bool((scored.predictions.fold >= 0).all()),
    }
    return content | {"contents": _contents(content)}


def _shown(rows: IntArray) -> dict[str, Any] | None:
    """Return the first rows of a choice, ready for a row of cards; ``None`` without any."""
    if not len(rows):
        return None
    first = rows[:MOST_SHOWN]
    return {"count": len(first), "opens": opens(rows=first)}


def _contents(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the sections of the page, by anchor and name."""
    scored = bool(content["confusion"])
    sections = [
        ("figures", "Figures", True),
        ("sources", "Source by source", bool(content["by_source"])),
        ("done", "What was done", True),
        ("learning", "Learning curves", bool(content["curves"])),
        ("confusion", "Confusion", scored),
        ("emotions", "Emotion by emotion", bool(content["emotions"])),
        ("confidence", "Confidence", bool(content["reliability"] or content["sets"])),
        ("causes", "Where it errs", scored),
        ("errors", "Confident errors", scored),
        ("doubts", "Doubtful labels", scored),
        ("robustness", "Robustness", bool(content["robustness"])),
        ("images", "All images", True),
    ]
    return [(key, name) for key, name, there in sections if there]
