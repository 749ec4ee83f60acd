"""What the page on Python describes, and how it reads the docstrings.

Docstrings name other objects by roles (``:func:`evoca.load```), which Markdown does not know.
An extension of Griffe, which reads them for the page, makes links of those that lead to a heading
of the page, and plain code of all others.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

__all__ = ["API", "Roles", "faults", "linked"]

API = {
    "evoca": [
        *("load", "Predictor", "Prediction", "ImageError", "to_frame", "to_pandas", "to_polars"),
        *("pipeline", "EmotionClassifier"),
    ],
    # The module of decode has the function's name.
    "evoca.images": ["ImageLimits", "decode.decode", "find_images"],
    "evoca.metrics": ["evaluate_predictions", "Report", "Figure"],
    "evoca.tagger": ["tag", "TagSettings", "Summary", "merge"],
    "evoca.video": [
        *("timeline", "TimelineSettings", "Timeline", "Shot", "write_timeline", "write_chart"),
        *("write_timeline_page", "VideoError"),
    ],
    "evoca.collection": ["read_tags", "find", "write_embeddings", "read_embeddings", "relate"],
    "evoca.adapters": ["convert", "Converted", "labels_and_scores", "label_config"],
    "evoca.evaluation": [
        *("open_system", "Options", "evaluate_system"),
        *("named_data", "model_rows", "fill_matrix", "Matrix"),
    ],
    "evoca.runs": ["read_run", "Run", "Result"],
    "evoca.lab": [
        *("load_recipe", "train", "cross_validate", "export_bundle", "RunOptions"),
        *("search", "cross_validate_search", "sweep", "cross_validate_recipes", "trained_rows"),
    ],
    "evoca.data.manifest.labelled": ["load_labelled", "LabelledImages"],
    "evoca.data.manifest.table": ["read_manifest", "Manifest"],
}
"""What is described of each module."""

_HEADINGS = {
    name.rpartition(".")[2]: f"{module}.{name}" for module, names in API.items() for name in names
}
_ROLE = re.compile(r":(func|class|mod|meth|attr|data):`(~?)([^`]+)`")
_UNREAD = re.compile(r":(?:func|class|mod|meth|attr|data):")


def linked(text: str, owner: str = "") -> str:
    """Return a docstring whose roles are links or code.

    Args:
        text: of the docstring.
        owner: name of the class that it stands in; empty where in none.

    >>> linked("See :func:`evoca.load` and :data:`evoca.emotions.SUM_TOLERANCE`.")
    'See [`evoca.load`][evoca.load] and `evoca.emotions.SUM_TOLERANCE`.'
    >>> linked(":meth:`predict`, :class:`~evoca.ImageError`", "Predictor")
    '[`predict`][evoca.Predictor.predict], [`ImageError`][evoca.ImageError]'
    """

    def link(match: re.Match[str]) -> str:
        role, short, target = match[1], match[2], " ".join(match[3].split())
        parts = target.split(".")
        shown = f"`{parts[-1] if short else target}`"
        heading = ""
        if role in {"func", "class"}:
            heading = _HEADINGS.get(parts[-1], "")
        elif role == "meth":
            inside = _HEADINGS.get(parts[-2] if len(parts) > 1 else owner, "")
            heading = inside and f"{inside}.{parts[-1]}"
        package = ".".join(parts[:2])
        if len(parts) > 2 and heading and not heading.startswith((package, f"evoca.{parts[-2]}")):
            heading = ""  # another of the same name
        return f"[{shown}][{heading}]" if heading else shown

    return _ROLE.sub(link, text)


class Roles(griffe.Extension):
    """Makes links of the roles in every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            owner = obj if obj.is_class else obj.parent
            inside = owner.name if owner is not None and owner.is_class else ""
            obj.docstring.value = linked(obj.docstring.value, inside)


def faults(site: Path) -> Iterator[str]:
    """Yield each role that a site shows as it is typed, and each heading nobody asked for."""
    for page in sorted(site.glob("**/*.html")):
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if _UNREAD.search(line):
                yield f"{page.relative_to(site)}:{number}: a role: {line.strip()[:100]}"
    found = set(re.findall(r'id="(evoca\.[\w.]+)"', (site / "api.html").read_text("utf-8")))
    asked = {f"{module}.{name}" for module, names in API.items() for name in names}
    yield from (f"api.html: {name} is missing" for name in sorted(asked - found))
    for name in sorted(found - asked):
        if not any(name.startswith(f"{one}.") for one in asked):
            yield f"api.html: {name} is described, which is not asked for"


if __name__ == "__main__":
    if lines := list(faults(Path(sys.argv[1]))):
        raise SystemExit("\n".join(lines))
