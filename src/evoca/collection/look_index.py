"""An index of embeddings, for files of more than a million (extra ``search``).

The index (HNSW, Malkov and Yashunin 2018, in usearch) finds candidates without a look at every
vector; it may miss some. It is made once, beside the embeddings, and made anew when these change.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.collection.embeddings import Embeddings
from evoca.drafts import drafted
from evoca.errors import DataError, first_line
from evoca.images import printable_name
from evoca.progress import Announce, silent

__all__ = ["EXACT_UP_TO", "index_beside", "nearest", "wants_index"]

EXACT_UP_TO = 1_000_000
"""So many embeddings are all compared, which is exact; an index is for more."""


def wants_index(embeddings: Embeddings) -> bool:
    """Return whether an index is used: there are many embeddings, and usearch is installed."""
    return len(embeddings) > EXACT_UP_TO and find_spec("usearch") is not None


def index_beside(file: Path) -> Path:
    """Return where the index of a file of embeddings lies.

    >>> index_beside(Path("looks.npy")).name
    'looks.npy.usearch'
    """
    return file.with_name(f"{file.name}.usearch")


def nearest(
    embeddings: Embeddings,
    vector: NDArray[np.float32],
    count: int,
    announce: Announce = silent,
) -> NDArray[np.int64]:
    """Return the rows of about the nearest embeddings by cosine, int64 (up to count,).

    Args:
        embeddings: N of them.
        vector: float32 (D,).
        count: how many rows.
        announce: shows the progress of making the index, where there is none yet.

    Raises:
        DataError: the index cannot be written or read.
        ModuleNotFoundError: usearch is not installed.
    """
    from usearch.index import Index

    path = index_beside(embeddings.file)
    if not path.is_file() or path.stat().st_mtime_ns < embeddings.file.stat().st_mtime_ns:
        _make(embeddings, path, announce)
    index = Index.restore(path, view=True)
    if index is None or len(index) != len(embeddings) or index.ndim != embeddings.dimensions:
        raise DataError(f"{printable_name(path)}: not the index of these embeddings: remove it")
    return np.asarray(index.search(vector, count).keys, dtype=np.int64)


def _make(embeddings: Embeddings, path: Path, announce: Announce) -> None:
    from usearch.index import Index

    # Half precision is a quarter of the memory that exact numbers and their links would take.
    index: Any = Index(ndim=embeddings.dimensions, metric="cos", dtype="f16")
    advance, done = announce("making an index", len(embeddings)), 0
    for chunk in embeddings.chunks():
        index.add(np.arange(done, done + len(chunk)), np.asarray(chunk))
        done += len(chunk)
        advance(len(chunk))
    try:
        with drafted(path) as draft:
            index.save(draft)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{printable_name(path)}: cannot be written: {first_line(error)}"
        ) from error
