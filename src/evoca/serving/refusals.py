"""Requests that are refused: a status, and an error in one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

from evoca.errors import single_line, visible_json

__all__ = ["Refusal", "error_response", "json_response", "too_late"]


class Refusal(Exception):  # noqa: N818 - not an error of the program
    """A request that is refused.

    Attributes:
        status: of HTTP.
        cause: one line for the client.
        retry_after: seconds to wait before another attempt; ``None`` where none would help.
        headers: more of the response.
    """

    def __init__(
        self,
        status: int,
        cause: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(cause)
        self.status, self.cause, self.retry_after = status, cause, retry_after
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def response(self) -> Response:
        """Return the response that says so."""
        return error_response(self.status, self.cause, self.headers)


def too_late() -> Refusal:
    """Return the refusal of a request whose time is over."""
    return Refusal(503, "it took longer than a request may: try again later", retry_after=1)


def error_response(status: int, cause: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with an error in one line."""
    return json_response({"error": single_line(cause)}, status, headers)


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response of JSON, whose texts cannot steer a terminal that prints it."""
    text = visible_json(json.dumps(content, ensure_ascii=False, allow_nan=False))
    # What no encoding can carry is escaped: half a pair of UTF-16 in a name.
    data = text.encode("utf-8", "backslashreplace")
    return Response(data, status, headers, media_type="application/json")
