"""Files that are there only when they are complete."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["drafted"]


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Give a path to write to that becomes ``target`` once all of it is written.

    Two processes that write the same file have drafts of their own: the later one wins whole.

    Args:
        target: also where it exists; its folder must exist.

    Yields:
        A hidden name beside it that nothing else uses. Nothing stays of it after an error.
    """
    draft = target.with_name(f".{target.name[:40]}-{secrets.token_hex(6)}.draft")
    try:
        yield draft
        draft.replace(target)
    finally:
        with suppress(OSError):
            draft.unlink()
