"""What a document is made of. Text is plain: every renderer escapes what it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Block", "Bullets", "Heading", "Paragraph", "Table"]


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        text: one line.
        level: 1 is the title.
    """

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Attributes:
        text: any length; the renderer breaks lines where it has to.
    """

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list.

    Attributes:
        items: one paragraph each.
    """

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: the headings.
        rows: one text a column.
        numeric: how many columns from the right are aligned to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: int = 0

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)}")


Block = Heading | Paragraph | Bullets | Table
Document = Sequence[Block]
