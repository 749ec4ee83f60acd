"""The page of ``evoca predict --html``: whole, closed to the network, sorted and filtered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

import evoca
from browser import CONTRAST, NAMELESS
from evoca.errors import EvocaError
from evoca.report.prediction_page import PredictionPage

MAIN = "from evoca.cli import main; main()"


def predict(*arguments):
    command = [sys.executable, "-c", MAIN, "predict", *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def said_of(page):
    """The data of a page, as its script reads it."""
    (text,) = re.findall(r'id="payload">(.*?)</script>', page.read_text(encoding="utf-8"))
    return json.loads(text)


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory):
    """The pictures, one file that is none, and a drawn page."""
    root = tmp_path_factory.mktemp("folder")
    for path in sorted(pictures.rglob("*.jpg")):
        (root / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return root


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "page.html"
    done = predict(folder, "--html", out, "--format", "csv", "--sort", "awe")
    return out, done


def test_the_command_says_where_it_wrote_and_how_much(written):
    out, done = written
    size = f"{out.stat().st_size / 1e6:.1f} MB"
    assert done.returncode == 1
    assert f"evoca: {out}: 32 images, {size}\n" in done.stderr


def test_the_page_holds_what_the_table_says(written):
    import csv

    out, done = written
    rows = {row["path"].rpartition("/")[2]: row for row in csv.DictReader(done.stdout.splitlines())}
    data = said_of(out)
    run = data["runs"][0]
    assert len(data["names"]) == 32
    for name, row, shares in zip(data["names"], run["answer"], run["permille"], strict=True):
        said = rows[name.rpartition("/")[2]]
        assert run["labels"][row]["name"] == said["emotion"]
        assert max(shares) == round(float(said["confidence"]) * 1000)
    text = out.read_text(encoding="utf-8")
    assert "1 file could not be read" in text
    assert "/home" not in text
    assert str(out.parent) not in text
    assert "a&<b>" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_a_page_that_cannot_be_written_is_refused_first(tmp_path, examples):
    for place, message in (
        (tmp_path / "page.pdf", "name a file that ends in .html"),
        (tmp_path / "no" / "page.html", "there is no such folder to write into"),
    ):
        done = predict(examples, "--html", place)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
    (tmp_path / "bad.jpg").write_bytes(b"")
    done = predict(tmp_path / "bad.jpg", "--html", tmp_path / "page.html")
    assert "not written, since there is no image to show" in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_only_what_is_asked_for_is_on_the_page(folder, tmp_path):
    out = tmp_path / "page.html"
    predict(folder, "--html", out, "--emotion", "contentment")
    data = said_of(out)
    labels = data["runs"][0]["labels"]
    assert {labels[answer]["name"] for answer in data["runs"][0]["answer"]} == {"contentment"}


def test_a_page_has_a_largest_size(examples):
    model = evoca.load()
    page = PredictionPage(model.labels, expected=6, most_images=2)
    for predicted in model.stream(sorted(examples.glob("*.jpg")), picture_side=page.side):
        page.add(predicted)
    assert page._notes() == ["The page holds the first 2 of 6 images."]
    with pytest.raises(ValueError, match="keep their picture"):
        PredictionPage(model.labels, expected=1).add(model.predict(examples / "china.jpg"))
    with pytest.raises(EvocaError, match="there is no image to show"):
        PredictionPage(model.labels, expected=1).write(examples / "no.html")


@pytest.fixture(scope="module")
def expect():
    return pytest.importorskip("playwright.sync_api", reason="needs playwright").expect


def names_shown(page):
    return page.locator(".card .name").evaluate_all("nodes => nodes.map((n) => n.title)")


def test_every_order_is_that_of_the_predictions(opened, written, expect):
    out, _ = written
    data = said_of(out)
    run = data["runs"][0]
    page = opened(out)
    order = page.get_by_label("order")
    expect(order).to_have_value("e2")  # --sort awe
    expect(page.locator(".shown-count")).to_have_text("32 of 32 images")

    def by(key):
        return [data["names"][row] for row in sorted(range(32), key=key)]

    for value, key in {
        "given": lambda row: row,
        **{f"e{k}": lambda row, k=k: -run["permille"][row][k] for k in range(8)},
        "positive": lambda row: -run["positive"][row],
        "negative": lambda row: run["positive"][row],
    }.items():
        order.select_option(value)
        assert names_shown(page) == by(key), value
    order.select_option("sure")
    assert max(run["permille"][data["names"].index(names_shown(page)[0])]) >= 500


def test_every_filter_keeps_what_it_says(opened, written, expect):
    out, _ = written
    data = said_of(out)
    run = data["runs"][0]
    page = opened(out)
    count = page.locator(".shown-count")
    answer = run["answer"][0]
    page.locator(f"input[name=likeliest][value='{answer}']").check(force=True)
    expect(count).to_have_text(f"{run['answer'].count(answer)} of 32 images")
    page.get_by_role("button", name="Clear").click()
    page.locator("[name=plausible]").select_option("1")
    expect(count).to_have_text(f"{sum(1 in one for one in run['sets'])} of 32 images")
    page.get_by_role("button", name="Clear").click()
    page.locator("[name=polarity]").select_option("negative")
    expect(count).to_have_text(f"{sum(p < 500 for p in run['positive'])} of 32 images")
    page.get_by_role("button", name="Clear").click()
    page.locator("[name=doubt]").select_option("4 99")
    expect(count).to_have_text(f"{sum(len(one) >= 4 for one in run['sets'])} of 32 images")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("searchbox").fill("A&<B>")
    expect(count).to_have_text("1 of 32 images")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("order")).to_have_value("e2")


def test_evidence_shows_on_hover_on_focus_and_in_full(opened, written, expect):
    page = opened(written[0])
    view = page.locator(".view").first
    expect(view).not_to_have_class(re.compile("explained|covered"))
    expect(view.locator("img")).to_have_css("filter", "none")
    view.hover()
    expect(view.locator(".says")).to_have_text("for awe")  # what the page is sorted by
    page.locator(".short-bars li").first.hover()
    expect(view.locator("canvas")).to_have_count(1)
    page.mouse.move(0, 0)
    expect(view.locator("canvas")).to_have_count(0)
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Tab")
    expect(view).to_be_focused()
    expect(view.locator("canvas")).to_have_count(1)
    page.keyboard.press("Enter")
    detail = page.locator("#detail")
    expect(detail.get_by_role("radio")).to_have_count(8)
    expect(detail.get_by_role("radio").first).to_be_checked()
    expect(detail).to_contain_text(re.compile(r"On the whole (positive|negative) \d+%"))
    expect(detail.locator(".bars tr")).to_have_count(8)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(view).to_be_focused()


def test_negative_images_can_be_covered(opened, written, expect):
    page = opened(written[0])
    negative = page.locator("[data-delicate]").count()
    expect(page.locator(".covered")).to_have_count(0)
    page.get_by_label("Show negative images uncovered").uncheck()
    expect(page.locator(".covered")).to_have_count(negative)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_it_fits_and_stands_out(opened, written, scheme, width):
    page = opened(written[0], color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    page.locator(".view").first.click()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_thumbnails_are_decoded_near_the_window_alone(opened, folder, tmp_path):
    for i in range(90):
        source = folder / f"awe-awe{i % 4}.jpg"
        (tmp_path / f"{i}.jpg").write_bytes(source.read_bytes())
    predict(tmp_path, "--html", tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    assert page.locator(".card").count() == 60
    assert page.locator(".card img[src]").count() < 60
    page.mouse.wheel(0, 20_000)
    page.wait_for_function("document.querySelectorAll('.card').length === 90")
