"""What to type to install a part that is missing; errors are caught by whom they are meant for."""

import ast
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import evoca
from evoca.errors import MissingExtraError, install_hint

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "evoca"


class Installed:
    """A distribution that was installed from somewhere."""

    def __init__(self, direct_url: str | None) -> None:
        self._direct_url = direct_url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._direct_url


FOLDER = f'{{"url": "{ROOT.as_uri()}", "dir_info": {{"editable": true}}}}'
GONE = '{"url": "file:///gone/ev%20oca", "dir_info": {}}'
WHEEL = '{"url": "file:///a/evoca-1-py3-none-any.whl", "archive_info": {}}'
GIT = '{"url": "https://host/evoca.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}'


@pytest.mark.parametrize(
    ("direct_url", "extra", "expected"),
    [
        (FOLDER, "data", f"pip install '.[data]' in {ROOT}"),
        (FOLDER, "", f"pip install . in {ROOT}"),
        (GONE, "data", "pip install '.[data]' in the clone of Evoca"),
        (WHEEL, "data", "pip install 'evoca[data] @ file:///a/evoca-1-py3-none-any.whl'"),
        (GIT, "data", "pip install 'evoca[data] @ git+https://host/evoca.git'"),
        ("not JSON", "data", "pip install '.[data]' in the clone of Evoca"),
        (None, "data", "pip install 'evoca[data]'"),
        (None, "", "pip install evoca"),
    ],
)
def test_the_hint_follows_how_evoca_was_installed(monkeypatch, direct_url, extra, expected):
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed(direct_url))
    assert install_hint(extra) == expected
    if extra:
        assert str(MissingExtraError("this", extra, "duckdb")).endswith(expected)


def test_the_hint_where_nobody_installed_it(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", absent)
    assert install_hint(options="--upgrade") == "pip install --upgrade . in the clone of Evoca"


def test_the_version_is_written_once():
    assert "version =" not in (ROOT / "pyproject.toml").read_text().split("dependencies = [")[0]
    assert f"\nversion: {evoca.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def _names(node: ast.expr | None) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node else set()


def test_no_reader_catches_an_error_of_its_own():
    """Ours are ValueErrors too: one raised where these are caught would be wrapped in another."""
    ours = {"BundleError", "DataError", "ImageError", "PriorError", "RecipeError"}
    caught = []
    for file in sorted(SOURCE.rglob("*.py")):
        for tried in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(tried, ast.Try):
                continue
            inside = [
                node.exc.func.id
                for part in tried.body
                for node in ast.walk(part)
                if isinstance(node, ast.Raise)
                and isinstance(node.exc, ast.Call)
                and isinstance(node.exc.func, ast.Name)
            ]
            for name in ours.intersection(inside):
                first = next(
                    (
                        _names(h.type)
                        for h in tried.handlers
                        if _names(h.type) & {name, "EvocaError", "ValueError", "Exception"}
                    ),
                    set(),
                )
                if first & {"ValueError", "Exception"}:
                    caught.append(f"{file.relative_to(SOURCE)}:{tried.lineno}: {name}")
    assert caught == []
