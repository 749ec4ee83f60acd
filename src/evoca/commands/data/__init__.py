"""``evoca data``: one file a command."""
