"""Predictions as FiftyOne imports them from disk: ``FiftyOneImageClassificationDataset``."""

from __future__ import annotations

import json
import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from evoca.errors import DataError
from evoca.images.addresses import scheme_of
from evoca.prediction import Prediction

__all__ = ["FiftyOneDataset", "classification_of"]

_SMALLEST = 1e-12  # whose logarithm JSON can hold


def classification_of(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as the entry of ``labels.json``: a ``Classification`` of FiftyOne.

    ``logits`` are the logarithms of the probabilities, in the order of the model's labels, whose
    softmax is the distribution: FiftyOne's hardness and mistakenness are computed from
    them. Attributes are the distribution (``p_<emotion>``), ``polarity_positive``, ``valence``
    and ``arousal`` where there are, ``prediction_set``, ``model`` and ``prior``.
    """
    row = prediction.to_row()
    kept = ("polarity", "polarity_positive", "valence", "arousal", "prior", "model", "warnings")
    attributes = {name: row[name] for name in kept if row.get(name) not in (None, "")}
    attributes |= {f"p_{label}": p for label, p in prediction.probabilities.items()}
    attributes["prediction_set"] = list(prediction.prediction_set)
    # An attribute too: the importer passes all of them to the Classification, nothing else.
    probabilities = prediction.probabilities.values()
    attributes["logits"] = [math.log(max(p, _SMALLEST)) for p in probabilities]
    return {
        "label": prediction.emotion,
        "confidence": prediction.confidence,
        "attributes": attributes,
    }


class FiftyOneDataset:
    """``data.json`` (number to file) and ``labels.json`` (number to label) in a folder.

    The pictures stay where they are: the data set names them by absolute paths.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir()
        self._open = ExitStack()
        self._data = self._file(folder / "data.json", "{")
        self._labels = self._file(folder / "labels.json", '{"labels": {')
        self._count = 0

    def add(self, prediction: Prediction, file: Path | str) -> None:
        """Write an image with its label.

        Args:
            prediction: of the image.
            file: the image's file.

        Raises:
            DataError: an address, which FiftyOne does not show.
        """
        if isinstance(file, str) and scheme_of(file):
            raise DataError(f"{file}: FiftyOne shows files of this machine alone: fetch it first")
        self._count += 1
        absolute = os.path.abspath(file)  # noqa: PTH100 - links are kept
        comma = "\n" if self._count == 1 else ",\n"
        key = f'{comma}"{self._count:09d}": '
        self._data.write(key + json.dumps(absolute))
        self._labels.write(key + json.dumps(classification_of(prediction), allow_nan=False))

    def close(self) -> None:
        """End both files."""
        self._data.write("\n}\n")
        self._labels.write("\n}}\n")
        self._open.close()

    def _file(self, path: Path, begin: str) -> TextIO:
        file = self._open.enter_context(path.open("w", encoding="utf-8"))
        file.write(begin)
        return file
