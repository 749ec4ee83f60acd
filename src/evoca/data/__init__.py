"""Labelled images: from raw votes and links to a manifest one can trust.

A *manifest* is one table of labelled images (CSV or Parquet). :func:`load_labelled` is
what training and evaluation read; :class:`Manifest` is the whole table, with raw votes
and unknown columns, and needs the extra ``data`` (DuckDB).
"""

from evoca.data.labelled import LabelledImages, load_labelled

__all__ = ["LabelledImages", "load_labelled"]
