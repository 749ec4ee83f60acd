"""Labelled images: from raw votes and links to a checked manifest.

A *manifest* is one table of labelled images (CSV or Parquet).
:func:`evoca.data.manifest.labelled.load_labelled` is what training and evaluation read;
:class:`evoca.data.manifest.table.Manifest` is the whole table, with raw votes and unknown
columns, and needs the extra ``data`` (DuckDB).
"""
