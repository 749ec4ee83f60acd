"""The routes of the HTTP API."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import Field, ValidationError, create_model
from starlette.responses import Response

from evoca.errors import ImageError
from evoca.serving.batching import Computed
from evoca.serving.guard import Exchange, exchange_of
from evoca.serving.refusals import Refusal, json_response
from evoca.serving.schemas import EvidenceWanted, Model, Problem, Result, Status, UrlList
from evoca.serving.service import Service, Upload
from evoca.serving.uploads import FIELD, read_uploads
from evoca.strict import Strict, place_and_reason

__all__ = ["api_router", "health_router"]

_FETCHED_AT_ONCE = 4
_BINARY = {"type": "string", "format": "binary", "minLength": 1}
_IMAGES = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {FIELD: {"type": "array", "items": _BINARY, "minItems": 1}},
                    "required": [FIELD],
                    "additionalProperties": False,
                },
            },
            "application/octet-stream": {"schema": _BINARY},
            "image/*": {"schema": _BINARY},
        },
    }
}
_CAUSES = {
    400: "The request is damaged, or its Host is not served here",
    401: "An API key is needed",
    403: "Sent by a page of another site",
    408: "The body came too slowly",
    413: "Too many bytes or images",
    415: "The body is of another type",
    429: "Too much of this client is under way: wait as Retry-After says",
    503: "The server is full, or is being stopped: wait as Retry-After says",
}
_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of responses with an error in one line."""
    return {
        status: {
            "model": Problem,
            "description": _CAUSES[status],
            **({"headers": _RETRY} if status in (429, 503) else {}),
        }
        for status in statuses
    }


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": list[Result],
        "description": "One object per image, in order; those that cannot be read have an error",
    },
    422: {
        "model": list[Result] | Problem,
        "description": "No image can be read, or the request is not as described",
    },
    **_problems(*_CAUSES),
}


def health_router(service: Service) -> APIRouter:
    """Return the routes that say how the server is."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the server lives", response_model=Status)
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @router.get(
        "/readyz",
        summary="Whether it takes requests",
        response_model=Status,
        responses=_problems(503),
    )
    async def readyz() -> Response:
        if not service.is_ready:
            raise Refusal(503, "the server is being stopped, or starts", retry_after=1)
        return json_response({"status": "ready"})

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **_problems(401)},
    )
    async def metrics() -> Response:
        return service.metrics.response()

    return router


def api_router(service: Service) -> APIRouter:
    """Return the routes that predict."""
    router = APIRouter(prefix="/v1", tags=["predictions"], dependencies=_described_key(service))
    options = _options(service)

    @router.get(
        "/models",
        summary="The models that are loaded",
        response_model=list[Model],
        responses=_problems(401, 503),
    )
    async def models() -> Response:
        return json_response(service.models)

    @router.post(
        "/predict",
        summary="Predict which emotions images evoke",
        response_model=list[Result],
        responses=_ANSWERS,
        openapi_extra=_IMAGES,
    )
    async def predict(request: Request, query: Annotated[options, Query()]) -> Response:  # type: ignore[valid-type]
        exchange = exchange_of(request.scope)
        service.admission.require_room(exchange.client)  # before its body is read
        settings = service.settings
        uploads = await read_uploads(
            request.headers,
            exchange.body(),
            max_files=settings.max_files,
            max_bytes=settings.max_request_bytes,
        )
        exchange.images = len(uploads)
        with service.admission.admitted(exchange.client, len(uploads)):
            outcomes = await exchange.while_waited(service.compute(uploads, exchange.deadline))
        return _response(service, uploads, outcomes, query)

    if service.settings.allow_urls:
        _add_urls(router, service, options)
    return router


def _described_key(service: Service) -> list[Any]:
    """Return what describes that routes need a key; the guard is what refuses."""
    if service.keys is None:
        return []
    return [Security(HTTPBearer(auto_error=False, description="A key of --api-keys"))]


def _response(
    service: Service, uploads: list[Upload], outcomes: list[Computed | ImageError], query: Any
) -> Response:
    """Return the answer: 200, or 422 where no image at all can be read."""
    answers = service.answers(uploads, outcomes, query.prior, query.evidence)
    lost = all(isinstance(outcome, ImageError) for outcome in outcomes)
    return json_response(answers, 422 if lost else 200)


def _options(service: Service) -> type[Strict]:
    """Return what the query of a prediction may have; another key is an error."""
    priors: Any = Literal[tuple(service.points)] | None
    prior = Field(
        default=None,
        description="Class frequencies to predict for; the default of the server if omitted.",
    )
    evidence = Field(default="none", description="Evidence maps to return.")
    return create_model(
        "PredictOptions",
        __base__=Strict,
        prior=(priors, prior),
        evidence=(EvidenceWanted, evidence),
    )


def _add_urls(router: APIRouter, service: Service, options: type[Strict]) -> None:
    from evoca.data.download import AddressPolicy
    from evoca.data.download.single import receive_bytes

    policy = AddressPolicy.of(service.settings.networks)

    @router.post(
        "/predict-url",
        summary="Predict for images at addresses",
        response_model=list[Result],
        responses=_ANSWERS,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": UrlList.model_json_schema()}},
            }
        },
    )
    async def predict_url(request: Request, query: Annotated[options, Query()]) -> Response:  # type: ignore[valid-type]
        exchange = exchange_of(request.scope)
        service.admission.require_room(exchange.client)
        urls = await _url_list(request, exchange, service.settings.max_files)
        fetching = asyncio.Semaphore(_FETCHED_AT_ONCE)

        async def fetched(url: str) -> Upload:
            async with fetching:
                try:
                    limits = service.settings.image_limits
                    return Upload(url, await receive_bytes(url, limits=limits, addresses=policy))
                except ImageError as error:
                    return Upload(url, error)

        async def predicted(urls: list[str]) -> Response:
            uploads = await asyncio.gather(*map(fetched, urls))
            outcomes = await service.compute(uploads, exchange.deadline)
            return _response(service, uploads, outcomes, query)

        exchange.images = len(urls)
        with service.admission.admitted(exchange.client, len(urls)):
            return await exchange.while_waited(predicted(urls))


async def _url_list(request: Request, exchange: Exchange, max_urls: int) -> list[str]:
    """Return the addresses in a request's body.

    Raises:
        Refusal: 415 for another type, 422 for what is no list of addresses, 413 for too many.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, f"{kind or 'no content type'}: send application/json")
    body = b"".join([part async for part in exchange.body()])
    try:
        urls = UrlList.model_validate_json(body).urls
    except ValidationError as error:
        raise Refusal(422, place_and_reason(error, "the body")) from error
    if len(urls) > max_urls:
        raise Refusal(413, f"more than {max_urls} addresses: send them in several requests")
    return urls
