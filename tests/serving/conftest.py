"""A server of the real command on loopback, and the page: written once, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx2", reason="needs the extra data")

from typer.testing import CliRunner

from evoca.cli import app
from served_page import Opened, open_page
from server_process import Server
from static_host import hosted

Start = Callable[..., Server]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts a server with options of the command."""
    running: list[Server] = []

    def begin(*options: str, **given: list[str]) -> Server:
        running.append(Server(*options, **given))
        return running[-1]

    yield begin
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests that change nothing of it."""
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A file of API keys, and its content."""
    found = {"museum": "m" * 32, "school": "s" * 40}
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    lines = "".join(f"{name} {key}\n" for name, key in found.items())
    file.write_text(f"# name and key\n\n{lines}")
    return file, found


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The page below a folder of the host, as on many static hosts."""
    root = tmp_path_factory.mktemp("host")
    (root / "museum").mkdir()
    done = CliRunner().invoke(app, ["page", "--out", str(root / "museum" / "page")])
    assert done.exit_code == 0, done.output
    return root / "museum" / "page"


@pytest.fixture(scope="module")
def opened(browser, written) -> Iterator[Opened]:
    """The page in a browser, its model loaded, then without a network: its host has ended."""
    with hosted(written.parent.parent) as address:
        opened = open_page(browser, f"{address}museum/page/", service_workers="block")
        opened.page.evaluate("() => window.evoca.backend.predict([], {}, () => {})")
    opened.context.set_offline(True)
    yield opened
    assert opened.complaints == []
    outside = [url for url in opened.requests if not url.startswith((opened.address, "blob:"))]
    assert outside == []
    opened.context.close()
