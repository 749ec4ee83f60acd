"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXAMPLES", "Finding"]

EXAMPLES = 5
"""How many cases of one kind are shown."""


@dataclass(frozen=True)
class Finding:
    """One kind of trouble, or a remark.

    Attributes:
        kind: a word for programs, such as ``leak-group``.
        problem: whether figures on this data cannot be trusted until it is mended.
        count: how many cases.
        message: one line.
        examples: some of the cases; where files are meant, all of them.
    """

    kind: str
    problem: bool
    count: int
    message: str
    examples: tuple[str, ...] = ()
