"""The review page's server: for people at this machine only.

Other web pages in the reviewer's browser must neither read the candidates nor vote. So
the server binds to 127.0.0.1; it serves only below a path that holds a random key, and
only requests whose Host names this machine, which ends DNS rebinding; a vote must be JSON
from the page itself, which another site cannot send without being asked first; and the
page runs no script but its own. Images are decoded and encoded anew, so no file from
elsewhere and no location data reach the browser; they are decoded in processes of their own,
which are ended where a picture takes more time or memory than a photograph.
"""

from __future__ import annotations

import io
import json
import secrets
import sys
from functools import lru_cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from evoca.data.collect.store import Question, ReviewStore, Verdict, checked_annotator
from evoca.emotions import MIKELS8, POSITIVE, style_of
from evoca.errors import DataError, ImageError
from evoca.images import ImageLimits
from evoca.images.isolated import DecodingPool
from evoca.images.sources import read_file

__all__ = ["ReviewServer"]

_LARGEST_SIDE = 1600
_MAX_BODY = 4096
_IDLE_S = 30.0
# The page requests a picture and the next one; a second window can do so at the same time.
_DECODERS = 3


class ReviewServer(ThreadingHTTPServer):
    """Serves the review page on 127.0.0.1; closing it ends its decoding processes.

    Args:
        store: the questions and votes.
        port: 0 for any free one.

    Raises:
        DataError: the port cannot be used.

    Attributes:
        url: the page's address, with its key.
    """

    daemon_threads = True

    def __init__(self, store: ReviewStore, port: int = 0) -> None:
        self.store = store
        self.key = secrets.token_urlsafe(16)
        self.decoder = DecodingPool(_DECODERS)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise DataError(f"port {port} cannot be used: {error.strerror}") from error
        self.hosts = {f"127.0.0.1:{self.server_port}", f"localhost:{self.server_port}"}
        self.url = f"http://127.0.0.1:{self.server_port}/{self.key}/"
        self.picture = lru_cache(maxsize=32)(partial(_picture, self.decoder))

    def server_close(self) -> None:
        """Close the port, and end the processes that decode."""
        super().server_close()
        self.decoder.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Report an error, unless the browser closed the connection."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Refusal(Exception):  # noqa: N818 - not an error of the program
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "Evoca"
    sys_version = ""
    timeout = _IDLE_S

    def do_GET(self) -> None:
        self._handle({"": self._page, "state": self._state, "image": self._image})

    def do_POST(self) -> None:
        self._handle({"vote": self._vote, "undo": self._undo})

    def _handle(self, routes: dict[str, Any]) -> None:
        try:
            address = urlsplit(self.path)
            route, argument = self._route(address.path)
            self._require_own_page()
            if route not in routes:
                raise _Refusal(HTTPStatus.NOT_FOUND, "there is nothing here")
            routes[route](argument, parse_qs(address.query))
        except _Refusal as refusal:
            self._refuse(refusal.status, str(refusal))
        except (DataError, ImageError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))

    def _route(self, path: str) -> tuple[str, str]:
        """Return route and argument of ``/KEY/ROUTE/ARGUMENT``; without the key, nothing."""
        key, _, rest = path.removeprefix("/").partition("/")
        if not secrets.compare_digest(key.encode(), self.server.key.encode()):
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is nothing here")
        route, _, argument = rest.partition("/")
        return route, argument

    def _require_own_page(self) -> None:
        headers = self.headers
        origin = headers.get("Origin")
        hosts = self.server.hosts
        foreign = (
            headers.get("Host") not in hosts
            or headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}
            or (origin is not None and origin.removeprefix("http://") not in hosts)
        )
        if foreign:
            raise _Refusal(HTTPStatus.FORBIDDEN, "only the review page itself may ask")

    def _page(self, _: str, __: dict[str, list[str]]) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        self._send(
            _page_text(nonce).encode(),
            "text/html; charset=utf-8",
            {"Content-Security-Policy": policy},
        )

    def _state(self, _: str, query: dict[str, list[str]]) -> None:
        self._send_state(checked_annotator(query.get("annotator", [""])[0]))

    def _image(self, argument: str, _: dict[str, list[str]]) -> None:
        number = int(argument) if argument.isdecimal() and len(argument) < 10 else 0
        question = self.server.store.question(number)
        if question is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, "there is no such image")
        found = self.server.picture(str(question.path))
        if isinstance(found, str):
            raise ImageError(found)
        self._send(found, "image/jpeg", {"Cache-Control": "private, max-age=3600"})

    def _vote(self, _: str, __: dict[str, list[str]]) -> None:
        body = self._body()
        annotator = checked_annotator(str(body.get("annotator", "")))
        number, verdict = body.get("question"), body.get("verdict")
        known = isinstance(verdict, str) and verdict in set(Verdict)
        if not known or not isinstance(number, int) or not 0 < number < 10**9:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "a vote has a question and a verdict")
        self.server.store.vote(number, annotator, Verdict(str(verdict)))
        self._send_state(annotator)

    def _undo(self, _: str, __: dict[str, list[str]]) -> None:
        annotator = checked_annotator(str(self._body().get("annotator", "")))
        self._send_state(annotator, first=self.server.store.undo(annotator))

    def _body(self) -> dict[str, Any]:
        # A form of another site can send text, but not this type.
        if self.headers.get("Content-Type") != "application/json":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY:
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too much")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "not JSON") from error
        if not isinstance(body, dict):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "send an object")
        return body

    def _send_state(self, annotator: str, first: Question | None = None) -> None:
        """Send the next questions of a reviewer, and how far the reviewer has come."""
        questions = self.server.store.open_questions(annotator)
        if first is not None:
            questions = [first, *(q for q in questions if q.id != first.id)]
        counts, total = self.server.store.progress(annotator)
        state = {
            "annotator": annotator,
            "questions": [{"id": q.id, "emotion": q.emotion} for q in questions[:2]],
            "answered": counts.total(),
            "accepted": counts[Verdict.ACCEPT],
            "rejected": counts[Verdict.REJECT],
            "skipped": counts[Verdict.SKIP],
            "total": total,
        }
        self._send(json.dumps(state).encode(), "application/json", {"Cache-Control": "no-store"})

    def _send(self, data: bytes, kind: str, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _refuse(self, status: int, message: str) -> None:
        # What was sent along is not read: the connection is of no more use.
        self.close_connection = True
        self._send(message.encode(), "text/plain; charset=utf-8", {"Connection": "close"}, status)

    def log_message(self, *_: object) -> None:
        """Write no log: it would hold the key."""


def _page_text(nonce: str) -> str:
    styles = {
        emotion: {
            "colour": style_of(emotion).colour,
            "glyph": style_of(emotion).glyph,
            "positive": emotion in POSITIVE,
        }
        for emotion in MIKELS8
    }
    page = (resources.files(__package__) / "page.html").read_text(encoding="utf-8")
    return page.replace("{{nonce}}", nonce).replace("{{emotions}}", json.dumps(styles))


def _picture(decoder: DecodingPool, path: str) -> bytes | str:
    """Return a picture, decoded and encoded anew, no larger than a screen needs.

    Returns:
        A JPEG, or why the picture cannot be decoded; this may take long to find, and is
        cached like a picture.

    Raises:
        ImageError: the file has gone or cannot be read.
    """
    limits = ImageLimits()
    data = read_file(Path(path), limits)
    try:
        decoded = decoder.decode(data, min_size=(_LARGEST_SIDE, _LARGEST_SIDE), limits=limits)
    except ImageError as error:
        return error.cause
    image = decoded.image
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
