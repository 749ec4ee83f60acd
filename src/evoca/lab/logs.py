"""Keep the log messages of libraries out of the output of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_loggers"]


@contextmanager
def quiet_loggers(*names: str, level: int = logging.ERROR) -> Iterator[None]:
    """Silence loggers below a level; their own levels are restored afterwards.

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
