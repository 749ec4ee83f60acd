"""The review page in a real browser: Chromium, where it is installed."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")

from playwright.sync_api import expect

from evoca.data.collect import Candidate, ReviewServer, ReviewStore


@pytest.fixture
def store(picture, tmp_path):
    """One question for each of four emotions, two of them negative."""
    store = ReviewStore(tmp_path)
    for n, emotion in enumerate(("awe", "fear", "contentment", "disgust")):
        path = tmp_path / f"{emotion}.png"
        picture(n).save(path)
        store.add([Candidate(path, str(n), (256, 192), {emotion: ""})])
    yield store
    store.close()


@pytest.fixture
def page(browser, store):
    with ReviewServer(store) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        context = browser.new_context(viewport={"width": 1100, "height": 760})
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.goto(server.url)
        yield page
        assert page.complaints == []
        context.close()
        server.shutdown()


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def begin(page, name):
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    page.get_by_text(f"Reviewing as {name}").wait_for()


def shown(page):
    """Return the emotion asked for, once its picture is there; a covered one is uncovered."""
    expect(page.locator("#emotion")).not_to_be_empty()  # the question has come
    emotion = page.locator("#emotion").inner_text()
    if emotion in {"fear", "disgust"}:
        page.locator("#stage.covered").wait_for()
        page.keyboard.press("v")
    expect(button(page, "Yes")).to_be_enabled()
    return emotion


def answered(page, count):
    page.get_by_text(f"{count} of 4").wait_for()


def test_a_review_by_keyboard_alone(page, store):
    expect(page.get_by_label("Your name")).to_be_focused()
    begin(page, "Ada")
    given = {}
    for count, key in enumerate("ynsy", start=1):
        given[shown(page)] = {"y": "accept", "n": "reject", "s": "skip"}[key]
        page.keyboard.press(key)
        if count < 4:
            answered(page, count)
    page.get_by_text("That was all. Thank you!").wait_for()
    assert {vote.emotion: vote.verdict for vote in store.votes()} == given
    assert {vote.annotator for vote in store.votes()} == {"Ada"}
    assert page.locator("#accepted").inner_text() == "2"

    page.keyboard.press("u")
    answered(page, 3)
    assert len(store.votes()) == 3


def test_a_review_by_mouse_and_an_undo(page, store):
    begin(page, "Bela")
    first = shown(page)
    button(page, "No").click()
    answered(page, 1)
    button(page, "Undo").click()
    answered(page, 0)
    assert page.locator("#emotion").inner_text() == first
    assert store.votes() == []
    assert button(page, "Undo").is_disabled()


def test_negative_candidates_are_covered_and_not_judged_unseen(page, store):
    begin(page, "Ada")
    seen = Counter()
    for count in range(1, 5):
        emotion = page.locator("#emotion").inner_text()
        covered = page.locator("#stage.covered").count() == 1
        seen[emotion, covered] += 1
        if covered:
            page.keyboard.press("y")
            assert button(page, "Yes").is_disabled()
            assert len(store.votes()) == count - 1
            button(page, "Show the image").click()
        shown_now = button(page, "Yes")
        expect(shown_now).to_be_enabled()
        shown_now.click()
        if count < 4:
            answered(page, count)
    assert set(seen) == {
        ("awe", False),
        ("contentment", False),
        ("fear", True),
        ("disgust", True),
    }


def test_the_blur_can_be_switched_off_and_stays_off(page):
    page.evaluate("localStorage.setItem('evoca-cover', 'no')")
    page.reload()
    begin(page, "Ada")
    for count in range(1, 4):
        assert page.locator("#stage.covered").count() == 0
        expect(button(page, "Yes")).to_be_enabled()
        page.keyboard.press("y")
        answered(page, count)


def test_several_people_on_one_page(page, store):
    for name in ("Ada", "Bela"):
        begin(page, name)
        answered(page, 0)
        shown(page)
        page.keyboard.press("y")
        answered(page, 1)
        button(page, "change").click()
    assert sorted(vote.annotator for vote in store.votes()) == ["Ada", "Bela"]
    page.reload()
    assert page.get_by_label("Your name").input_value() == "Bela"


def test_a_held_key_answers_once(page, store):
    begin(page, "Ada")
    shown(page)
    page.keyboard.down("s")
    page.keyboard.down("s")  # the repetition that a held key sends
    answered(page, 1)
    page.keyboard.up("s")
    assert len(store.votes()) == 1


def test_a_picture_that_cannot_be_shown_can_be_skipped(page, store):
    for emotion in ("awe", "fear", "contentment", "disgust"):
        (store.open_questions("x")[0].path.parent / f"{emotion}.png").write_bytes(b"gone")
    begin(page, "Ada")
    page.get_by_text("This image cannot be shown").wait_for()
    assert button(page, "Yes").is_disabled()
    page.keyboard.press("s")
    answered(page, 1)
    page.complaints.clear()  # the browser notes each image that fails


def test_a_server_that_has_stopped_is_said(page, store):
    begin(page, "Ada")
    shown(page)
    # Not page.route: Chromium may lose a request that is sent while interception is turned on.
    page.context.set_offline(True)
    page.keyboard.press("y")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "Your earlier votes are safe" in alert.inner_text()
    page.context.set_offline(False)
    page.keyboard.press("y")
    answered(page, 1)
    expect(alert).to_be_hidden()
    page.complaints.clear()


def test_the_focus_stays_with_the_buttons(page, store):
    begin(page, "Ada")
    for count in range(1, 4):
        if page.locator("#stage.covered").count():
            button(page, "Show the image").focus()
            page.keyboard.press("Enter")
            expect(button(page, "Yes")).to_be_focused()
        expect(button(page, "Yes")).to_be_enabled()
        button(page, "Yes").focus()
        page.keyboard.press("Enter")
        answered(page, count)
        expect(button(page, "Yes")).to_be_focused()
    assert len(store.votes()) == 3


def test_a_bad_name_is_explained(page):
    page.get_by_label("Your name").fill("a\u202eb")
    button(page, "Start reviewing").click()
    page.get_by_role("alert").wait_for()
    assert "printable characters" in page.get_by_role("alert").inner_text()
    page.complaints.clear()


def test_everything_fits_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 640})
    begin(page, "Ada")
    shown(page)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    for name in ("Yes", "No", "Cannot tell", "Undo"):
        box = button(page, name).bounding_box()
        assert box["height"] >= 40
        assert box["y"] + box["height"] <= 640
