"""Find run directories below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["find_runs"]


def find_runs(folder: Path) -> Iterator[Path]:
    """Yield the folder itself if it is a run, else the runs below it, by name.

    Hidden folders (a run that is being written is one) and links are not entered, nor is
    a run searched for others.

    Raises:
        DataError: no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{printable_name(folder)}: no such folder of runs")
    for parent, children, files in os.walk(folder):
        if "run.json" in files:
            children.clear()
            yield Path(parent)
        else:
            children[:] = sorted(name for name in children if not name.startswith("."))
