"""Evidence maps for the page, as coarse as those of the model.

A map has some hundred cells, so it is stored as numbers: a few hundred bytes per emotion, where
a picture of it would take thousands. The page draws it over the thumbnail.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoca.drawing import heat
from evoca.evidence import EvidenceMap
from evoca.prediction import Prediction
from evoca.progress import Advance, advance_silently
from evoca.runtime.predictor import Predictor

__all__ = ["MOST_MAPS", "Maps", "evidence_of", "map_as_data"]

MOST_MAPS = 600
"""Images with a map; each costs one run of the model."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Evidence maps of one model.

    Attributes:
        model: its name.
        labels: the K labels it has maps for.
        by_image: image number to its maps, plain data for the page.
    """

    model: str
    labels: tuple[str, ...]
    by_image: Mapping[int, dict[str, object]]


def evidence_of(
    model: Predictor,
    images: Sequence[tuple[int, Path]],
    advance: Advance = advance_silently,
) -> Maps:
    """Return the maps of some images; those that cannot be read are left out.

    Args:
        model: with an evidence map.
        images: number and file of each.
        advance: called with 1 after each.
    """
    found: dict[int, dict[str, object]] = {}
    predicted = model.stream([path for _, path in images])
    for (number, _), one in zip(images, predicted, strict=True):
        advance(1)
        if isinstance(one, Prediction) and one.evidence is not None:
            found[number] = map_as_data(one.evidence)
    return Maps(model.card.name, model.labels, found)


def map_as_data(evidence: EvidenceMap) -> dict[str, object]:
    """Return a map as data for the page: one byte per cell, 255 the strongest for a label."""
    maps = np.stack([heat(evidence, label) for label in evidence.labels])
    cells = (maps * 255).round().astype(np.uint8)
    return {
        "height": cells.shape[1],
        "width": cells.shape[2],
        "region": [round(edge, 4) for edge in evidence.region],
        "cells": base64.b64encode(cells.tobytes()).decode("ascii"),
    }
