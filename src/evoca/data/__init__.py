"""Labelled images: from raw votes and links to a manifest one can trust.

A *manifest* is one table of labelled images (CSV or Parquet). :func:`load_labelled` is
what training and evaluation read, and reads folders and CSV with the base install;
:class:`Manifest` is the whole table, with raw votes and unknown columns, and needs the
extra ``data`` (DuckDB).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoca.data.labelled import LabelledImages, load_labelled
    from evoca.data.manifest import Manifest, read_manifest
    from evoca.data.splits import assign_folds, assign_splits

__all__ = [
    "LabelledImages",
    "Manifest",
    "assign_folds",
    "assign_splits",
    "load_labelled",
    "read_manifest",
]

# The command line imports this package to print its help: NumPy can wait.
_LAZY = {
    "LabelledImages": "labelled",
    "Manifest": "manifest",
    "assign_folds": "splits",
    "assign_splits": "splits",
    "load_labelled": "labelled",
    "read_manifest": "manifest",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"evoca.data.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'evoca.data' has no attribute {name!r}")
