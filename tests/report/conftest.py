"""A small run on small pictures, with everything that a report can show."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from evoca.data.manifest.labelled import load_labelled
from evoca.report import build_report
from report_samples import LABELS, PER_LABEL, predictions_of, silent, write_run
from samples import photo


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Four small photographs an emotion, half of them grey; one has a name to beware of."""
    root = tmp_path_factory.mktemp("pictures")
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 0.0)
    for k, label in enumerate(LABELS):
        (root / label).mkdir()
        for i in range(PER_LABEL):
            picture = photo(("coffee", "chelsea", "flower", "rocket")[i], (96, 64 + k))
            picture = picture.convert("L") if i % 2 else picture
            name = f"{'a&<b>' if (k, i) == (0, 0) else label}{i}.jpg"
            picture.save(root / label / name, exif=exif)
    return root


@pytest.fixture(scope="session")
def names(pictures) -> list[str]:
    return list(load_labelled(pictures).names)


@pytest.fixture(scope="session")
def run(tmp_path_factory, names):
    return write_run(tmp_path_factory.mktemp("runs") / "first", predictions_of(names))


@pytest.fixture(scope="session")
def second(tmp_path_factory, names):
    """Another run, of two repeats, whose folder has a hostile name."""
    folder = tmp_path_factory.mktemp("runs") / "b<i>&amp;"
    return write_run(folder, predictions_of(names, seed=1, repeats=2))


@pytest.fixture(scope="session")
def page_of(tmp_path_factory, pictures):
    """Build a page of runs and return its file."""

    def build(*runs, data=True, **options):
        out = tmp_path_factory.mktemp("pages") / "report.html"
        labelled = load_labelled(pictures) if data else None
        options = {"models": [None] * len(runs), "look_for": "colour", **options}
        build_report(runs, out, labelled, silent, **options)
        return out

    return build


@pytest.fixture
def opened(browser):
    """Open a page; afterwards it must have complained of nothing and asked for nothing."""
    complaints, requests = [], []
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)

    def open_page(file, **emulation):
        page = context.new_page()
        page.emulate_media(**emulation)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: m.type in {"error", "warning"} and complaints.append(m.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    assert complaints == []
    outside = [url for url in requests if not url.startswith(("file://", "data:"))]
    assert outside == []
    assert sum(url.startswith("file://") for url in requests) == 1, "the page alone is read"
    context.close()
