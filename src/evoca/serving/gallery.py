"""A tagged collection over HTTP: its images by what they evoke, thumbnails, films.

What may be read from the disk is what the tables name. Every address of a file that an answer has
bears a seal, so that no other file can be asked for, and no table is searched for a thumbnail.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.responses import Response

from evoca.collection.expression import ExpressionError
from evoca.collection.search import Order, UnknownOrderError, find, most, most_divided
from evoca.collection.similar import Example, distribution_of, like_in_emotion
from evoca.collection.tags import Tags, read_tags
from evoca.errors import EvocaError, ImageError
from evoca.images import ImageLimits, printable_name
from evoca.images.sources import open_picture
from evoca.prediction import Prediction
from evoca.report.thumbnails import thumbnail
from evoca.runtime.tables import row_prediction
from evoca.serving.films import FILM_COLUMNS, film_timeline, media_type
from evoca.serving.refusals import Refusal, json_response

__all__ = ["Collection", "Sealed", "router"]

PREFIX = "/v1/collection"
FILES = "/collection"
"""Sealed files: an image of a page cannot send an API key, and the seal stands for it."""

DIVIDED = "divided"
_DECODED_AT_ONCE = 2
_SMALL, _LARGE = 320, 1024
_CACHED_BYTES = 64 * 1024 * 1024
_KEPT = {"Cache-Control": "private, max-age=3600"}


@dataclass(frozen=True)
class Sealed:
    """Addresses of files that only this process can have made.

    Attributes:
        key: secret bytes.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def seal(self, kind: str, path: str) -> str:
        """Return the seal of a path for one use."""
        message = f"{kind}\0{path}".encode("utf-8", "surrogateescape")
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()

    def address(self, kind: str, path: str) -> str:
        """Return the address of a file, relative to the page."""
        query = urlencode({"path": path, "seal": self.seal(kind, path)})
        return f"{FILES.lstrip('/')}/{kind}?{query}"

    def require(self, kind: str, path: str, seal: str) -> None:
        """Refuse a path that bears another seal.

        Raises:
            Refusal: 404.
        """
        if not hmac.compare_digest(self.seal(kind, path).encode(), seal.encode()):
            raise Refusal(404, "no such file in this collection")


