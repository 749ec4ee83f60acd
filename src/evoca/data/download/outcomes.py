"""The outcome of a link."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FetchError", "Outcome", "Reason", "Status"]


class Status(StrEnum):
    """The status of a link.

    ``done``: the file is there. ``dead``: not tried again. ``failed``: the next
    run tries again. ``waiting``: not tried yet.
    """

    WAITING = "waiting"
    STORING = "storing"
    DONE = "done"
    DEAD = "dead"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a link gave no image."""

    GONE = "gone"
    FORBIDDEN = "forbidden"
    HTTP_ERROR = "http error"
    PLACEHOLDER = "placeholder"
    NOT_AN_IMAGE = "not an image"
    DAMAGED = "damaged"
    TOO_LARGE = "too large"
    NO_AI = "not for AI"
    BAD_NAME = "bad file name"
    BAD_RESPONSE = "bad answer"
    BAD_REDIRECT = "bad redirect"
    ADDRESS_REFUSED = "address refused"
    NAME_NOT_FOUND = "name not found"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server error"
    HOST_DOWN = "host down"

    @property
    def status(self) -> Status:
        """``failed`` where a later run may do better, else ``dead``."""
        return Status.FAILED if self in _PASSING | _OURS else Status.DEAD

    @property
    def worth_retrying(self) -> bool:
        """Whether trying again within the same run makes sense."""
        return self in _PASSING - {Reason.HOST_DOWN}

    @property
    def blames_host(self) -> bool:
        """Whether the host as a whole seems unreachable."""
        return self in {Reason.NAME_NOT_FOUND, Reason.CONNECTION, Reason.TIMEOUT}


_PASSING = frozenset(
    {
        Reason.NAME_NOT_FOUND,
        Reason.CONNECTION,
        Reason.TIMEOUT,
        Reason.SERVER_ERROR,
        Reason.HOST_DOWN,
    }
)


# Reasons that another setting, or a newer list of ours, may remove.
_OURS = frozenset({Reason.ADDRESS_REFUSED, Reason.NO_AI, Reason.BAD_NAME})


class FetchError(Exception):
    """One attempt at a link gave no image.

    Attributes:
        reason: the kind of failure.
        detail: one line with more.
        http_status: the server's status, where there was one.
        retry_after: seconds to wait that the server states, if any.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.http_status = http_status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Outcome:
    """The outcome of one link.

    Attributes:
        url: the link.
        status: of the link.
        image: path of the file, relative to the download folder; empty unless done.
        sha256: of the file, hexadecimal.
        width: in pixels, upright.
        height: in pixels, upright.
        size: of the file in bytes.
        reason: why there is no file; ``None`` where there is one.
        detail: one line with more.
        http_status: the server's last status, where there was one.
    """

    url: str
    status: Status
    image: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    reason: Reason | None = None
    detail: str = ""
    http_status: int | None = None
