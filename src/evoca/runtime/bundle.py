"""Model bundles: directories with model.json and model.onnx.

Nothing in a bundle is executed or unpickled. ``model.onnx`` is checked against the
SHA-256 in ``model.json`` before ONNX Runtime loads it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from evoca.errors import BundleError, did_you_mean, install_hint, single_line
from evoca.images.walk import printable_name
from evoca.runtime.card import FORMAT_VERSION, ModelCard
from evoca.strict import place_and_reason

__all__ = ["MODEL_VARIABLE", "Bundle", "bundled_models", "find_bundle", "read_bundle"]

MODEL_VARIABLE = "EVOCA_MODEL"
"""Environment variable with the bundle to use where none is given."""

_MODELS = Path(__file__).resolve().parent.parent / "models"
_DEFAULT = "default"
_MAX_JSON_BYTES = 64 * 1024 * 1024
_MAX_ONNX_BYTES = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """A bundle whose description is valid and whose model file is the one described.

    Attributes:
        path: the directory.
        card: the validated ``model.json``.
    """

    path: Path
    card: ModelCard

    def onnx_bytes(self) -> bytes:
        """Return the content of ``model.onnx``, verified.

        Raises:
            BundleError: it is missing, unreadable, too large, or its SHA-256 is not that in
                the card.
        """
        data = self.read("model.onnx", _MAX_ONNX_BYTES)
        if hashlib.sha256(data).hexdigest() != self.card.sha256:
            raise BundleError(
                f"{printable_name(self.path)}: model.onnx is not the file that model.json "
                "describes (SHA-256 differs): the bundle is damaged or was changed; get it again"
            )
        return data

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of another file in the bundle, at most so many bytes.

        Raises:
            BundleError: it is missing, unreadable or larger.
        """
        return _read(self.path / name, limit)


def bundled_models() -> dict[str, Path]:
    """Return the bundles that ship inside the package, by name."""
    return {p.parent.name: p.parent for p in sorted(_MODELS.glob("*/model.json"))}


def find_bundle(model: str | os.PathLike[str] | None = None) -> Path:
    """Return the directory of a bundle.

    Args:
        model: a directory, or as a string the name of a bundle inside the package, which is
            preferred to a folder of that name (``./default`` is the folder); if omitted,
            the environment variable ``EVOCA_MODEL``, else ``default``.

    Raises:
        BundleError: there is no such bundle.
    """
    wanted = os.fspath(model if model is not None else os.environ.get(MODEL_VARIABLE) or _DEFAULT)
    where = f"{MODEL_VARIABLE}={wanted}" if model is None and wanted != _DEFAULT else wanted
    shipped = bundled_models()
    if wanted in shipped and not isinstance(model, os.PathLike):
        return shipped[wanted]
    path = Path(wanted)
    if path.is_file() and path.name == "model.json":
        path = path.parent
    if not path.is_dir():
        raise BundleError(
            f"{printable_name(where)}: no such model bundle{did_you_mean(wanted, shipped)} "
            "(evoca models list); or give a directory with model.json and model.onnx"
        )
    return path


def read_bundle(model: str | os.PathLike[str] | None = None) -> Bundle:
    """Return a bundle with a valid description.

    Raises:
        BundleError: missing, unreadable, of a newer format, or invalid.
    """
    path = find_bundle(model)
    name = printable_name(path)
    if not (path / "model.json").is_file() and (path / "run.json").is_file():
        raise BundleError(
            f"{name}: a run directory, not a model bundle: make one of it with evoca export "
            f"{name} --out BUNDLE"
        )
    raw = _read(path / "model.json", _MAX_JSON_BYTES)
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name}: model.json is not valid JSON: {error}") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleError(
            f"{name}: bundle format {version} is newer than this Evoca reads "
            f"({FORMAT_VERSION}): update Evoca with {install_hint(options='--upgrade')}"
        )
    try:
        card = ModelCard.model_validate_json(raw, strict=True)
    except ValidationError as error:
        reason = single_line(place_and_reason(error, "the whole file"))
        raise BundleError(f"{name}: model.json is invalid at {reason}") from error
    if not (path / "model.onnx").is_file():
        raise BundleError(f"{name}: model.onnx is missing")
    return Bundle(path, card)


def _read(path: Path, limit: int) -> bytes:
    name = printable_name(path)
    try:
        if not path.is_file():
            raise BundleError(f"{name}: missing, or not a file: this is not a model bundle")
        if path.stat().st_size > limit:
            raise BundleError(f"{name}: larger than the limit of {limit:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{name}: cannot be read: {error.strerror or error}") from error