class Collection:
    """Tables of predictions, and the files that they name."""

    def __init__(
        self,
        tables: Sequence[Path],
        images: Path | None = None,
        limits: ImageLimits | None = None,
    ) -> None:
        """Read the tables.

        Args:
            tables: as :func:`evoca.collection.read_tags` takes them.
            images: the folder in which all files lie; relative paths start there. If omitted,
                files are where the tables say.
            limits: on images; larger ones have no thumbnail.

        Raises:
            DataError: no table of predictions.
            EvocaError: ``images`` is no folder.
        """
        if images is not None and not images.is_dir():
            raise EvocaError(f"--images {printable_name(images)}: no such folder")
        self.tags: Tags = read_tags(tables)
        self.folder = None if images is None else images.resolve()
        self.limits = limits or ImageLimits()
        self.sealed = Sealed()
        self.thumbnails = _Cache(_CACHED_BYTES)
        self._decoding = threading.BoundedSemaphore(_DECODED_AT_ONCE)

    @property
    def has_films(self) -> bool:
        """Whether rows are moments of films."""
        return set(FILM_COLUMNS) <= set(self.tags.kinds)

    def file_of(self, path: str) -> Path:
        """Return the file of a path in the tables.

        Raises:
            Refusal: 404: it is not there, or not in the folder of images.
        """
        try:
            found = self.tags.file_of(path) if self.folder is None else self.folder / path
            file = found.resolve()
            outside = self.folder is not None and not file.is_relative_to(self.folder)
            if file.is_file() and not outside:
                return file
        except (OSError, ValueError):  # a name that no file can have
            pass
        raise Refusal(404, "the file of this image is not here")

    def _is_here(self, path: str) -> bool:
        try:
            self.file_of(path)
        except Refusal:
            return False
        return True

    def thumbnail(self, path: str, side: int) -> bytes:
        """Return the thumbnail of an image: a WebP.

        Raises:
            Refusal: 404: it is not there; 422: it cannot be read.
        """
        file = self.file_of(path)
        key = (str(file), file.stat().st_mtime_ns, side)
        kept = self.thumbnails.get(key)
        if kept is None:
            try:
                with self._decoding:
                    picture = open_picture(file, min_size=(side, side), limits=self.limits)
                    kept = thumbnail(picture.image, side)
            except ImageError as error:
                raise Refusal(422, error.cause) from error
            self.thumbnails.put(key, kept)
        return kept

    def describe(self) -> dict[str, Any]:
        """Return what the page has to know of the collection."""
        tags = self.tags
        return {
            "source": tags.source,
            "images": len(tags),
            "labels": list(tags.labels),
            "columns": dict(tags.kinds),
            "made_by": [{"model": model, "prior": prior} for model, prior in tags.made_by()],
            "films": self._films() if self.has_films else None,
        }

    def _films(self) -> list[str]:
        rows = self.tags.rows(f"SELECT DISTINCT path FROM {{tags}} WHERE {self.tags.predicted}")
        return sorted(row["path"] for row in rows)

    def page(
        self, expression: str, order: str | None, like: str | None, offset: int, limit: int
    ) -> dict[str, Any]:
        """Return some images for which an expression is true.

        Returns:
            ``total``, the number of all of them; ``images``; and ``mistake``: a line on what is
            wrong with the expression, since someone who types one is no broken client.

        Raises:
            Refusal: 400: no such order; 404: no such example.
        """
        try:
            found = find(self.tags, expression, order=self._order(order, like), limit=limit)
        except ExpressionError as error:
            return {"total": 0, "images": [], "mistake": str(error)}
        except UnknownOrderError as error:
            raise Refusal(400, str(error)) from error
        rows = replace(found, offset=offset)
        images = [self._answer(row) for row in rows]
        return {"total": len(found), "images": images, "mistake": None}

    def _order(self, order: str | None, like: str | None) -> Order | None:
        if like is not None:
            example = Example(like, self._sha256(like))
            distribution = distribution_of(self.tags, example)
            if distribution is None:
                raise Refusal(404, "no such image in this collection")
            return like_in_emotion(example, distribution)
        if order == DIVIDED:
            return most_divided(self.tags)
        return most(self.tags, order) if order else None

    def _sha256(self, path: str) -> str:
        rows = self.tags.rows("SELECT sha256 FROM {tags} WHERE path = ? LIMIT 1", (path,))
        return next((row["sha256"] or "" for row in rows), "")

    def _answer(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row as a prediction, with the addresses of its thumbnails."""
        path = row["path"] or ""
        predicted = row_prediction(row, self.tags.labels)
        if isinstance(predicted, ImageError):
            answer: dict[str, Any] = {"path": path, "error": predicted.cause}
        else:
            # The scale of valence and arousal is not in a table.
            answer = {**predicted.to_dict(), "affect": _affect(predicted), "error": None}
            answer["prediction_set"] = answer["prediction_set"] or [predicted.emotion]
        answer["similarity"] = row.get("similarity")
        if not self.has_films:
            here = not answer["error"] and self._is_here(path)
            answer["thumbnail"] = self.sealed.address("thumbnail", path) if here else None
        else:
            answer |= {"film": path, "time": row["time"]}
        return answer


def _affect(predicted: Prediction) -> dict[str, float] | None:
    if predicted.affect is None:
        return None
    valence, arousal = predicted.affect
    return {"valence": valence, "arousal": arousal}


class _Cache:
    """The bytes that were used last, up to a total size; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()
        self._items: OrderedDict[object, bytes] = OrderedDict()

    def get(self, key: object) -> bytes | None:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: object, value: bytes) -> None:
        with self._lock:
            self._held += len(value) - len(self._items.pop(key, b""))
            self._items[key] = value
            while self._held > self._most:
                self._held -= len(self._items.popitem(last=False)[1])


def router(collection: Collection) -> APIRouter:
    """Return the routes of a collection, for an application behind the guard.

    Args:
        collection: its tables and files.
    """
    routes = APIRouter(tags=["collection"])

    @routes.get(PREFIX, summary="What the collection holds")
    def describe() -> Response:
        return json_response(collection.describe())

    @routes.get(f"{PREFIX}/images", summary="Images for which an expression is true")
    def images(
        expression: str = Query("", max_length=10_000, description="As evoca find takes it."),
        order: str | None = Query(
            None,
            description="An emotion, polarity, valence, arousal (largest first) or divided.",
        ),
        like: str | None = Query(None, description="Path of an image: the most similar first."),
        offset: int = Query(0, ge=0, le=10**9),
        limit: int = Query(60, ge=1, le=200),
    ) -> Response:
        return json_response(collection.page(expression, order, like, offset, limit))

    @routes.get(f"{PREFIX}/film", summary="The timeline of a film")
    def film(path: str) -> Response:
        if not collection.has_films:
            raise Refusal(404, "this collection has no films")
        timeline = film_timeline(collection.tags, path)
        return json_response(timeline | {"address": collection.sealed.address("film", path)})

    @routes.get(f"{FILES}/thumbnail", summary="A small copy of an image", response_class=Response)
    def small(
        path: str,
        seal: str,
        side: int = Query(_SMALL, ge=16, le=_LARGE, description="The longer one, in pixels."),
    ) -> Response:
        collection.sealed.require("thumbnail", path, seal)
        return Response(collection.thumbnail(path, side), headers=_KEPT, media_type="image/webp")

    @routes.get(f"{FILES}/film", summary="The file of a film", response_class=Response)
    def film_file(path: str, seal: str) -> Response:
        collection.sealed.require("film", path, seal)
        file = collection.file_of(path)
        return FileResponse(file, media_type=media_type(file), headers=_KEPT)

    return routes
