"""Who asks, by API key or address, and how much they may have under way at once."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from evoca.errors import EvocaError
from evoca.images.walk import printable_name
from evoca.serving.refusals import Refusal

__all__ = ["Admission", "ApiKeys"]

_SHORTEST = 16
_RATE_WINDOW = 64
_LONGEST_WAIT = 60


class ApiKeys:
    """The keys that a server accepts, each with a name for logs.

    Only hashes of them are held, and all are compared, so that the time a comparison takes says
    nothing about a key.

    Args:
        keys: name to key.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._digests = {name: _digest(key) for name, key in keys.items()}

    @classmethod
    def read(cls, file: Path) -> ApiKeys:
        """Read a file with a name and a key on each line, such as ``museum 3f9c...``.

        Empty lines, and those that begin with ``#``, are left out.

        Raises:
            EvocaError: it cannot be read, has no key, or one that is too short or there twice.
        """
        name = printable_name(file)
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
            raise EvocaError(f"--api-keys {name}: cannot be read: {reason}") from error
        keys: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) != 2 or len(words[1]) < _SHORTEST or words[0] in keys:
                raise EvocaError(
                    f"--api-keys {name}: line {number}: wanted are a new name and a key of "
                    f"{_SHORTEST} characters or more, such as that of: openssl rand -hex 32"
                )
            keys[words[0]] = words[1]
        if not keys:
            raise EvocaError(f"--api-keys {name}: no key in it")
        return cls(keys)

    def name_of(self, headers: Mapping[str, str]) -> str:
        """Return the name of the key that a request carries.

        Args:
            headers: with ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.

        Raises:
            Refusal: it carries none, or one that is not known.
        """
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        digest, found = _digest(given), ""
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        if not found:
            cause = "this API key is not known" if given else "an API key is needed"
            raise Refusal(
                401,
                f"{cause}: send Authorization: Bearer KEY",
                headers={"WWW-Authenticate": 'Bearer realm="evoca"'},
            )
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Admission:
    """Counts the images under way, of all and of each client, and refuses more than fit.

    For one event loop; not to be shared between threads.

    Args:
        queue: images under way at most.
        per_client: of one client.
        max_bytes: of bodies that are held.
    """

    def __init__(self, queue: int, per_client: int, max_bytes: int) -> None:
        self._queue, self._per_client, self._max_bytes = queue, per_client, max_bytes
        self._images: Counter[str] = Counter()
        self.images = self.held_bytes = 0
        self._ends: deque[tuple[float, int]] = deque(maxlen=_RATE_WINDOW)

    def require_room(self, client: str, images: int = 1) -> None:
        """Refuse a request that would not fit.

        Raises:
            Refusal: 429 where the client has too much under way, 503 where all have.
        """
        mine = self._images[client]
        if mine + images > self._per_client:
            raise Refusal(
                429,
                f"you have {mine} images under way, and {self._per_client} are allowed at once: "
                "send fewer at a time",
                retry_after=self._wait(mine),
            )
        if self.images + images > self._queue:
            raise Refusal(
                503,
                "the server has as much to do as it takes: try again later",
                retry_after=self._wait(self.images),
            )

    @contextmanager
    def admitted(self, client: str, images: int) -> Iterator[None]:
        """Count images as under way inside.

        Raises:
            Refusal: they do not fit.
        """
        self.require_room(client, images)
        self._images[client] += images
        self.images += images
        try:
            yield
        finally:
            self.images -= images
            self._images[client] -= images
            if not self._images[client]:
                del self._images[client]
            self._ends.append((time.monotonic(), images))

    def hold(self, count: int) -> None:
        """Count bytes that are held; :meth:`release` them.

        Raises:
            Refusal: 503, there are too many; none are counted then.
        """
        if self.held_bytes + count > self._max_bytes:
            raise Refusal(
                503, "the server holds as many requests as it takes: try later", retry_after=1
            )
        self.held_bytes += count

    def release(self, count: int) -> None:
        """Count bytes as no longer held."""
        self.held_bytes -= count

    def _wait(self, images: int) -> int:
        """Return in how many seconds so many images will be done, as fast as of late."""
        return waiting_time(images, self._ends, time.monotonic())


def waiting_time(images: int, ends: Sequence[tuple[float, int]], now: float) -> int:
    """Return after how many whole seconds, 1 to 60, so many images are likely to be done.

    Args:
        images: that are under way.
        ends: when requests ended of late, and with how many images, the first first.
        now: the time of the same clock.

    >>> waiting_time(40, [(100.0, 5), (101.0, 5), (102.0, 5)], 102.0)
    6
    >>> waiting_time(40, [], 102.0)
    1
    """
    done = sum(count for _, count in ends)
    if not done or now <= ends[0][0]:
        return 1
    return max(1, min(_LONGEST_WAIT, math.ceil(images * (now - ends[0][0]) / done)))
