"""Predictions as one page: thumbnails, bars and evidence, sorted and filtered in the browser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evoca.errors import EvocaError, ImageError
from evoca.images import printable_name
from evoca.prediction import Prediction
from evoca.report.build import MOST_IMAGES, Built, write_page
from evoca.report.evidence import map_as_data
from evoca.report.image_index import shown_name
from evoca.report.page import page_parts
from evoca.report.payload import as_script_text, heat_as_data, labels_as_data, permille
from evoca.report.thumbnails import encoded, thumbnail_side
from evoca.words import counted

__all__ = ["PredictionPage"]


class PredictionPage:
    """Collects predictions with their pictures, and writes them as one HTML page.

    >>> import evoca
    >>> model = evoca.load()
    >>> page = PredictionPage(model.labels, expected=1)
    >>> for predicted in model.stream(["examples/china.jpg"], picture_side=page.side):
    ...     page.add(predicted)
    """

    def __init__(
        self, labels: Sequence[str], *, expected: int, most_images: int = MOST_IMAGES
    ) -> None:
        """Begin a page.

        Args:
            labels: of the model.
            expected: number of images that will come; fewer may have larger thumbnails.
            most_images: those after them are counted and left out.
        """
        self.side = thumbnail_side(min(expected, most_images))
        self._labels = tuple(labels)
        self._most = most_images
        self._shown: list[Prediction] = []
        self._pictures: list[str] = []
        self._maps: dict[int, dict[str, object]] = {}
        self._unread: list[tuple[str, str]] = []
        self._left_out = 0

    def add(self, predicted: Prediction | ImageError) -> None:
        """Add a prediction that keeps its picture, or the reason why there is none."""
        if isinstance(predicted, ImageError):
            self._unread.append((shown_name(predicted.source), predicted.cause))
        elif len(self._shown) >= self._most:
            self._left_out += 1
        else:
            if predicted.picture is None:
                raise ValueError("the page needs predictions that keep their picture")
            self._pictures.append(encoded(predicted.picture, self.side))
            if predicted.evidence is not None:
                self._maps[len(self._shown)] = map_as_data(predicted.evidence)
            # Maps and features of many images would fill the memory.
            self._shown.append(replace(predicted, evidence=None, embedding=None, picture=None))

    def write(self, out: Path, *, order: str | None = None, about: str = "") -> Built:
        """Write the page; it appears only when it is complete.

        Args:
            out: the file.
            order: an emotion, ``polarity`` or ``doubt``: what the page first sorts by; the
                order in which the images came if omitted.
            about: a sentence on which images these are.

        Raises:
            EvocaError: nothing was added, or the file cannot be written.
        """
        if not self._shown:
            raise EvocaError(f"{printable_name(out)}: not written, since there is no image to show")
        likeliest = Counter(prediction.emotion for prediction in self._shown)
        content = {
            "title": f"{counted(len(self._shown), 'image')} – Evoca predictions",
            "heading": "Which emotions these images evoke",
            "lead": f"{self._lead()} {about}".rstrip(),
            "notes": self._notes(),
            "unread": self._unread,
            "counts": [(label, likeliest[label]) for label in self._labels],
            "has_pictures": True,
            "has_polarity": self._has_polarity,
            "has_notes": any(prediction.warnings for prediction in self._shown),
            "payload": as_script_text(self._data(order)),
            "pictures": list(enumerate(self._pictures)),
        }
        size = write_page(out, page_parts(content, "predictions"))
        return Built(size, len(self._shown), tuple(self._notes()))

    @property
    def _has_polarity(self) -> bool:
        return self._shown[0].positive is not None

    def _lead(self) -> str:
        first = self._shown[0]
        images = counted(len(self._shown), "image")
        prior = "" if first.prior is None else f", for {first.prior.name} class frequencies"
        return f"{images}, predicted by the model {first.model}{prior}."

    def _notes(self) -> list[str]:
        if not self._left_out:
            return []
        total = len(self._shown) + self._left_out
        return [f"The page holds the first {len(self._shown):,} of {counted(total, 'image')}."]

    def _data(self, order: str | None) -> dict[str, object]:
        shown, labels = self._shown, self._labels
        known = {"polarity": "positive", "doubt": "doubt", None: "given"}
        return {
            "names": [shown_name(prediction.path or "image") for prediction in shown],
            "pictures": ["here"] * len(shown),
            "traits": {},
            "lacking": {},
            "heat": heat_as_data(),
            "order": known[order] if order in known else f"e{labels.index(str(order))}",
            "maps": [{"model": shown[0].model, "labels": labels, "images": self._maps}],
            "runs": [
                {
                    "labels": labels_as_data(labels),
                    "images": list(range(len(shown))),
                    "truth": [-1] * len(shown),
                    "answer": [labels.index(prediction.emotion) for prediction in shown],
                    "predicted": [[labels.index(prediction.emotion)] for prediction in shown],
                    "permille": [_shares(prediction, labels) for prediction in shown],
                    "sets": [[labels.index(one) for one in p.prediction_set] for p in shown],
                    "positive": self._positive(),
                    "affect": [", ".join(prediction.affect_in_words) for prediction in shown],
                    "notes": [list(prediction.warnings) for prediction in shown],
                    "votes": None,
                    "agreement": [""] * len(shown),
                    "maps": 0 if self._maps else None,
                }
            ],
        }

    def _positive(self) -> list[int] | None:
        if not self._has_polarity:
            return None
        return [round(1000 * (prediction.positive or 0.0)) for prediction in self._shown]


def _shares(prediction: Prediction, labels: Sequence[str]) -> list[int]:
    return permille(np.array([prediction.probabilities[label] for label in labels]))
