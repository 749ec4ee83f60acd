"""The server of pictures, for the commands that fetch."""

from website import acts, encoded, picture, site

__all__ = ["acts", "encoded", "picture", "site"]
