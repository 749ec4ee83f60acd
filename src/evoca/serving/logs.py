"""Structured logs: one JSON object a line on standard error.

They hold neither images nor names of files nor keys: of a client, the name of its key or its
address; of a request, its route.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

__all__ = ["LOGGER", "log", "log_to_stderr"]

LOGGER = logging.getLogger("evoca.serving")
"""The log of a server."""
# What it logs is in our own lines, or is of no use to who runs a server.
_FOREIGN = ("uvicorn.error", "asyncio")


def log(event: str, level: int = logging.INFO, **facts: object) -> None:
    """Log an event with facts about it."""
    LOGGER.log(level, event, extra={"facts": facts}, exc_info=facts.pop("exc_info", None))  # type: ignore[arg-type]


class _AsJson(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}"
            f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to_stderr() -> None:
    """Write the logs of the server, and warnings of what it stands on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    for name, level in ((LOGGER.name, logging.INFO), *((n, logging.WARNING) for n in _FOREIGN)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
