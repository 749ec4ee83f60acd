"""Callbacks that report the progress of long work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Advance", "Announce", "advance_silently", "silent"]

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of units that are done since the last call."""

Announce: TypeAlias = Callable[[str, int], Advance]
"""Called with the name of a part of the work and its size in units; returns its callback."""


def silent(name: str, total: int) -> Advance:
    """Announce nothing."""
    del name, total
    return advance_silently


def advance_silently(units: int) -> None:
    """Show nothing."""
    del units
