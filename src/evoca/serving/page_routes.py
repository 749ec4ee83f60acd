"""The page at ``/`` of the server."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from evoca.serving.static_page import PAGE

__all__ = ["page_router"]

_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
# What computes in the browser is of no use where a server does.
_WITHOUT = ("vendor", "service-worker.js", "scripts/worker.js", "scripts/images")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_COLLECTION = 'data-collection="no"'


def page_router(*, has_collection: bool = False) -> APIRouter:
    """Return the routes of the page's files, each by its own name: no other path is read.

    Args:
        has_collection: whether the page has a tab for the collection of
            :func:`evoca.serving.gallery.router`.
    """
    routes = APIRouter(include_in_schema=False)
    for name, content in _files(has_collection).items():
        routes.add_api_route(
            "/" if name == "index.html" else f"/{name}",
            _answering(content, _KINDS[Path(name).suffix]),
            methods=["GET", "HEAD"],
        )
    return routes


def _files(has_collection: bool) -> dict[str, bytes]:
    found = {}
    for path in sorted(PAGE.rglob("*")):
        name = path.relative_to(PAGE).as_posix()
        left_out = any(name == one or name.startswith(f"{one}/") for one in _WITHOUT)
        if path.suffix in _KINDS and not left_out:
            found[name] = path.read_bytes()
    if has_collection:
        index = found["index.html"].decode("utf-8")
        assert index.count(_COLLECTION) == 1  # else the tab would stay hidden
        found["index.html"] = index.replace(_COLLECTION, 'data-collection="yes"').encode("utf-8")
    return found


def _answering(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the answer to requests for a file: with the content, or that it has not changed."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag, "Content-Security-Policy": _POLICY}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    return answer
