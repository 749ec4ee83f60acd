"""Fill ``build/docs`` with the pages of the site: copied from here, or made from their sources.

    python docs/build.py && zensical build --strict && python docs/api.py build/site   # make docs

Commands are described by the command line itself, recipes by their files, functions by their
docstrings. A link to a file that is no page is an error.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from api import API
from notebooks import as_page
from typer.main import get_command
from typer.testing import CliRunner

from evoca.cli import app
from evoca.lab.config.describe import in_words
from evoca.lab.config.recipe import load_recipe, recipe_names

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "docs"
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages beside those in this folder, and what they are called on the site."""
# Files that pages link to and that are shown as they are.
PLAIN = ("LICENSE", "CITATION.cff", "src/evoca/models/LICENSE-WEIGHTS", "examples/README.md")
PLAIN += ("benchmarks/README.md", "Dockerfile")
_LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")


def main() -> None:
    """Write all pages."""
    shutil.rmtree(TARGET, ignore_errors=True)
    sources = {ROOT / "docs" / path.relative_to(ROOT / "docs"): path for path in _own_pages()}
    places = {path: path.relative_to(ROOT / "docs").as_posix() for path in sources}
    places |= {ROOT / name: page for name, page in PAGES.items()}
    files = {ROOT / name: f"files/{name.replace('/', '-')}.txt" for name in PLAIN}
    images = {path: f"images/{path.name}" for path in (ROOT / "docs" / "images").iterdir()}
    books = {
        path: f"notebooks/{path.stem}.md" for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")
    }
    known = places | files | images | books
    for path, page in places.items():
        _write(page, _relinked(path, page, known))
    for path, place in (files | images).items():
        target = TARGET / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        _write(f"notebooks/{path.stem}.md", "\n".join(as_page(notebook)))
    _write("commands.md", "\n".join(_commands()))
    _write("recipe-list.md", "\n".join(_recipes()))
    _write("api.md", "\n".join(_api()))


def _own_pages() -> Iterator[Path]:
    yield from (ROOT / "docs").rglob("*.md")


def _write(page: str, text: str) -> None:
    target = TARGET / page
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.rstrip() + "\n", encoding="utf-8")


def _relinked(path: Path, page: str, known: dict[Path, str]) -> str:
    """Return a page whose links lead to where the files are on the site.

    Raises:
        SystemExit: a link leads to a file that the site does not have.
    """

    def place(match: re.Match[str]) -> str:
        target = (path.parent / match[1]).resolve()
        if target not in known:
            raise SystemExit(f"{path.relative_to(ROOT)}: links to {match[1]}, which is no page")
        return posixpath.relpath(known[target], posixpath.dirname(page) or ".")

    text = path.read_text(encoding="utf-8")
    return re.sub(r"^<!-- ci: .* -->\n", "", _LINK.sub(place, text), flags=re.MULTILINE)


def _commands() -> Iterator[str]:
    yield "# Commands\n\nAs `evoca COMMAND --help` prints them.\n"
    yield from _described((), get_command(app))


def _described(names: tuple[str, ...], command: Any) -> Iterator[str]:
    if hasattr(command, "list_commands"):
        for inner in command.list_commands(None):
            yield from _described((*names, inner), command.get_command(None, inner))
        return
    done = CliRunner().invoke(app, [*names, "--help"], prog_name="evoca", terminal_width=100)
    if done.exit_code:
        raise SystemExit(f"evoca {' '.join(names)} --help: {done.output}")
    yield f"## evoca {' '.join(names)}\n\n```text\n{done.output.strip()}\n```\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _recipes() -> Iterator[str]:
    yield "# Recipes, one by one\n\nAs `evoca recipes show NAME` prints them.\n"
    for name in recipe_names():
        recipe = load_recipe(name)
        yield f"## {name}\n"
        for heading, lines in in_words(recipe):
            yield f"**{heading}**\n"
            yield from (f"- {_plain(line)}" for line in lines)
            yield ""


def _api() -> Iterator[str]:
    yield "# Python\n\nArguments with shapes, units and ranges, and the errors that are raised.\n"
    for module, names in API.items():
        import_module(module)
        yield f"## {module}\n"
        yield from (f"::: {module}.{name}\n" for name in names)


if __name__ == "__main__":
    main()
