"""The report in a real browser: Chromium, where it is installed."""

from __future__ import annotations

import json
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")

from playwright.sync_api import expect

import evoca
from browser import CONTRAST, NAMELESS


@pytest.fixture(scope="module")
def one(run, page_of):
    return page_of(run, models=[evoca.load()])


@pytest.fixture(scope="module")
def two(run, second, page_of):
    return page_of(run, second)


def cell(page, truth, predicted):
    return page.get_by_role("button", name=re.compile(f"^{truth} predicted as {predicted}:")).first


def section(page, name):
    return page.locator(f"#run-0-{name}")


def test_every_cell_opens_the_images_it_counts(opened, one):
    page = opened(one)
    buttons = page.locator(".matrix td button[data-open]")
    for i in range(buttons.count()):
        button = buttons.nth(i)
        count = int(button.locator(".count").inner_text())
        button.click()
        plural = "" if count == 1 else "s"
        expect(page.locator("#gallery-count")).to_have_text(f"{count} image{plural}")
        expect(page.locator("#gallery .card")).to_have_count(count)
        page.keyboard.press("Escape")
        expect(button).to_be_focused()


def test_cells_show_counts_or_shares(opened, one):
    page = opened(one)
    button = page.locator(".matrix td.right button[data-open]").first
    assert "%" not in button.inner_text()
    page.get_by_label("share of the row").check()
    assert re.fullmatch(r"\d+%", button.inner_text())


