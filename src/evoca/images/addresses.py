"""Addresses among the inputs: which are fetched, which are files of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from evoca.errors import ImageError

__all__ = ["is_address", "local_path", "scheme_of"]

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Return whether an input is fetched over the web.

    >>> is_address("https://example.org/a.jpg"), is_address("https.jpg")
    (True, False)
    """
    return _ADDRESS.match(text) is not None


def scheme_of(text: str) -> str:
    """Return the scheme of an address in lower case; empty for a path, and for a file so named.

    >>> scheme_of("s3://bucket/a.jpg"), scheme_of("C:/a.jpg"), scheme_of("a.jpg")
    ('s3', '', '')
    """
    found = _SCHEME.match(text)
    return "" if found is None or os.path.lexists(text) else found[1].lower()


def local_path(text: str) -> Path:
    """Return the path of an input that is no address to be fetched.

    Raises:
        ImageError: an address of another kind, such as ``ftp://`` or a file elsewhere.

    >>> local_path("a.jpg").name, local_path("file:///tmp/a%20b.jpg").name
    ('a.jpg', 'a b.jpg')
    """
    scheme = scheme_of(text)
    if not scheme:
        return Path(text)
    from urllib.request import url2pathname  # takes 40 ms to import

    parts = urlsplit(text)
    if scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ImageError("only http, https and files of this machine can be read", text)
    return Path(url2pathname(parts.path))
