"""The page, written once, on a static host, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from evoca.cli import app
from served_page import open_page
from static_host import hosted


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The page below a folder of the host, as on many static hosts."""
    root = tmp_path_factory.mktemp("host")
    (root / "museum").mkdir()
    done = CliRunner().invoke(app, ["page", "--out", str(root / "museum" / "page")])
    assert done.exit_code == 0, done.output
    return root / "museum" / "page"


@pytest.fixture(scope="module")
def opened(browser, written):
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
