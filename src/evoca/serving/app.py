"""The application: the routes behind the guard, for any ASGI server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from evoca import __version__
from evoca.serving.guard import Guard
from evoca.serving.page_routes import page_router
from evoca.serving.refusals import Refusal
from evoca.serving.routes import api_router, health_router
from evoca.serving.service import Service
from evoca.serving.settings import ServeSettings

__all__ = ["create_app"]

_DESCRIPTION = (
    "Which emotions does an image evoke in its viewers? Images are computed in memory and not "
    "kept. Predictions are of groups of viewers, not of one person, and say nothing about what "
    "people in a picture feel."
)
_NOT_FOUND = {404: "there is nothing here", 405: "this method is not taken here"}


def create_app(settings: ServeSettings | None = None) -> FastAPI:
    """Return the application, with the model loaded.

    Its processes and threads start and end with it. There are no interactive pages of the
    description, since they load scripts from other servers; ``/openapi.json`` has it.

    Args:
        settings: of the server.

    Raises:
        EvocaError: model, engine, prior or keys cannot be had.
    """
    service = Service(settings or ServeSettings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(service.open)
        yield
        await anyio.to_thread.run_sync(service.close)

    app = FastAPI(
        title="Evoca",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(Guard, service=service)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(RequestValidationError, _refuse_invalid)
    app.include_router(api_router(service))
    app.include_router(health_router(service))
    _add_pages(app, service.settings)
    return app


def _add_pages(app: FastAPI, settings: ServeSettings) -> None:
    """Add the page, and the collection that its second tab shows."""
    if settings.collection:
        from evoca.serving.gallery import Collection, router

        collection = Collection(settings.collection, settings.images, settings.image_limits)
        app.include_router(router(collection))
    app.include_router(page_router(has_collection=bool(settings.collection)))


async def _refuse_http(_: Request, error: Exception) -> NoReturn:
    """Pass what the framework refuses on to the guard, as an error in one line."""
    assert isinstance(error, HTTPException)
    cause = _NOT_FOUND.get(error.status_code, str(error.detail))
    raise Refusal(error.status_code, cause, headers=error.headers)


async def _refuse_invalid(_: Request, error: Exception) -> NoReturn:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    raise Refusal(422, f"{place}: {first['msg']}")
