"""A server of pictures that misbehaves when told to, and the pictures: fixtures to import."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def make_picture(seed: int, size: tuple[int, int] = (256, 192)) -> Image.Image:
    """Make the n-th of many different pictures with the large shapes of a photograph."""
    colours = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    return make_picture


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """Encode the n-th picture."""

    def encode(seed: int, kind: str = "JPEG", size: tuple[int, int] = (256, 192)) -> bytes:
        buffer = io.BytesIO()
        make_picture(seed, size).save(buffer, kind)
        return buffer.getvalue()

    return encode


@pytest.fixture(scope="session")
def shared_photos() -> list[Path]:
    """Real photographs, where the research data lie beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    photos = sorted([*folder.glob("fi/*/*.jpg"), *folder.glob("oasis/images/*.jpg")])
    if not photos:
        pytest.skip("needs the research photographs in ../shared/data")
    return photos


@dataclass
class Page:
    """What lies at a path, and how the server misbehaves when asked for it.

    Attributes:
        data: the content.
        acts: one a request, in order; when they are used up, the server behaves.
        etag: sent where it is not empty.
        ranges: whether parts can be asked for.
    """

    data: bytes = b""
    acts: list[Callable[[Handler, Page], None]] = field(default_factory=list)
    etag: str = ""
    ranges: bool = True


@dataclass
class Request:
    """A line of the server's log; ``sent`` counts the bytes of the body."""

    path: str
    start: int
    conditional: bool
    status: int = 0
    sent: int = 0
    at: float = field(default_factory=time.monotonic)


class Site:
    """A real web server on 127.0.0.1, with its log."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.log: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.release = threading.Event()
        handler = type("BoundHandler", (Handler,), {"site": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, path: str, data: bytes = b"", *acts: Callable[..., None], **more: object) -> str:
        etag = f'"{hashlib.sha256(data).hexdigest()[:8]}"' if data else ""
        self.pages[path] = Page(data, list(acts), **{"etag": etag, **more})
        return self.url + path

    def requests(self, path: str) -> list[Request]:
        return [request for request in self.log if request.path == path]

    def sent(self, path: str) -> int:
        return sum(request.sent for request in self.requests(path))


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        conditional = "If-None-Match" in self.headers or "If-Modified-Since" in self.headers
        self.entry = Request(self.path, int(start[1]) if start else 0, conditional)
        with self.site.lock:
            self.site.log.append(self.entry)
            self.site.at_once += 1
            self.site.most_at_once = max(self.site.most_at_once, self.site.at_once)
            page = self.site.pages.get(self.path)
            act = page.acts.pop(0) if page and page.acts else behave
        try:
            if page is None:
                self.answer(404, b"nothing here")
            else:
                act(self, page)
        except OSError:
            self.close_connection = True
        finally:
            with self.site.lock:
                self.site.at_once -= 1

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send an answer; ``headers`` may say anything about the body."""
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        self.entry.status = status
        self.send_response(status)
        for name, value in headers.items():
            if value or name == "Content-Encoding":
                self.send_header(name, value)
        self.end_headers()
        self.body(body)

    def body(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.entry.sent += len(data)

    def log_message(self, *_: object) -> None:
        pass


def behave(handler: Handler, page: Page) -> None:
    """Answer as a good server does: parts and conditions included."""
    headers = {"ETag": page.etag, "Content-Type": "image/jpeg"}
    asked = handler.headers
    if page.etag and asked.get("If-None-Match") == page.etag:
        handler.answer(304, b"", headers)
        return
    start = handler.entry.start if page.ranges else 0
    if asked.get("If-Range", page.etag) != page.etag:
        start = 0
    size = len(page.data)
    if start >= size > 0:
        handler.answer(416, b"", headers | {"Content-Range": f"bytes */{size}"})
    elif start:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        handler.answer(206, page.data[start:], headers)
    else:
        handler.answer(200, page.data, headers)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    threading.Thread(target=site.server.serve_forever, args=(0.02,), daemon=True).start()
    yield site
    site.release.set()
    site.server.shutdown()
    site.server.server_close()


class Acts:
    """Ways to misbehave."""

    behave = staticmethod(behave)

    @staticmethod
    def status(code: int, **headers: str) -> Callable[..., None]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda handler, page: handler.answer(code, b"no", fields)

    @staticmethod
    def redirect(location: str, code: int = 302) -> Callable[..., None]:
        return lambda handler, page: handler.answer(code, b"", {"Location": location})

    @staticmethod
    def say(headers: dict[str, str], status: int = 200) -> Callable[..., None]:
        """Send the content with headers that may be untrue."""
        return lambda handler, page: handler.answer(status, page.data, headers)

    @staticmethod
    def drop(handler: Handler, page: Page) -> None:
        """Close the connection without a word."""
        handler.close_connection = True

    @staticmethod
    def die_after(count: int, *, stall: bool = False) -> Callable[..., None]:
        """Send the first bytes, then close the connection, or keep it open in silence."""

        def act(handler: Handler, page: Page) -> None:
            start = handler.entry.start
            part = page.data[start : start + count]
            size = len(page.data)
            headers = {"Content-Length": str(size - start), "ETag": page.etag}
            if start:
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            handler.answer(206 if start else 200, part, headers)
            if stall:
                handler.site.release.wait(20)
            handler.close_connection = True

        return act

    @staticmethod
    def without_length(count: int | None = None) -> Callable[..., None]:
        """Mark the end of the body by closing the connection, perhaps too early."""

        def act(handler: Handler, page: Page) -> None:
            handler.close_connection = True
            handler.answer(200, page.data[:count], {"Content-Length": "", "Connection": "close"})

        return act

    @staticmethod
    def drip(seconds: float) -> Callable[..., None]:
        """Send byte after byte, each in time, for ever."""

        def act(handler: Handler, page: Page) -> None:
            handler.answer(200, b"", {"Content-Length": str(len(page.data))})
            for byte in page.data:
                if handler.site.release.is_set():
                    break
                handler.body(bytes([byte]))
                time.sleep(seconds)

        return act

    @staticmethod
    def endless(handler: Handler, page: Page) -> None:
        """Send more than any limit, in chunks."""
        handler.entry.status = 200
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        block = b"x" * 65536
        while not handler.site.release.is_set():
            handler.wfile.write(b"%x\r\n" % len(block) + block + b"\r\n")
            handler.entry.sent += len(block)


@pytest.fixture(scope="session")
def acts() -> type[Acts]:
    return Acts
