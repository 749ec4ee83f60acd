"""Predictions as tasks of Label Studio, for people to accept or to correct."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import Any, TextIO
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from evoca.data.readers.label_studio import CONTROL, IMAGE_KEY, LOCAL_FILES, PATH_KEY
from evoca.emotions import style_of
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.images.addresses import scheme_of
from evoca.prediction import Prediction

__all__ = ["CONFIG", "TASKS_PER_FILE", "LabelStudioTasks", "label_config", "task_of"]

CONFIG = "label_config.xml"
"""The file of the labelling configuration, which is pasted into a project's settings."""
TASKS_PER_FILE = 50_000
"""Tasks in one file: Label Studio takes 250,000 or 200 MB in one import."""

_PICTURE = "picture"


def label_config(labels: Sequence[str]) -> str:
    """Return the labelling configuration (XML) of a project that asks for one label per image.

    >>> print(label_config(["awe", "fear"]).splitlines()[3].strip())
    <Choice value="awe" background="#56B4E9" hotkey="1"/>
    """
    choices = "".join(
        f'    <Choice value={quoteattr(label)} background="{style_of(label).colour}"'
        f"{f' hotkey={quoteattr(str(number))}' if number < 10 else ''}/>\n"
        for number, label in enumerate(labels, start=1)
    )
    return (
        "<View>\n"
        f'  <Image name="{_PICTURE}" value="${IMAGE_KEY}"/>\n'
        f'  <Choices name="{CONTROL}" toName="{_PICTURE}" choice="single" showInLine="true"'
        ' required="true">\n'
        f"{choices}"
        "  </Choices>\n"
        "</View>\n"
    )


def task_of(prediction: Prediction, path: str, image: str) -> dict[str, Any]:
    """Return one prediction as a task.

    The likeliest emotion is what Label Studio shows as chosen, with its probability as the score.
    All probabilities are in the task's data as ``p_<emotion>``, by which its Data Manager sorts
    and filters.

    Args:
        prediction: of the image.
        path: by which the image is found again when votes come back.
        image: the address from which Label Studio shows it.
    """
    data: dict[str, Any] = {IMAGE_KEY: image, PATH_KEY: path}
    data |= {f"p_{label}": p for label, p in prediction.probabilities.items()}
    data["prediction_set"] = ", ".join(prediction.prediction_set)
    result = {
        "id": CONTROL,
        "from_name": CONTROL,
        "to_name": _PICTURE,
        "type": "choices",
        "value": {"choices": [prediction.emotion]},
        "score": prediction.confidence,
    }
    prior = "" if prediction.prior is None else f", prior {prediction.prior.name}"
    return {
        "data": data,
        "predictions": [
            {
                "model_version": f"{prediction.model}{prior}",
                "score": prediction.confidence,
                "result": [result],
            }
        ],
    }


class LabelStudioTasks:
    """Files of tasks in a folder, with the labelling configuration."""

    def __init__(
        self, folder: Path, labels: Sequence[str], images: Path, image_url: str | None
    ) -> None:
        """Make the folder, and write the configuration.

        Args:
            folder: that is made.
            labels: of the model.
            images: the folder below which all images lie: Label Studio's document root.
            image_url: that an image's path below that folder is added to;
                :data:`~evoca.data.readers.label_studio.LOCAL_FILES` if omitted.
        """
        self._folder = folder
        self._images = os.path.abspath(images)  # noqa: PTH100 - links are kept
        self._url = LOCAL_FILES if image_url is None else image_url
        self._open = ExitStack()
        self._file: TextIO | None = None
        self._count = 0
        folder.mkdir()
        (folder / CONFIG).write_text(label_config(labels), encoding="utf-8")

    def add(self, prediction: Prediction, file: Path | str) -> None:
        """Write a task.

        Args:
            prediction: of the image.
            file: the image's file; its address where it has one.

        Raises:
            DataError: the file does not lie below the folder of all images.
        """
        path, image = self._place(file)
        if self._count % TASKS_PER_FILE == 0:
            self._next_file()
        assert self._file is not None
        self._file.write("[\n" if self._count % TASKS_PER_FILE == 0 else ",\n")
        task = task_of(prediction, path, image)
        self._file.write(json.dumps(task, ensure_ascii=False, allow_nan=False))
        self._count += 1

    def close(self) -> None:
        """End the file that is open."""
        if self._file is not None:
            self._file.write("\n]\n")
        self._open.close()
        self._file = None

    def _next_file(self) -> None:
        self.close()
        name = f"tasks-{self._count // TASKS_PER_FILE + 1:03d}.json"
        self._file = self._open.enter_context((self._folder / name).open("w", encoding="utf-8"))

    def _place(self, file: Path | str) -> tuple[str, str]:
        """Return an image's path below the folder, and the address it is shown from."""
        if isinstance(file, str) and scheme_of(file):
            return file, file
        absolute = os.path.abspath(file)  # noqa: PTH100
        folder = self._images.rstrip(os.sep) + os.sep
        if not absolute.startswith(folder):
            raise DataError(
                f"{printable_name(file)}: not below {printable_name(self._images)}: name the "
                "folder of all images with --images DIR"
            )
        path = PurePath(absolute.removeprefix(folder)).as_posix()
        return path, self._url + quote(path)
