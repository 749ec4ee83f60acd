"""One document, two renderings; nothing in it can become markup or steer a terminal."""

import io

import pytest
from rich.console import Console

from evoca.documents import Bullets, Heading, Paragraph, Table, print_document, to_markdown


def printed(blocks, *, terminal, width=40):
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=terminal, no_color=True, markup=False, emoji=False
    )
    print_document(blocks, console)
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("plain, with (brackets) and [0.1, 0.2]", "plain, with (brackets) and [0.1, 0.2]"),
        ("tf_efficientnet_lite2", "tf_efficientnet_lite2"),
        ("<script>", r"\<script>"),
        ("[a](b) ![c](d)", r"[a]\(b) \![c]\(d)"),
        ("`code` *bold* _it_", r"\`code\` \*bold\* \_it\_"),
        ("a|b", r"a\|b"),
        ("# title", r"\# title"),
        ("- item", r"\- item"),
        ("1. item", r"\1. item"),
        ("two\nlines\x1b[31m", r"two\\nlines\\x1b[31m"),
    ],
)
def test_text_cannot_become_markup(text, markdown):
    assert to_markdown([Paragraph(text)]) == markdown + "\n"


def test_a_table_in_markdown():
    table = Table(("name", "n"), (("a|b", "1"),), numeric=1)
    assert to_markdown([table]) == "| name | n |\n|---|---:|\n| a\\|b | 1 |\n"


def test_a_ragged_table_is_refused():
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2"):
        Table(("a", "b"), (("1",),))


LONG = "A paragraph that is a good deal longer than the forty columns of this narrow terminal."
BLOCKS = [Heading("Title", 1), Paragraph(LONG), Bullets((LONG, "short"))]


def test_lines_break_at_the_width_of_a_terminal_and_nowhere_in_a_pipe():
    shown = printed(BLOCKS, terminal=True).splitlines()
    assert max(len(line) for line in shown) <= 60  # escape codes of the title included
    assert max(len(line) for line in shown[1:]) <= 40
    assert LONG in printed(BLOCKS, terminal=False).splitlines()


def test_nothing_steers_the_terminal():
    blocks = [
        Heading("\x1b]0;t\x07"),
        Paragraph("\x1b[2J [red]x[/red]"),
        Bullets(("\x1b[1A",)),
        Table(("\x1b[1m",), (("\x1b[2J",),)),
    ]
    out = printed(blocks, terminal=False)
    assert "\x1b" not in out
    assert "[red]x[/red]" in out
