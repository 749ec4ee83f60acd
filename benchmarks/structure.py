"""Count how far one has to walk through the code to follow what a command does.

For three commands on small data: how many of the project's files they enter, and how often
the next call is into another file. Then circles between modules, short files and long functions.

    python benchmarks/structure.py
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from PIL import Image

import evoca
from evoca.emotions import MIKELS8

SOURCE = Path(evoca.__file__).resolve().parent
SHORT = 60
LONG = 60
EACH = 12


class Walk:
    """Which files are entered, in the order of the calls.

    Attributes:
        files: that were entered.
        changes: calls into another file than that of the call before.
    """

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.changes = 0
        self.pairs: Counter[tuple[str, str]] = Counter()
        self._last = threading.local()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call; what only runs because a module is imported does not count."""
        if event != "call":
            return
        file = frame.f_code.co_filename
        if not file.startswith(str(SOURCE)) or frame.f_code.co_name == "<module>":
            return
        last = getattr(self._last, "file", None)
        self._last.file = file
        self.files.add(file)
        if last != file:
            self.changes += 1
            self.pairs[(last or "", file)] += 1


def walk(*command: str) -> Walk:
    """Return what a command enters; what it prints is dropped.

    Raises:
        RuntimeError: it fails.
    """
    from evoca.cli import app

    found = Walk()
    said = io.StringIO()
    status: object = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        threading.setprofile(found)
        sys.setprofile(found)
        try:
            status = app(list(command), standalone_mode=False)
        except SystemExit as end:
            status = end.code
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
    if status:
        raise RuntimeError(f"evoca {' '.join(command)}: {said.getvalue()}")
    return found


def draw(folder: Path) -> Path:
    """Draw a few pictures for each emotion; return a manifest with votes."""
    random = np.random.default_rng(0)
    rows = []
    for code, emotion in enumerate(MIKELS8):
        for number in range(EACH):
            name = f"{emotion}{number}.png"
            pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name)
            votes = [str(3 * (k == code) + int(random.integers(2))) for k in range(len(MIKELS8))]
            rows.append(",".join([name, *votes]))
    head = ",".join(["image", *(f"votes_{emotion}" for emotion in MIKELS8)])
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join([head, *rows]) + "\n")
    return manifest


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the commands by their names."""
    manifest = draw(folder)
    os.environ["EVOCA_CACHE"] = str(folder / "cache")  # nothing is cached before
    data = ("--data", str(manifest))
    short = ("--set", "model.backbone=squeezenet1_1", "--set", "model.weights=random")
    sizes = ("--set", "preprocessing.height=64", "--set", "preprocessing.width=64")
    epochs = ("--set", "steps.branches.epochs=1", "--set", "steps.stacking.epochs=1")
    return {
        "predict": ("predict", str(folder / "awe0.png")),
        "train distribution-kl": (
            *("train", "distribution-kl", *data, "--out", str(folder / "trained")),
            *("--set", "steps.head.epochs=3"),
        ),
        "crossval najid2018-resnet101-ensemble": (
            *("crossval", "najid2018-resnet101-ensemble", *data, "--folds", "2"),
            *("--set", "protocol.validation=0.2"),
            *(*short, *sizes, *epochs, "--out", str(folder / "crossed")),
        ),
    }


def imported() -> dict[str, set[str]]:
    """Return which modules of the project each imports, for running and not for types alone."""
    modules = {
        ".".join(("evoca", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in SOURCE.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        found[name] = set()
        for node in _run(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [n if n in modules else node.module for n in inner]
            else:
                continue
            found[name] |= {n for n in names if n in modules and n != name}
    return found


def _run(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes but those under ``if TYPE_CHECKING``."""
    nodes = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
            continue
        nodes.append(node)
        waiting += ast.iter_child_nodes(node)
    return nodes


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, by Tarjan's algorithm (1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def sizes() -> tuple[list[int], list[str]]:
    """Return the lines of each file, and the names of short ones, fronts of packages left out."""
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCE.rglob("*.py")}
    short = [p for p, count in lines.items() if count < SHORT and p.name != "__init__.py"]
    return list(lines.values()), sorted(_short(str(p)) for p in short)


def long_functions() -> list[str]:
    """Return the functions of which what follows signature and docstring is above 60 lines."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and (body[-1].end_lineno or 0) - body[0].lineno >= LONG:
                found.append(f"{_short(str(path))}: {node.name}")
    return found


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        for title, command in commands(Path(name)).items():
            one = walk(*command)
            print(f"{title}: {len(one.files)} files entered, {one.changes:,} changes of file")
            if "-v" in sys.argv:
                for (a, b), count in one.pairs.most_common(25):
                    print(f"{count:>7} {_short(a)} -> {_short(b)}")
    graph = imported()
    for group in circles(graph):
        print(f"circle: {', '.join(group)}")
    print(f"{len(circles(graph))} circles between modules")
    lines, short = sizes()
    median = int(np.median(lines))
    print(f"{len(lines)} files of median {median} lines; {len(short)} below {SHORT} lines")
    print(f"{len(long_functions())} functions above {LONG} lines")


def _short(file: str) -> str:
    return Path(file).relative_to(SOURCE).as_posix() if file else "-"


if __name__ == "__main__":
    main()
