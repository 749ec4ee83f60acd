"""The page as static files that compute in the visitor's own browser."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoca.drafts import drafted
from evoca.errors import EvocaError
from evoca.images.walk import printable_name
from evoca.priors import BALANCED, NATURAL
from evoca.runtime.bundle import Bundle
from evoca.runtime.engines import own_precision
from evoca.runtime.operating_point import operating_point, points_beside
from evoca.serving.schemas import model_answer

__all__ = ["PAGE", "StaticPage", "write_static_page"]

PAGE = Path(__file__).resolve().parent / "page"
"""The page's own files."""

_API = 'data-backend="api"'
_STATIC = 'data-backend="static"'
_BUNDLE_FILES = ("model.json", "model.onnx", "README.md")
_LARGEST_CARD = 4 * 1024 * 1024
_WORKER = "service-worker.js"


@dataclass(frozen=True)
class StaticPage:
    """What was written.

    Attributes:
        files: how many.
        size: of all of them in bytes.
        model: its name.
    """

    files: int
    size: int
    model: str


def write_static_page(bundle: Bundle, out: Path) -> StaticPage:
    """Write the page and a model as a folder for any static host.

    Args:
        bundle: of the model, verified before it is copied.
        out: absent or empty; it appears only when it is complete.

    Returns:
        What was written.

    Raises:
        BundleError: the model is not the one that its description names.
        EvocaError: ``out`` is there already, or cannot be written.
    """
    _require_free(out)
    model = bundle.onnx_bytes()
    try:
        with drafted(out) as draft:
            shutil.copytree(PAGE, draft, ignore=shutil.ignore_patterns("__pycache__"))
            _be_static(draft / "index.html")
            (draft / "models.json").write_text(_as_json([_model_of(bundle)]), "utf-8")
            (draft / "model").mkdir()
            for name in _BUNDLE_FILES:
                content = model if name == "model.onnx" else bundle.read(name, _LARGEST_CARD)
                (draft / "model" / name).write_bytes(content)
            _list_files(draft)
            files = [path for path in draft.rglob("*") if path.is_file()]
            written = StaticPage(
                len(files), sum(path.stat().st_size for path in files), bundle.card.name
            )
    except OSError as error:
        raise EvocaError(
            f"{printable_name(out)}: cannot be written: {error.strerror or error}"
        ) from error
    return written


def _model_of(bundle: Bundle) -> dict[str, Any]:
    points = points_beside(bundle.card, operating_point(bundle.card), (NATURAL, BALANCED))
    priors = [(name, point.prior) for name, point in points.items() if point.prior]
    precision = own_precision(bundle)
    return model_answer(bundle.card, priors, engine="onnxruntime-web", precision=precision)


def _require_free(out: Path) -> None:
    name = printable_name(out)
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise EvocaError(f"--out {name}: is there already: name a new folder, or empty this one")
    if not out.absolute().parent.is_dir():
        raise EvocaError(f"--out {name}: there is no such folder to write into")


def _be_static(index: Path) -> None:
    text = index.read_text(encoding="utf-8")
    assert text.count(_API) == 1  # else the page would ask a server that is not there
    index.write_text(text.replace(_API, _STATIC), encoding="utf-8")


def _list_files(folder: Path) -> None:
    """Write into the service worker what it keeps for visits without a network."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != _WORKER
    )
    version = hashlib.sha256()
    for name in names:
        version.update(
            name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest()
        )
    worker = folder / _WORKER
    text = worker.read_text(encoding="utf-8")
    head = f"const VERSION = {_as_json(version.hexdigest()[:16])};\n"
    kept = f"const FILES = {_as_json(['./', *names])};\n"
    worker.write_text(head + kept + text, encoding="utf-8")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
