"""The manifest: its columns and rules, as a table in DuckDB and as labelled images in memory."""
