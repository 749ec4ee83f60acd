"""Counts in words: one home for singular and plural in messages."""

from __future__ import annotations

__all__ = ["by_number", "counted"]


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with what it counts.

    >>> counted(1, "image"), counted(1204, "image"), counted(0, "copy")
    ('1 image', '1,204 images', '0 copies')
    >>> counted(1, "image is left out", "images are left out")
    '1 image is left out'

    Args:
        number: how many.
        one: what follows the number 1.
        several: what follows any other number; the plural of ``one`` if empty.
    """
    return f"{number:,} {by_number(number, one, several)}"


def by_number(number: int, one: str, several: str = "") -> str:
    """Return the form of a word that goes with a number.

    >>> by_number(1, "is", "are"), by_number(3, "is", "are"), by_number(3, "class")
    ('is', 'are', 'classes')
    >>> by_number(3, "batch"), by_number(3, "epoch")
    ('batches', 'epochs')

    Args:
        number: how many.
        one: what goes with 1.
        several: what goes with any other number; the plural of ``one`` if empty.
    """
    return one if number == 1 else several or _plural(one)


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    hissing = noun.endswith(("s", "x", "ch", "sh")) and not noun.endswith("och")  # an epoch
    return f"{noun}es" if hissing else f"{noun}s"
