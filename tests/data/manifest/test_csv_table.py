from __future__ import annotations

from pathlib import Path

import pytest

from evoca.data.manifest.csv_table import csv_batches, csv_header
from evoca.errors import DataError


def _read(path: Path, batch: int = 2) -> tuple[list[list[str]], list[int], list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    batches = list(csv_batches(path, lambda row, cause: bad.append((row, cause)), batch=batch))
    cells = [list(record) for b in batches for record in zip(*b.values.values(), strict=True)]
    return cells, [int(row) for b in batches for row in b.rows], bad


@pytest.mark.parametrize(
    ("text", "cells", "rows"),
    [
        (b"a,b\n1,2\n3,4\n5,6\n", [["1", "2"], ["3", "4"], ["5", "6"]], [2, 3, 4]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [["1", "2"]], [2]),
        (b"a,b\r1,2\r3,4\r", [["1", "2"], ["3", "4"]], [2, 3]),
        (b"a,b\r\n1,2\r\n", [["1", "2"]], [2]),
        (b"a,b\n1,2\n\n\n3,4", [["1", "2"], ["3", "4"]], [2, 5]),
        (b'a,b\n"x, ""y""\nz",2\n3,4\n', [['x, "y"\nz', "2"], ["3", "4"]], [2, 3]),
        ("a,b\nçé,✓\n".encode(), [["çé", "✓"]], [2]),
        (b"a,b\n", [], []),
    ],
    ids=["plain", "bom", "cr", "crlf", "empty lines", "quoted", "unicode", "no records"],
)
def test_reads(tmp_path: Path, text: bytes, cells: list[list[str]], rows: list[int]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    assert _read(path) == (cells, rows, [])
    assert csv_header(path) == ["a", "b"]


def test_a_record_of_another_width_is_handed_over_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3\n\n4,5,6\n7,8\n")
    cells, rows, bad = _read(path)
    assert (cells, rows) == ([["1", "2"], ["7", "8"]], [2, 6])
    assert bad == [(3, "1 cell, the header has 2"), (5, "3 cells, the header has 2")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "the file is empty"),
        (b"a,A\n1,2\n", "names A, a more than once"),
        (b"a,\n1,2\n", "a column without a name"),
        (b'a,"b"x\n1,2\n', "the first row is not valid CSV"),
        (b"a,b\n1,\xff\n", "not UTF-8 text at byte 6"),
        (b'a,b\n1,2\n3,4\n5,"6\n', "after row 3: not valid CSV"),
    ],
)
def test_refuses_what_is_no_such_table(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(DataError, match=says) as caught:
        _read(path, batch=10)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        csv_header(tmp_path / "gone.csv")
