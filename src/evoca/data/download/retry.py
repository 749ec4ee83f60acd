"""When to try again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["Backoff", "parse_date", "parse_retry_after"]


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with jitter, so that many clients do not return at once.

    Attributes:
        first: seconds before the first repetition; doubled for each further one.
        longest: seconds, the most to wait of one's own accord.
        patience: seconds, the most to wait on a server's word (Retry-After).
    """

    first: float = 1.0
    longest: float = 60.0
    patience: float = 300.0

    def delay(self, attempts: int, asked: float | None = None) -> float | None:
        """Return the seconds to wait, or ``None`` where the server asks for too long.

        Args:
            attempts: how many attempts were made, at least 1.
            asked: seconds that the server asks to wait, where it does.
        """
        own = min(self.first * 2.0 ** (attempts - 1), self.longest)
        own *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        if asked is None:
            return own
        return None if asked > self.patience else max(own, asked)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read the header Retry-After (RFC 9110, 10.2.3): seconds, or a date.

    Args:
        value: the header; ``None`` where there is none.
        now: the present, for tests.

    Returns:
        Seconds from now, at least 0; ``None`` where the header is absent or unreadable.

    >>> parse_retry_after("120")
    120.0
    >>> parse_retry_after("soon")
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    then = parse_date(text)
    if then is None:
        return None
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds())


def parse_date(text: str) -> datetime | None:
    """Read a date of a header (RFC 9110, 5.6.7), in UTC where it names no zone.

    Returns:
        ``None`` where it is unreadable, or no clock has such a time or zone.

    >>> parse_date("Sun, 06 Nov 1994 08:49:37 GMT").isoformat()
    '1994-11-06T08:49:37+00:00'
    >>> parse_date("Sun, 06 Nov 1994 08:49:37 +999999")
    """
    try:
        then = parsedate_to_datetime(text)
        return then.replace(tzinfo=UTC) if then.tzinfo is None else then.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
