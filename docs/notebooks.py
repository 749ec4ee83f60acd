"""Run the notebooks of this folder and write what each cell prints into them.

    python docs/notebooks.py           # all of docs/notebooks/*.ipynb, in place

A cell runs in a fresh process's names, in an empty folder beside a link to ``examples/``; its last
expression is shown, as a picture where it has one. No server and no further package is needed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "docs" / "notebooks"


def main() -> None:
    """Run every notebook, in place."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        content = executed(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs that its cells have now.

    Raises:
        Exception: what a cell raises.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    with _working_folder():
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                cell["execution_count"] = count
                cell["outputs"] = list(_run("".join(cell["source"]), names, count))
    return notebook


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _run(source: str, names: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    tree = ast.parse(source)
    shown = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102 - our own notebooks
        if shown is not None:
            expression = ast.Expression(shown.value)
            value = eval(compile(expression, "<cell>", "eval"), names)  # noqa: S307
    if printed.getvalue():
        yield {"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())}
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        yield {
            "output_type": "execute_result",
            "execution_count": count,
            "data": data,
            "metadata": {},
        }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def as_page(notebook: dict[str, Any]) -> Iterator[str]:
    """Yield a notebook as Markdown: its texts, its code and what the code printed."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source + "\n"
            continue
        yield f"```python\n{source}\n```\n"
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "text/html" in data:
                yield "".join(data["text/html"]) + "\n"
            else:
                text = output.get("text") or data["text/plain"]
                yield "```text\n" + "".join(text).rstrip() + "\n```\n"


if __name__ == "__main__":
    sys.exit(main())
