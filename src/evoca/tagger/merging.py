"""``evoca merge``: the tables of all shares of a run as one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evoca.drafts import drafted
from evoca.errors import EvocaError
from evoca.images.walk import printable_name
from evoca.tagger.shards import Shard
from evoca.tagger.table_file import require_table, synced
from evoca.tagger.tagging import record_of, write_record

__all__ = ["merge"]

# What may differ between the shares of one run.
_OF_A_SHARE = ("shard", "images", "unread", "bytes")


def merge(parts: Sequence[str | Path], out: str | Path) -> int:
    """Return the rows of a table that joins the shares of a run, in the order of the images.

    The rows are those that one run over all of the images would have written.

    Args:
        parts: the tables of all shares, in any order, each with its ``.run.json`` beside it.
        out: of the same kind as the parts; must not be there yet.

    Returns:
        The number of rows.

    Raises:
        EvocaError: a share is missing, cut off or given twice, the parts are of different runs,
            or the output exists.
    """
    tables, out = [Path(part) for part in parts], Path(out)
    require_table(out)
    if out.exists():
        raise EvocaError(f"{printable_name(out)}: exists already: name another --out")
    runs = [_record(part) for part in tables]
    _require_one_run(tables, runs)
    ordered = [part for _, part in sorted(zip(map(_number, runs), tables, strict=True))]
    _require_one_kind([*tables, out])
    try:
        with drafted(out) as draft:
            _join(ordered, draft, out)
            synced(draft)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EvocaError(f"--out {printable_name(out)}: cannot be written: {reason}") from error
    images, unread = (sum(run[name] for run in runs) for name in ("images", "unread"))
    counts = {"images": images, "unread": unread, "bytes": out.stat().st_size}
    write_record(out, {**runs[0], "shard": "1/1", **counts})
    return int(images)


def _record(part: Path) -> dict[str, Any]:
    name, path = printable_name(part), record_of(part)
    if not part.is_file():
        raise EvocaError(f"{name}: no such table")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format_version"] != 1:
            raise EvocaError(f"{printable_name(path)}: written by a newer Evoca; update it")
        Shard.of(found["shard"])
        if not all(isinstance(found[key], int) for key in ("images", "unread", "bytes")):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvocaError(
            f"{name}: no share of a run of evoca tag: {path.name} is missing beside it, or damaged"
        ) from error
    if part.stat().st_size != found["bytes"]:
        raise EvocaError(
            f"{name}: not the table that {path.name} was written with, such as a copy that was "
            "cut off: copy both again"
        )
    return dict(found)


def _number(run: dict[str, Any]) -> int:
    return Shard.of(run["shard"]).number


def _require_one_run(parts: Sequence[Path], runs: Sequence[dict[str, Any]]) -> None:
    first = runs[0]
    for part, run in zip(parts, runs, strict=True):
        for key in sorted((first.keys() | run.keys()) - set(_OF_A_SHARE)):
            if run.get(key) != first.get(key):
                raise EvocaError(
                    f"{printable_name(part)} and {printable_name(parts[0])}: shares of different "
                    f"runs: {_differ(key, run, first)}"
                )
    shards = [Shard.of(run["shard"]) for run in runs]
    count = shards[0].count
    if any(shard.count != count for shard in shards):
        raise EvocaError(f"shares of different divisions: {', '.join(map(str, shards))}")
    numbers = [shard.number for shard in shards]
    if len(set(numbers)) < len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise EvocaError(f"the share {twice}/{count} is given twice")
    missing = sorted(set(range(1, count + 1)) - set(numbers))
    if missing:
        shares = ", ".join(f"{number}/{count}" for number in missing[:5])
        raise EvocaError(f"missing: the shares {shares}{', ...' if len(missing) > 5 else ''}")


def _differ(key: str, run: dict[str, Any], first: dict[str, Any]) -> str:
    if key == "listed_sha256":
        return "the images that were listed differ"
    if key == "frequencies" and first.get("prior") == "estimate":
        return "each estimated frequencies of its own: estimate once, and give --prior a file"
    return f"{key} {run.get(key)} and {first.get(key)}"


def _require_one_kind(paths: Sequence[Path]) -> None:
    kinds = sorted({path.suffix.lower() for path in paths})
    if len(kinds) > 1:
        raise EvocaError(f"tables of different kinds: {', '.join(kinds)}; --out takes the parts'")


def _join(parts: Sequence[Path], draft: Path, out: Path) -> None:
    if out.suffix.lower() == ".parquet":
        _join_parquet(parts, draft, out)
        return
    with draft.open("wb") as target:
        for i, part in enumerate(parts):
            with part.open("rb") as file:
                if i and out.suffix.lower() == ".csv":
                    file.readline()  # the header, of which there is one
                shutil.copyfileobj(file, target, 1 << 20)


def _join_parquet(parts: Sequence[Path], draft: Path, out: Path) -> None:
    from evoca.data.manifest.duckdb import connect, duck_errors, sql_file, sql_string

    files = ", ".join(sql_file(part) for part in parts)
    with duck_errors(f"--out {printable_name(out)}"):
        connect().execute(
            f"COPY (SELECT * FROM read_parquet([{files}])) TO {sql_string(os.fspath(draft))} "
            "(FORMAT parquet)"
        )
