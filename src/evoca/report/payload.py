"""The data of the page's script: images and predictions as compact JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from evoca.data.taxonomies import positive_labels
from evoca.drawing import HEAT_OPACITY, HEAT_RAMP
from evoca.emotions import style_of
from evoca.metrics.agreement import agreement_band
from evoca.metrics.checks import FloatArray
from evoca.report.evidence import Maps
from evoca.report.image_index import Library, shown_name
from evoca.report.page import emotion_class
from evoca.report.run_predictions import ScoredRun
from evoca.report.thumbnails import Picture

__all__ = ["as_script_text", "heat_as_data", "labels_as_data", "payload", "permille"]


def payload(
    runs: Sequence[ScoredRun],
    library: Library,
    pictures: Mapping[int, Picture],
    maps: Sequence[Maps | None],
    traits: Mapping[str, FloatArray],
) -> dict[str, Any]:
    """Return the data for the script.

    Args:
        runs: the runs.
        library: their images.
        pictures: image number to thumbnail.
        maps: the evidence maps of each run, ``None`` where it has none.
        traits: name to float (N,) over the library's images: 1, 0 or NaN.
    """
    models = [one for one in dict.fromkeys(maps) if one is not None]
    return {
        "names": [shown_name(name) for name in library.names],
        "pictures": [
            "" if number not in pictures else pictures[number].cause or "here"
            for number in range(len(library.names))
        ],
        "traits": {name: np.flatnonzero(found == 1).tolist() for name, found in traits.items()},
        "lacking": {name: np.flatnonzero(found == 0).tolist() for name, found in traits.items()},
        "heat": heat_as_data(),
        "maps": [
            {"model": one.model, "labels": one.labels, "images": one.by_image} for one in models
        ],
        "runs": [
            _run(run, rows.tolist(), None if own is None else models.index(own))
            for run, rows, own in zip(runs, library.rows, maps, strict=True)
        ],
    }


def _run(scored: ScoredRun, images: list[int], maps: int | None) -> dict[str, Any]:
    predictions = scored.predictions
    return {
        "labels": labels_as_data(predictions.labels),
        "images": images,
        "truth": predictions.truth.tolist(),
        "predicted": scored.predicted.T.tolist(),
        "answer": scored.top_label.tolist(),
        "permille": [permille(row) for row in predictions.mean],
        "sets": _sets(scored),
        "votes": _votes(scored),
        "agreement": agreement_band(predictions.agreement, len(predictions)).tolist(),
        "maps": maps,
    }


def _votes(scored: ScoredRun) -> list[list[int] | None] | None:
    """Return the shares of the viewers' votes, in thousandths; ``None`` where not known."""
    shares = scored.predictions.distribution
    if shares is None:
        return None
    return [None if np.isnan(row).any() else permille(row) for row in shares]


def permille(shares: FloatArray) -> list[int]:
    """Return shares in thousandths."""
    return [int(share) for share in (shares * 1000).round()]


def heat_as_data() -> dict[str, Any]:
    """Return how evidence is coloured."""
    return {"ramp": HEAT_RAMP, "opacity": HEAT_OPACITY}


def labels_as_data(labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return labels with how each is shown."""
    positive = positive_labels(labels)
    return [
        {
            "name": label,
            "css": emotion_class(label),
            "glyph": style_of(label).glyph,
            "positive": label in positive,
        }
        for label in labels
    ]


def _sets(scored: ScoredRun) -> list[list[int]] | None:
    """Return the labels in each image's set, by majority where repeats differ."""
    inside = scored.predictions.in_set
    if inside is None:
        return None
    return [np.flatnonzero(row).tolist() for row in inside.mean(axis=0) >= 0.5]


def as_script_text(content: Any) -> Markup:
    r"""Return JSON for a ``<script>``, which no string in it can end or comment out.

    Inside ``<script>`` only ``<`` is special; all that is not ASCII is escaped as well.

    >>> as_script_text({"name": "</script><!--"})
    Markup('{"name":"\\u003c/script>\\u003c!--"}')
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no markup is left in it
