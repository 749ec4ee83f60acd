"""``evoca doctor``: what is installed, what would be used, and what is wrong."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from PIL import features as pillow_features

import evoca
from evoca.commands.exits import command, command_app
from evoca.commands.terminal import clean, console_for
from evoca.errors import EvocaError, install_hint
from evoca.lab.features.cache import CACHE_VARIABLE, cache_folder
from evoca.runtime.bundle import MODEL_VARIABLE
from evoca.runtime.predictor import load
from evoca.words import counted

__all__ = ["app", "doctor"]

app = command_app()

_GOOD, _BAD, _NEUTRAL = "ok", "WRONG", "-"


@command(app, examples=("evoca doctor",))
def doctor() -> int:
    """Show what is installed, which engine and model would be used, and what is wrong."""
    rows = [*_installation(), *_formats(), *_extras(), *_cache(), *_model()]
    console = console_for()
    for state, what, text in rows:
        style = {_GOOD: "green", _BAD: "bold red"}.get(state, "dim")
        console.print(f"{state:<6}", style=style, end=" ")
        console.print(f"{what:<22}{clean(text)}", soft_wrap=True)
    return int(any(state == _BAD for state, _, _ in rows))


Row = tuple[str, str, str]


def _installation() -> list[Row]:
    rows = [
        (_GOOD, "evoca", f"{evoca.__version__} in {os.path.dirname(evoca.__file__)}"),  # noqa: PTH120
        (_GOOD, "python", f"{platform.python_version()} ({sys.executable})"),
        (_GOOD, "machine", f"{platform.platform()}, {counted(os.cpu_count() or 1, 'core')}"),
    ]
    for name in ("numpy", "onnxruntime", "pillow", "pydantic", "pyyaml", "rich", "typer"):
        try:
            rows.append((_GOOD, name, version(name)))
        except PackageNotFoundError:
            rows.append((_BAD, name, f"not installed: {install_hint(options='--force-reinstall')}"))
    return rows


def _formats() -> list[Row]:
    rows = []
    for feature, name in (("jpg", "JPEG"), ("webp", "WebP"), ("avif", "AVIF")):
        there = bool(pillow_features.check(feature))
        text = "can be read" if there else "cannot be read: this build of Pillow lacks it"
        rows.append((_GOOD if there else _BAD, name, text))
    heic = find_spec("pillow_heif") is not None
    text = "can be read" if heic else f"not installed: {install_hint('heic')}"
    return [*rows, (_GOOD if heic else _NEUTRAL, "HEIC", text)]


def _extras() -> list[Row]:
    """Return for each extra whether all of its packages are there."""
    missing: dict[str, list[str]] = {}
    for line in requires("evoca") or []:
        package, _, marker = line.partition(";")
        if "extra ==" not in marker:
            continue
        extra = marker.split("extra ==")[1].strip().strip("'\"")
        name = _distribution(package)
        absent = missing.setdefault(extra, [])
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return [
        (_NEUTRAL, f"extra {extra}", f"not installed: {install_hint(extra)}")
        if absent
        else (_GOOD, f"extra {extra}", "installed")
        for extra, absent in sorted(missing.items())
    ]


def _distribution(requirement: str) -> str:
    end = next((i for i, c in enumerate(requirement) if c in "<>=!~[ ;"), len(requirement))
    return requirement[:end]


def _cache() -> list[Row]:
    """Return the folder and the size of the cache of frozen layers' outputs."""
    folder = cache_folder()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    size_in_words = f"{size / 1e6:.0f} MB, may be deleted" if size else "nothing so far"
    return [(_NEUTRAL, "cached features", f"{folder} ({CACHE_VARIABLE}): {size_in_words}")]


def _model() -> list[Row]:
    named = os.environ.get(MODEL_VARIABLE)
    chosen = f"{MODEL_VARIABLE}={named}" if named else "the bundled default"
    try:
        start = time.perf_counter()
        model = load()
        loaded = time.perf_counter() - start
        start = time.perf_counter()
        model.self_test()
        took = time.perf_counter() - start
    except EvocaError as error:
        # The message may name the variable itself, where nothing is at its path.
        text = str(error) if str(error).startswith(chosen) else f"{chosen}: {error}"
        return [(_BAD, "model", text)]
    return [
        (_GOOD, "engine", "onnxruntime, CPU, float32"),
        (_GOOD, "model", f"{model.card.name} ({chosen})"),
        (_GOOD, "self-test", f"loaded in {loaded * 1e3:.0f} ms, one image in {took * 1e3:.0f} ms"),
    ]
