"""The tables of a download: a manifest of the files, and a table of the failures."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from evoca.data.download.outcomes import Outcome, Status
from evoca.drafts import drafted
from evoca.errors import DataError, single_line
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from evoca.data.download.links import LinkList

__all__ = ["TABLES", "filled_rows", "write_table", "write_tables"]

TABLES = ("manifest.csv", "manifest.rejects.csv")
"""What a download writes into its folder, beside the images."""

_REASONS = ("row", "url", "status", "reason", "detail", "http_status")


def filled_rows(
    rows: Iterable[Mapping[str, str]], outcomes: Iterable[Outcome]
) -> list[dict[str, str]]:
    """Return the rows whose image has been fetched, with a manifest's columns filled in.

    Args:
        rows: rows with a column ``url`` in checked form; other columns pass through.
        outcomes: of the download.

    Returns:
        The rows with a file, in order, with ``image`` (relative to the download folder),
        ``sha256``, ``width`` and ``height``.
    """
    done = {outcome.url: outcome for outcome in outcomes if outcome.status is Status.DONE}
    filled = []
    for row in rows:
        if (outcome := done.get(row["url"])) is not None:
            found = {
                "image": outcome.image,
                "sha256": outcome.sha256,
                "width": str(outcome.width),
                "height": str(outcome.height),
            }
            filled.append({**row, **found})
    return filled


def write_tables(folder: Path, links: LinkList, outcomes: Sequence[Outcome]) -> None:
    """Write ``manifest.csv`` and ``manifest.rejects.csv`` into a download folder.

    Args:
        folder: the download folder.
        links: the list, whose columns the manifest keeps.
        outcomes: of the download.

    Raises:
        DataError: they cannot be written.
    """
    own = ["image", "url", "sha256", "width", "height"]
    columns = own + [column for column in links.columns if column not in own]
    write_table(folder / "manifest.csv", columns, filled_rows(links.rows, outcomes))
    rejects = [
        {
            "row": str(item.row),
            "url": item.text,
            "status": "rejected",
            "reason": "bad row",
            "detail": single_line(item.cause),
        }
        for item in links.rejects
    ]
    rejects += [
        {
            "url": outcome.url,
            "status": outcome.status,
            "reason": outcome.reason or "",
            "detail": single_line(outcome.detail),  # a server's own words
            "http_status": str(outcome.http_status or ""),
        }
        for outcome in outcomes
        if outcome.status is not Status.DONE
    ]
    write_table(folder / "manifest.rejects.csv", _REASONS, rejects)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV (UTF-8, with a header) that appears whole or not at all.

    Args:
        path: the file.
        columns: its columns, in order; a row may lack some.
        rows: the rows.

    Raises:
        DataError: it cannot be written.
    """
    try:
        with drafted(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise DataError(f"{printable_name(path)}: cannot be written: {error.strerror}") from error
