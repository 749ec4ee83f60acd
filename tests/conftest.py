"""Fixtures that several parts share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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
