"""Requests to the hubs of pretrained weights: logged once, with a short wait."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache

from huggingface_hub import constants, get_session

from evoca.errors import MissingExtraError, first_line
from evoca.lab.logs import quiet_loggers

__all__ = ["HubError", "asking_hub"]

_ANSWER_SECONDS = 10.0
_STALL_SECONDS = 30.0  # of a download that has begun

_LOGGER = logging.getLogger("evoca.hub")


class HubError(Exception):
    """The requested files cannot be had; the text is the reason, on one line."""


@contextmanager
def asking_hub(what: str, host: str | None = None) -> Iterator[None]:
    """Let the clients of hubs fetch something, or find it in their caches.

    Without this, they retry an unreachable hub for minutes and without a message. So it is
    tried once; where it is unreachable, only local files count.

    Args:
        what: is fetched; logged once, by the logger ``evoca.hub``.
        host: of the hub, as the beginning of an address; that of Hugging Face if omitted.

    Raises:
        HubError: it cannot be had.
        MissingExtraError: passed on.
    """
    _tell(what)
    silence = None if constants.HF_HUB_OFFLINE else _silence(host or constants.ENDPOINT)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALL_SECONDS)  # torchvision sets none of its own
    # open_clip logs by the root logger; torchvision prints where results are printed.
    hushed = quiet_loggers("huggingface_hub", "timm", "root", level=logging.CRITICAL)
    try:
        with hushed, redirect_stdout(sys.stderr), _offline(silence is not None):
            yield
    except MissingExtraError:
        raise
    except Exception as error:  # each client raises a family of its own
        raise HubError(silence or first_line(error)) from error
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _offline(requested: bool) -> Iterator[None]:
    """Let the hub's client use its cache alone; it reads this setting at every call."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or requested
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@cache
def _tell(what: str) -> None:
    _LOGGER.info("fetching %s, unless here already", what)


def _silence(endpoint: str) -> str | None:
    """Return why a hub cannot be reached; ``None`` after any response."""
    try:
        get_session().head(endpoint, timeout=_ANSWER_SECONDS)
    except Exception as error:  # the client's families differ from release to release
        return f"{endpoint} does not answer: {first_line(error)}"
    return None
