"""A document as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evoca.documents.blocks import Block, Bullets, Heading, Paragraph, Table
from evoca.errors import single_line

__all__ = ["to_markdown"]

# What would start markup inside a line, wherever it stands.
_INLINE = re.compile(r"[\\`*<|]|(?<=\])\(|!(?=\[)|\b_|_\b")
# What would start a block at the beginning of one.
_START = re.compile(r"^(#{1,6} |> ?|[-+] |(\d+)[.)] |~~~|={3,}|-{3,})")


def to_markdown(blocks: Iterable[Block]) -> str:
    r"""Return the document; a paragraph is one line, so that no wrapping can start a list.

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
