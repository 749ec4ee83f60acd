"""What ``predict`` returns, as mypy sees it: read in strict mode with the package, never called."""

from __future__ import annotations

from pathlib import Path

import evoca


def predictions() -> tuple[list[str], list[evoca.Prediction], evoca.Prediction, evoca.Prediction]:
    """Take what is predicted for lists and single images by its type."""
    model = evoca.load()
    many = model.predict(["a.jpg", Path("b.jpg")])
    names: list[str] = [one.emotion for one in many]
    paths: list[str | Path] = ["a.jpg", Path("b.jpg")]
    return names, model.predict(paths), model.predict("a.jpg"), model.predict(b"bytes")
