"""``evoca data``: one file per command."""
