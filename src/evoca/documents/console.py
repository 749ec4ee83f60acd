"""A document on a terminal, or as plain text in a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from evoca.documents.blocks import Block, Bullets, Heading, Paragraph, Table
from evoca.errors import single_line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_document"]


def print_document(blocks: Iterable[Block], console: Console) -> None:
    """Print the blocks; on a terminal lines break at its width, in a pipe they do not."""
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
            _say(single_line(text), console)
        case Bullets(items):
            for item in items:
                _say(f"- {single_line(item)}", console, indent=2)
        case Table():
            _print_table(block, console)


def _say(text: str, console: Console, indent: int = 0) -> None:
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
        # Figures are never cut: the words beside them wrap instead.
        number = i >= plain
        grid.add_column(
            single_line(name), justify="right" if number else "left", no_wrap=number or i == 0
        )
    for row in table.rows:
        grid.add_row(*(single_line(cell) for cell in row))
    console.print(grid)
