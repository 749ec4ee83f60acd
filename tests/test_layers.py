"""Dependencies point one way: read from the imports of every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "evoca"
MAY_IMPORT = {
    "errors": set(),
    "emotions": set(),
    "softmax": set(),
    "privacy": set(),
    "drafts": set(),
    "images": {"errors", "privacy"},
    "prediction": {"emotions", "drawing", "images"},
    "drawing": {"emotions", "images", "prediction"},
    "terminal": {"errors", "emotions", "prediction"},
    "runtime": {"errors", "emotions", "softmax", "images", "prediction", "privacy"},
    "metrics": {"errors", "emotions", "softmax"},
    "data": {"drafts", "errors", "emotions", "images", "terminal", "exits", "metrics"},
    "runs": {"drafts", "errors", "emotions", "images", "data", "metrics"},
    "report": {
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
    "evaluation": {"errors", "emotions", "images", "runtime", "data", "metrics", "runs"},
    "documents": {"errors"},
    "papers": {"errors", "metrics", "runs", "documents"},
    "cards": {"errors", "images", "documents", "runtime", "papers", "runs", "metrics"},
    "lab": {
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
        "documents",
        "papers",
        "cards",
    },
}


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
    assert imports_of(layer) <= MAY_IMPORT[layer]


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
