"""What libraries say about themselves, kept out of the way of what a run says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_loggers"]


@contextmanager
def quiet_loggers(*names: str, level: int = logging.ERROR) -> Iterator[None]:
    """Let loggers say nothing below a level; what was set for them comes back.

    >>> with quiet_loggers("some.library"):
    ...     logging.getLogger("some.library").isEnabledFor(logging.WARNING)
    False
    >>> logging.getLogger("some.library").isEnabledFor(logging.WARNING)
    True
    """
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, own in zip(loggers, before, strict=True):
            logger.setLevel(own)
