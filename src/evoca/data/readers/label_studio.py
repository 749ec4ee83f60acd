"""Votes that were given in Label Studio."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from evoca.data.manifest.schema import VOTES
from evoca.data.readers.base import (
    ReadOptions,
    Row,
    configurable_reader,
    emotion_alias,
    linked_name,
)
from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of
from evoca.errors import DataError, first_line
from evoca.images import LeftOut, printable_name

__all__ = ["CONTROL", "IMAGE_KEY", "LOCAL_FILES", "PATH_KEY", "read"]

IMAGE_KEY, PATH_KEY = "image", "path"
"""Where a task holds the address that is shown, and the path that Evoca exported beside it."""
CONTROL = "emotion"
"""The name of the choices in the labelling configuration that Evoca writes."""
LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio addresses a file below its document root."""

_MAX_BYTES = 1 << 30
_SEVERAL = "annotations with several emotions: counted, but not in the votes by annotator"


@configurable_reader(
    "label_studio", "columns", "labels", "images", "taxonomy", files_required=False
)
def read(source: Path, options: ReadOptions) -> Iterator[Row | LeftOut]:
    """Votes by annotator, as Label Studio exports them in its formats JSON and JSON-MIN.

    One row per image with the votes of all its tasks; the votes by annotator go to FILE.votes.csv
    beside the manifest. An annotator has one vote per image, the last one given.
    Left out, and counted by reason: annotations that were skipped or have no choice, earlier
    ones of the same annotator, choices that are no emotion (``--label THEIRS=OURS`` names them),
    and tasks without a vote. Several emotions in one annotation are all counted, but are no vote
    of the table by annotator, which has one emotion each. Predictions in the export are no votes.

    The picture is the ``path`` that ``evoca convert --to label-studio`` exported, else what
    ``image`` leads to: a file below the document root, an upload, an address. Paths start from
    ``--images DIR``, the document root, or else from the folder of the export. ``--column
    THEIRS=image`` and ``--column THEIRS=emotion`` name the key of the task and the choices where
    these have other names.

    Source: https://labelstud.io/guide/export and https://labelstud.io/guide/task_format.
    """
    where = printable_name(source)
    left_out = LeftOut()
    found = _Votes(labels_of(options.taxonomy or DEFAULT_TAXONOMY), options.labels, left_out)
    key = options.columns.get("image", IMAGE_KEY)
    control = options.columns.get("emotion", "")
    for number, task in enumerate(_tasks(source, control, where), start=1):
        image, url = _image_of(task.data, key, where, number)
        if not task.annotations:
            left_out(Path(image), "tasks without an annotation")
        voted = found.of(image, number, url)
        for annotation in task.annotations:
            voted.add(annotation, _choices(annotation, control, where, number))
    root = None if options.images is None else Path(options.images)
    yield from found.rows(where, root)
    yield left_out


@dataclass(frozen=True)
class _Annotation:
    """What one person did with one task.

    Attributes:
        annotator: who, as Label Studio numbers users.
        at: when it was last changed, as text that sorts.
        skipped: whether the task was skipped.
        results: name of each choice control to the choices.
    """

    annotator: str
    at: str
    skipped: bool
    results: Mapping[str, list[str]]


@dataclass(frozen=True)
class _Task:
    data: Mapping[str, Any]
    annotations: list[_Annotation]


def _tasks(source: Path, control: str, where: str) -> Iterator[_Task]:
    """Yield the tasks of an export; of JSON-MIN, each record is one with one annotation.

    Raises:
        DataError: unreadable, or no such export.
    """
    if source.is_dir():
        raise DataError(f"{where}: name the .json that Label Studio exported, not a folder")
    try:
        size = source.stat().st_size
        tasks = json.loads(source.read_bytes()) if size <= _MAX_BYTES else None
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {first_line(error)}") from error
    if size > _MAX_BYTES:
        raise DataError(f"{where}: larger than {_MAX_BYTES:,} bytes: export it in parts")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{where}: not a list of tasks, as Label Studio exports JSON or JSON-MIN")
    for number, task in enumerate(tasks, start=1):
        if isinstance(task.get("data"), dict):
            given = task.get("annotations", task.get("completions")) or []
            if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
                raise DataError(f"{where}: task {number}: annotations are no list of objects")
            yield _Task(task["data"], [_annotation(one) for one in given])
        else:
            given = task.get("annotation_id") is not None  # a task without one is a record too
            flat = [_flat_annotation(task, control or CONTROL)] if given else []
            yield _Task(task, flat)


def _annotation(given: Mapping[str, Any]) -> _Annotation:
    results: dict[str, list[str]] = {}
    for one in given.get("result") or []:
        if isinstance(one, dict) and one.get("type") == "choices":
            value = one.get("value")
            chosen = value.get("choices") if isinstance(value, dict) else None
            results.setdefault(str(one.get("from_name")), []).extend(_texts(chosen))
    return _Annotation(
        _annotator(given.get("completed_by"), given.get("id")),
        str(given.get("updated_at") or given.get("created_at") or ""),
        bool(given.get("was_cancelled") or given.get("skipped")),
        results,
    )


