"""The model for people who do not write Python: over HTTP, and as a page in a browser."""
