"""Pictures that a site serves in place of one that is gone.

``placeholders.csv`` beside this file lists what is known; add a line for a new one.

Flickr, the home of FI's links, redirects a deleted or private photograph to
``photo_unavailable.png``, ``_l.png``, ``_m.png`` (formerly ``photo_unavailable.gif``,
500 x 374) under ``yimg.com``, in a folder that names a language (``/pw/images/en-us/``),
with status 200 at the end: a download that only checks the status fills a data set with
the same grey card. The address is the reliable sign. Widely used clean-up scripts
also agree on the MD5 of the PNG as it was served for years. Neither Flickr nor Imgur documents any
of this, and either may change; today Flickr also returns 404, 410 or 403. A
placeholder that is not listed is still found where the same bytes arrive for many links:
see ``repeated`` in :mod:`evoca.data.download.job`.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Placeholders", "known_placeholders"]


@dataclass(frozen=True)
class Placeholders:
    """Known placeholders.

    Attributes:
        urls: patterns of addresses, each with what it stands for.
        digests: (algorithm, hexadecimal digest) of contents, with what each stands for.
    """

    urls: tuple[tuple[re.Pattern[str], str], ...]
    digests: dict[tuple[str, str], str]

    def by_url(self, url: str) -> str | None:
        """Return which placeholder an address is, if any."""
        return next((what for pattern, what in self.urls if pattern.match(url)), None)

    def by_content(self, data: bytes) -> str | None:
        """Return which placeholder a file is, if any."""
        for algorithm in {algorithm for algorithm, _ in self.digests}:
            digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
            if what := self.digests.get((algorithm, digest)):
                return what
        return None


@cache
def known_placeholders() -> Placeholders:
    """Return the placeholders of the list that ships with Evoca."""
    text = (resources.files(__package__) / "placeholders.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    urls = [
        (re.compile(row["value"], re.IGNORECASE), f"{row['site']}: {row['what']}")
        for row in rows
        if row["kind"] == "url"
    ]
    digests = {
        (row["kind"], row["value"]): f"{row['site']}: {row['what']}"
        for row in rows
        if row["kind"] != "url"
    }
    return Placeholders(tuple(urls), digests)
