"""Fixtures that several parts share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import ARGUMENTS, CHROMIUM

# A shell has what it starts in the background ignore interrupts, and nohup the end of a
# terminal; their children too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


ROOT = Path(__file__).resolve().parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:
    # The tests share the cores already; libraries read this when they are first imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# Files that take minutes; begun last, one of them would leave the other cores without work.
LONGEST = ("test_privacy.py", "test_models.py", "test_learning.py", "test_differential.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def _own_ledger(tmp_path_factory) -> Iterator[None]:
    """Keep the tests' evaluations out of the user's record of test uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVOCA_LEDGER", str(tmp_path_factory.mktemp("ledger") / "uses.sqlite3"))
        yield


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of example photographs."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Research photographs that are not part of the project; the test is skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "fi").is_dir():
        pytest.skip("needs the research photographs in ../shared/data, which are not distributed")
    return folder


@pytest.fixture(scope="module")
def browser():
    """Chromium, for the tests of pages; they are skipped where it is not installed."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")
    if CHROMIUM is None:
        pytest.skip("needs Chromium on the path (apt-get install chromium)")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
