"""Documents: their blocks, printed in a terminal or written as Markdown.

Text is plain: every renderer escapes what it must.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evoca.errors import single_line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Block", "Bullets", "Heading", "Paragraph", "Table", "print_document", "to_markdown"]


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
        rows: one text per column.
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


def print_document(blocks: Iterable[Block], console: Console) -> None:
    """Print the blocks; lines break at the width of a terminal, but not in a pipe."""
    above: Block | None = None
    for block in blocks:
        if above is not None and not (isinstance(above, Heading) and above.level > 1):
            console.print()
        _print(block, console)
        above = block


def _print(block: Block, console: Console) -> None:
    match block:
        case Heading(text, level):
            console.print(single_line(text), style="bold underline" if level == 1 else "bold")
        case Paragraph(text):
            _print_line(single_line(text), console)
        case Bullets(items):
            for item in items:
                _print_line(f"- {single_line(item)}", console, indent=2)
        case Table():
            _print_table(block, console)


def _print_line(text: str, console: Console, indent: int = 0) -> None:
    from rich.text import Text

    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    for i, line in enumerate(Text(text).wrap(console, console.width - indent)):
        line.rstrip()
        console.print(Text(" " * indent if i else "").append_text(line))


def _print_table(table: Table, console: Console) -> None:
    from rich.table import Table as Grid

    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    plain = len(table.columns) - table.numeric
    for i, name in enumerate(table.columns):
        # Figures are never cut; the words beside them wrap.
        number = i >= plain
        grid.add_column(
            single_line(name), justify="right" if number else "left", no_wrap=number or i == 0
        )
    for row in table.rows:
        grid.add_row(*(single_line(cell) for cell in row))
    console.print(grid)


# What would start markup anywhere in a line.
_INLINE = re.compile(r"[\\`*<|]|(?<=\])\(|!(?=\[)|\b_|_\b")
# What would start a block at the beginning of a line.
_START = re.compile(r"^(#{1,6} |> ?|[-+] |(\d+)[.)] |~~~|={3,}|-{3,})")


def to_markdown(blocks: Iterable[Block]) -> str:
    r"""Return the document as Markdown; a paragraph is one line, so none can start a list.

    >>> print(to_markdown([Heading("A | B"), Paragraph("<b> [x](y)")]), end="")
    ## A \| B
    <BLANKLINE>
    \<b> [x]\(y)
    """
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_inline(text)}"
        case Paragraph(text):
            return _line(text)
        case Bullets(items):
            return "\n".join(f"- {_line(item)}" for item in items)
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    plain = len(table.columns) - table.numeric
    rule = ["---"] * plain + ["---:"] * table.numeric
    lines = [_cells(table.columns), f"|{'|'.join(rule)}|", *map(_cells, table.rows)]
    return "\n".join(lines)


def _cells(row: tuple[str, ...]) -> str:
    return f"| {' | '.join(_inline(cell) for cell in row)} |"


def _line(text: str) -> str:
    return _START.sub(lambda found: "\\" + found[0], _inline(text), count=1)


def _inline(text: str) -> str:
    return _INLINE.sub(lambda found: "\\" + found[0], single_line(text))
