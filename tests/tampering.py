"""Run directories that were tampered with, one place at a time."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections.abc import Iterator
from typing import Any

# What stands where something else belongs: other types, and numbers that no count or share is.
VALUES = (
    *(None, True, "", "text", -1, 0, 3, 2.5, -1e308, 10**30, float("nan"), float("inf")),
    *("\ud800", "\x00\n", "9" * 400, 10**400),
    *([], {}, [[]], [None, "x"], {"value": "x"}, {"a": []}),
)
CELLS = (
    "",
    "x",
    "nan",
    "inf",
    "-inf",
    "-1",
    "1.5",
    "1e999",
    "9" * 30,
    "[]",
    '["awe"]',
    "\x00",
    '"',
)
DELETE = object()


def tampered(
    files: dict[str, bytes], count: int, seed: int = 0
) -> Iterator[tuple[str, str, bytes]]:
    """Yield so many changes: what was changed, in which file, and what it holds now."""
    draw = random.Random(seed)
    for _ in range(count):
        name = draw.choice(sorted(files))
        data = files[name]
        kind = draw.random()
        if kind < 0.05:
            yield "cut off", name, data[: draw.randrange(len(data))]
        elif kind < 0.08:
            yield "other bytes", name, draw.randbytes(200)
        elif name.endswith(".json"):
            yield from _json(draw, name, data)
        else:
            yield from _table(draw, name, data)


def _json(draw: random.Random, name: str, data: bytes) -> Iterator[tuple[str, str, bytes]]:
    content = json.loads(data)
    place = _place(draw, content)
    value = draw.choice([DELETE, "longer", "shorter", *VALUES])
    changed, what = _changed(content, place, value)
    yield f"{'.'.join(map(str, place))} = {what}", name, json.dumps(changed).encode()


def _place(draw: random.Random, content: Any) -> tuple[Any, ...]:
    """Go down at random, so that a long list is no likelier to be hit than what is beside it."""
    place: tuple[Any, ...] = ()
    while isinstance(content, dict | list) and content and (not place or draw.random() < 0.7):
        key = (
            draw.choice(list(content))
            if isinstance(content, dict)
            else draw.randrange(len(content))
        )
        place, content = (*place, key), content[key]
    return place


def _changed(content: Any, place: tuple[Any, ...], value: Any) -> tuple[Any, str]:
    changed = copy.deepcopy(content)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    last = place[-1]
    if value is DELETE:
        del inside[last]
        return changed, "deleted"
    if value in ("longer", "shorter") and isinstance(value, str):
        old = inside[last]
        if not isinstance(old, list | str) or not old:
            value = -7
        elif value == "longer":
            value = old + old[-1:]
        else:
            value = old[:-1]
    inside[last] = value
    return changed, repr(value)[:60]


def _table(draw: random.Random, name: str, data: bytes) -> Iterator[tuple[str, str, bytes]]:
    rows = list(csv.reader(io.StringIO(data.decode())))
    row, column = draw.randrange(len(rows)), draw.randrange(len(rows[0]))
    kind = draw.choice(("cell", "cell", "cell", "column", "row", "twice", "header", "every cell"))
    what = f"{kind}: row {row}, {rows[0][column]}"
    value = draw.choice(CELLS)
    if kind == "cell":
        rows[row][column] = value
    elif kind == "every cell":
        for one in rows[1:]:
            one[column] = value
    elif kind == "column":
        for one in rows:
            del one[column]
    elif kind == "row":
        del rows[row]
    elif kind == "twice":
        rows.append(rows[row])
    else:
        rows[0][column] = draw.choice([*rows[0], value])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    yield f"{what} = {value!r}", name, text.getvalue().encode()
