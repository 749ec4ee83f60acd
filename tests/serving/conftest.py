"""A server of the real command on loopback, for the tests of the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx2", reason="needs the extra data")

from server_process import Server

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
