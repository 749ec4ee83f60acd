"""Dependencies point one way: read from the imports of every module."""

import ast
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "evoca"
MAY_IMPORT = {
    "errors": set(),
    "emotions": set(),
    "softmax": set(),
    "privacy": set(),
    "drafts": set(),
    "progress": set(),
    "strict": set(),
    "lazy": set(),
    "words": set(),
    "plugins": {"errors"},
    "priors": {"emotions", "errors"},
    "images": {"errors", "privacy"},
    "evidence": set(),
    "prediction": {"emotions", "evidence", "drawing", "images"},
    "drawing": {"emotions", "errors", "images", "evidence", "prediction"},
    "inputs": {"errors", "images", "prediction", "data"},
    "runtime": {
        "drafts",
        "errors",
        "emotions",
        "evidence",
        "softmax",
        "images",
        "prediction",
        "privacy",
    },
    "metrics": {"errors", "emotions", "softmax"},
    "data": {"drafts", "errors", "emotions", "images", "metrics"},
    "collection": {
        *("drafts", "errors", "emotions", "images", "prediction", "runtime", "data", "metrics"),
    },
    "adapters": {
        *("drafts", "errors", "emotions", "images", "prediction", "runtime", "data", "collection"),
    },
    "runs": {"drafts", "errors", "emotions", "images", "data", "metrics"},
    "report": {
        "evidence",
        "drafts",
        "errors",
        "emotions",
        "images",
        "prediction",
        "drawing",
        "runtime",
        "data",
        "metrics",
        "runs",
    },
    "evaluation": {
        *("errors", "emotions", "softmax", "images", "prediction", "runtime", "data", "metrics"),
        "runs",
    },
    "tagger": {
        "drafts",
        "errors",
        "images",
        "prediction",
        "runtime",
        "data",
        "evaluation",
    },
    "serving": {
        *("drafts", "errors", "emotions", "evidence", "images", "prediction", "runtime", "data"),
        *("collection", "report"),
    },
    "video": {
        *("errors", "emotions", "softmax", "images", "prediction", "runtime", "evaluation"),
        *("tagger", "report"),
    },
    "documents": {"errors"},
    "papers": {"errors", "metrics", "runs", "documents"},
    "cards": {"drafts", "errors", "images", "documents", "runtime", "papers", "runs", "metrics"},
    "lab": {
        "drafts",
        "evidence",
        "errors",
        "emotions",
        "softmax",
        "images",
        "prediction",
        "privacy",
        "runtime",
        "data",
        "metrics",
        "runs",
        "evaluation",
        "documents",
        "papers",
        "cards",
    },
}


# They import nothing of Evoca, and every layer may use them.
EVERYWHERE = {"progress", "strict", "lazy", "plugins", "priors", "words"}

# Rooms inside the lab, from the ground up: each may use those before it.
ROOMS = (
    *("arrays", "logs", "config", "backbones", "models", "features", "heads", "training"),
    *("experiments", "export", "quantize", "estimator", "transfer"),
)

# Folders of tests of what lies outside the source: the pages.
NO_SOURCE = {"docs"}


def imports_of(layer: str) -> set[str]:
    folder = SOURCE / layer
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {n.split(".")[1] for n in names if n and n.startswith("evoca.")}
    return found - {layer}


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_lies_below_it(layer):
    allowed = MAY_IMPORT[layer] | (set() if layer in EVERYWHERE else EVERYWHERE)
    assert imports_of(layer) <= allowed


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_lab_uses_only_those_before_it(room):
    place = SOURCE / "lab" / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evoca.lab"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                found |= {name.split(".")[2] for name in names}
    assert found - {room} <= set(ROOMS[: ROOMS.index(room)])


def test_every_room_of_the_lab_has_its_place():
    rooms = {path.stem for path in (SOURCE / "lab").iterdir() if path.name != "__pycache__"}
    assert rooms - {"__init__"} == set(ROOMS)


def test_folders_of_tests_mirror_the_source():
    tests = Path(__file__).resolve().parent
    folders = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("*.py")}
    assert {name for name in folders if not (SOURCE / name).is_dir()} <= NO_SOURCE


@pytest.fixture(scope="module")
def structure():
    spec = spec_from_file_location("structure", SOURCE.parents[1] / "benchmarks" / "structure.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_modules_import_each_other(structure):
    assert structure.circles(structure.imported()) == []


def test_short_files_are_as_few_as_the_page_says(structure):
    page = (SOURCE.parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert f"fewer than one in\nten is below {structure.SHORT} lines" in page
    lines, short = structure.sizes()
    assert 10 * len(short) < len(lines), short
    named = page[page.index("what\nmany layers share (") :].partition(")")[0]
    assert set(re.findall(r"`([\w/]+\.py)`", named)) <= set(short)


def test_no_function_is_longer_than_a_screen(structure):
    assert structure.long_functions() == []


def test_the_base_imports_no_heavy_library():
    script = (
        "import sys, evoca, evoca.cli, evoca.commands.predict, evoca.commands.evaluate;"
        "import evoca.commands.compare, evoca.commands.matrix;"
        "import numpy; evoca.load().predict(numpy.zeros((8, 8, 3), 'uint8'));"
        "heavy = {'torch', 'timm', 'sklearn', 'scipy', 'pandas', 'onnx', 'duckdb'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
