"""What `predict` returns, as mypy sees it: read in strict mode with the package, never run."""

from __future__ import annotations

from pathlib import Path

import evoca

model = evoca.load()
many = model.predict(["a.jpg", Path("b.jpg")])
names: list[str] = [one.emotion for one in many]
paths: list[str | Path] = ["a.jpg", Path("b.jpg")]
also: list[evoca.Prediction] = model.predict(paths)
one: evoca.Prediction = model.predict("a.jpg")
other: evoca.Prediction = model.predict(b"bytes")