def _flat_annotation(record: Mapping[str, Any], control: str) -> _Annotation:
    """Return the annotation of a record of JSON-MIN: one choice is a text, several are objects."""
    value = record.get(control)
    parts = value if isinstance(value, list) else [value]
    nested = [one["choices"] for one in parts if isinstance(one, dict) and "choices" in one]
    chosen = [text for part in nested for text in _texts(part)] or _texts(parts)
    at = str(record.get("updated_at") or record.get("created_at") or "")
    annotator = _annotator(record.get("annotator"), record.get("annotation_id"))
    return _Annotation(annotator, at, False, {control: chosen})


def _annotator(given: Any, annotation: Any) -> str:
    """Return a user's number, or address where there is none; one of its own for nobody."""
    if isinstance(given, Mapping):
        given = given.get("id", given.get("email"))
    return f"annotation {annotation}" if given in (None, "") else str(given)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _image_of(data: Mapping[str, Any], key: str, where: str, number: int) -> tuple[str, str]:
    """Return the path of a task's picture as far as it is known, and its web address or ''."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        held = ", ".join(map(str, data)) or "nothing"
        raise DataError(
            f"{where}: task {number}: no {key} in its data, which has {held}: name the key of the "
            "picture with --column THEIRS=image"
        )
    path = data.get(PATH_KEY)
    parts = urlsplit(value)
    web = parts.scheme in ("http", "https")
    if isinstance(path, str) and path:
        return path, value if web else ""
    if parts.path.endswith("/data/local-files/"):
        return (parse_qs(parts.query).get("d") or [value])[0], ""
    if web:
        return linked_name(value), value
    if parts.scheme and parts.netloc:  # of an object store: s3://bucket/folder/a.jpg
        return parts.path.lstrip("/"), ""
    return value.removeprefix("/data/"), ""


def _choices(annotation: _Annotation, control: str, where: str, number: int) -> list[str]:
    """Return the choices of the control that asks for the emotion.

    Raises:
        DataError: several have been used, and none is named.
    """
    results = annotation.results
    if control or CONTROL in results:
        return results.get(control or CONTROL, [])
    given = {name: chosen for name, chosen in results.items() if chosen}
    if len(given) > 1:
        raise DataError(
            f"{where}: task {number}: choices of {', '.join(given)}: name those of the emotion "
            "with --column THEIRS=emotion"
        )
    return next(iter(given.values()), [])


@dataclass
class _Voted:
    """The votes on one image: annotator to when and what."""

    votes: _Votes
    image: str
    row: int
    url: str
    given: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def add(self, annotation: _Annotation, choices: list[str]) -> None:
        """Add what an annotator chose, if it is newer than what they chose before."""
        leave_out, image = self.votes.left_out, Path(self.image)
        if annotation.skipped:
            return leave_out(image, "annotations that were skipped")
        if not choices:
            return leave_out(image, "annotations without a choice")
        if not (emotions := self.votes.emotions(choices, image)):
            return None
        before = self.given.get(annotation.annotator)
        if before is not None:
            leave_out(image, "earlier annotations by the same annotator")
        if before is None or annotation.at >= before[0]:
            self.given[annotation.annotator] = annotation.at, emotions
        return None


class _Votes:
    """The votes on all images, in the order in which these come first."""

    def __init__(
        self, labels: tuple[str, ...], names: Mapping[str, str], left_out: LeftOut
    ) -> None:
        self._labels, self._names, self.left_out = labels, names, left_out
        self._images: dict[str, _Voted] = {}

    def of(self, image: str, row: int, url: str) -> _Voted:
        """Return the votes on an image."""
        return self._images.setdefault(image, _Voted(self, image, row, url))

    def emotions(self, choices: Iterable[str], image: Path) -> list[str]:
        """Return the emotions among some choices, each once; the others are left out."""
        found = []
        for choice in choices:
            name = self._names.get(choice.strip(), choice)
            name = name if name in self._labels else emotion_alias(name)
            if name in self._labels:
                found.append(name)
            else:
                self.left_out(image, f"the choice {choice!r}, which is no emotion")
        return list(dict.fromkeys(found))

    def rows(self, where: str, root: Path | None) -> Iterator[Row]:
        """Yield a row for each image that has a vote."""
        for voted in self._images.values():
            given = {annotator: emotions for annotator, (_, emotions) in voted.given.items()}
            if not given:
                continue
            counts = Counter(emotion for emotions in given.values() for emotion in emotions)
            single = {who: emotions[0] for who, emotions in given.items() if len(emotions) == 1}
            for _ in range(len(given) - len(single)):
                self.left_out(Path(voted.image), _SEVERAL)
            cells: dict[str, str | int | float | None] = {"image": _placed(voted.image, root)}
            cells |= {VOTES + label: counts[label] for label in self._labels}
            if voted.url:
                cells["url"] = voted.url
            yield Row(where, voted.row, cells, annotations=tuple(single.items()))


def _placed(image: str, root: Path | None) -> str:
    """Return an image's path below the document root if it is there, else as it is."""
    if root is not None and (root / image).is_file():
        return os.path.abspath(root / image)  # noqa: PTH100 - links are kept
    return image