def test_the_matrix_by_keyboard_alone(opened, one):
    page = opened(one)
    assert page.locator(".matrix td button[tabindex='0']").count() == 1
    cell(page, "amusement", "amusement").focus()
    page.keyboard.press("ArrowDown")
    expect(cell(page, "anger", "amusement")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cell(page, "anger", "anger")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#gallery-title")).to_have_text("anger predicted as anger")
    page.keyboard.press("Escape")
    expect(page.locator("#gallery")).to_be_hidden()
    expect(cell(page, "anger", "anger")).to_be_focused()
    for _ in range(9):
        page.keyboard.press("ArrowLeft")  # stops at the edge
    expect(cell(page, "anger", "amusement")).to_be_focused()


def test_filters_filter_and_clear(opened, one, run):
    page = opened(one)
    images = section(page, "images")
    cards, count = images.locator(".card"), images.locator(".shown-count")
    expect(count).to_have_text("32 of 32 images")
    truth = run.predictions.truth
    answer = run.predictions.mean.argmax(axis=1)
    images.get_by_label("outcome").select_option("wrong")
    expect(count).to_have_text(f"{(truth != answer).sum()} of 32 images")
    images.get_by_label("true").select_option("awe")
    wrong = int(((truth != answer) & (truth == 2)).sum())
    expect(cards).to_have_count(wrong)
    images.get_by_role("button", name="Clear").click()
    expect(count).to_have_text("32 of 32 images")
    images.get_by_label("picture").select_option("monochrome")
    expect(count).to_have_text("16 of 32 images")
    images.get_by_label("votes").select_option("divided")
    expect(count).to_have_text("8 of 32 images")
    images.get_by_label("votes").select_option("unanimous")
    expect(count).to_have_text("0 of 32 images")
    images.get_by_role("button", name="Clear").click()
    images.get_by_role("searchbox").fill("A&<B>")
    expect(cards).to_have_count(1)
    images.get_by_role("searchbox").fill("")
    images.get_by_label("order").select_option("name")
    expect(cards.first.locator(".name")).to_have_text("amusement/a&<b>0.jpg")


def test_negative_images_are_covered_until_asked_for(opened, one):
    page = opened(one)
    images = section(page, "images")
    images.get_by_label("true").select_option("fear")
    view = images.locator(".view").first
    expect(view).to_have_class(re.compile("covered"))
    assert view.get_attribute("aria-label").startswith("Show the image fear/")
    assert "blur" in view.locator("img").evaluate("e => getComputedStyle(e).filter")
    view.click()
    expect(view).not_to_have_class(re.compile("covered"))
    expect(view.locator("img")).to_have_css("filter", "none")
    expect(page.locator("#detail")).to_be_hidden()
    view.click()
    expect(page.locator("#detail")).to_be_visible()
    page.keyboard.press("Escape")
    assert images.locator(".covered").count() == 3
    page.get_by_label("Show every image at once").check()
    assert page.locator(".covered").count() == 0
    page.get_by_label("Show every image at once").uncheck()
    assert images.locator(".covered").count() == 3, "what was uncovered stays so"


def test_what_is_told_positive_and_predicted_so_is_not_covered(opened, one, run):
    page = opened(one)
    images = section(page, "images")
    positive = {0, 2, 3, 5}
    answers = run.predictions.probabilities[0].argmax(axis=1)
    pairs = zip(run.predictions.truth, answers, strict=True)
    clear = sum(t in positive and a in positive for t, a in pairs)
    assert images.locator(".view:not(.covered)").count() == clear


def test_an_image_in_full_with_its_evidence(opened, one, run):
    page = opened(one)
    images = section(page, "images")
    images.get_by_label("order").select_option("name")
    images.locator(".name button").first.click()
    detail = page.locator("#detail")
    expect(page.locator("#detail-title")).to_have_text("amusement/a&<b>0.jpg")
    assert detail.locator(".bars tr").count() == 8
    row = run.predictions.images.index("amusement/a&<b>0.jpg")
    top = run.predictions.probabilities[0, row].max()
    assert detail.locator(".bars tr").first.inner_text().endswith(f"{top * 100:.0f}%")
    assert page.evaluate(
        "document.querySelector('canvas').getContext('2d')"
        ".getImageData(0, 0, 10, 10).data.some((v) => v > 0)"
    )
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail-title")).not_to_have_text("amusement/a&<b>0.jpg")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#detail-title")).to_have_text("amusement/a&<b>0.jpg")
    expect(detail.get_by_role("button", name="Previous image")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(images.locator(".name button").first).to_be_focused()


def test_the_map_of_a_covered_image_is_hidden(opened, one):
    page = opened(one)
    images = section(page, "images")
    images.get_by_label("true").select_option("fear")
    images.locator(".name button").first.click()
    expect(page.locator("#detail .evidence")).to_be_hidden()
    page.locator("#detail").get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#detail .evidence")).to_be_visible()


def test_tables_sort(opened, one):
    page = opened(one)
    table = section(page, "emotions").locator("table")
    head = table.get_by_role("columnheader", name="recall", exact=True).first
    for direction in ("ascending", "descending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", direction)
        values = table.locator("tbody td:nth-child(4)").evaluate_all(
            "cells => cells.map((c) => Number(c.dataset.value))"
        )
        assert values == sorted(values, reverse=direction == "descending")


def test_runs_have_tabs_and_a_comparison(opened, two, second):
    page = opened(two)
    expect(page.get_by_role("tab", selected=True)).to_have_text("Comparison")
    expect(page.locator("#run-0")).to_be_hidden()
    page.get_by_role("tab", selected=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", selected=True)).to_have_text(second.name)
    expect(page.locator("#run-1")).to_be_visible()
    page.keyboard.press("ArrowRight")
    outcome = page.locator(".outcomes button:enabled").first
    count = int(outcome.locator("strong").inner_text())
    outcome.click()
    expect(page.locator("#gallery .card")).to_have_count(count)


def test_repeats_are_counted_by_image(opened, two):
    page = opened(two)
    page.get_by_role("tab").last.click()
    button = page.locator("#run-1 .matrix td.wrong button[data-open]").first
    button.click()
    texts = page.locator("#gallery .card").all_text_contents()
    assert all(re.search(r"wrong in [12] of 2", text) for text in texts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 800, 390])
def test_nothing_is_wider_than_the_window(opened, two, scheme, width):
    page = opened(two, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, one, scheme):
    page = opened(one, color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate(CONTRAST) == []
    page.locator(".matrix td button[data-open]").first.click()
    assert page.evaluate(CONTRAST) == []


def test_everything_has_a_name(opened, two):
    page = opened(two)
    for tab in page.get_by_role("tab").all():
        tab.click()
        nameless = page.evaluate(NAMELESS)
        assert nameless == []


def test_without_images_the_page_works_as_well(opened, run, page_of):
    page = opened(page_of(run, images=False))
    button = page.locator(".matrix td.wrong button[data-open]").first
    count = int(button.locator(".count").inner_text())
    button.click()
    expect(page.locator("#gallery .card")).to_have_count(count)
    assert page.locator("img").count() == 0
    page.locator("#gallery .name button").first.click()
    assert page.locator("#detail .bars tr").count() == 8


def test_what_requests_hold_is_what_python_wrote(opened, one):
    page = opened(one)
    asked = page.locator("[data-open], [data-fill]").evaluate_all(
        "nodes => nodes.map((n) => n.dataset.open ?? n.dataset.fill)"
    )
    known = {"truth", "predicted", "outcome", "agreement", "trait", "without", "rows"}
    assert asked
    assert all(set(json.loads(one)) <= known for one in asked)


def test_motion_is_spared_where_that_is_asked(opened, one):
    page = opened(one, reduced_motion="reduce")
    assert page.locator(".view img").first.evaluate(
        "e => getComputedStyle(e).transitionDuration"
    ) in {"0s", "0s, 0s"}
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
