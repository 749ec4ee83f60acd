"""The page of the server: pictures by the API, and a tagged collection in its second tab."""

from __future__ import annotations

import csv
import json
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest

import evoca
from browser import CONTRAST, NAMELESS
from collection_samples import LABELS, write_tags
from evoca.runtime.tables import table_columns
from samples import photo
from served_page import open_page

pytest.importorskip("duckdb", reason="needs the extra data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Seventy drawn rows, three of whose images are there; and secrets beside them."""
    root = tmp_path_factory.mktemp("collection")
    (root / "images" / "a").mkdir(parents=True)
    for i in range(3):
        photo(("coffee", "rocket", "flower")[i], (400, 300)).save(root / f"images/a/{i}.jpg")
    (root / "secret.jpg").write_bytes((root / "images/a/0.jpg").read_bytes())
    write_tags(root / "tags.csv", 70)
    with (root / "tags.csv").open("a", encoding="utf-8", newline="") as file:
        row = {"path": "../secret.jpg", "emotion": "awe", "confidence": 1, "prediction_set": "[]"}
        shares = {f"p_{label}": int(label == "awe") for label in LABELS}
        csv.DictWriter(file, table_columns(LABELS), restval="").writerow(row | shares)
    return root


@pytest.fixture(scope="module")
def gallery(start, folder):
    return start("--collection", str(folder / "tags.csv"), "--images", str(folder / "images"))


def get(server, place, **query):
    """The answer to a request: status, content."""
    address = f"{server.url}/{place}{'?' + urlencode(query) if query else ''}"
    try:
        with urllib.request.urlopen(address, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def images(server, **query):
    status, content = get(server, "v1/collection/images", **query)
    assert status == 200, content
    return json.loads(content)


def test_images_are_found_and_ordered_as_evoca_find_does(gallery, folder):
    from evoca.collection import find, read_tags
    from evoca.collection.search import most

    tags = read_tags([folder / "tags.csv"])
    wanted = find(tags, "awe > 0.1", order=most(tags, "fear"))
    first = images(gallery, expression="awe > 0.1", order="fear", limit=5)
    second = images(gallery, expression="awe > 0.1", order="fear", limit=5, offset=5)
    paths = list(wanted.paths())
    assert first["total"] == len(wanted)
    assert [one["path"] for one in first["images"] + second["images"]] == paths[:10]


def test_the_most_similar_come_first(gallery):
    found = images(gallery, like="a/0.jpg", limit=70)["images"]
    assert "a/0.jpg" not in [one["path"] for one in found]
    shares = [one["similarity"] for one in found]
    assert shares == sorted(shares, reverse=True)
    assert get(gallery, "v1/collection/images", like="none.jpg")[0] == 404


def test_a_mistake_is_said_where_it_is(gallery):
    found = images(gallery, expression="awe > 0.1 and wonder > 1")
    assert found["mistake"].startswith("at character 15: no column 'wonder'")
    assert get(gallery, "v1/collection/images", order="wonder")[0] == 400


def test_only_files_that_the_table_names_are_read(gallery):
    (one,) = images(gallery, expression="path = 'a/1.jpg'")["images"]
    status, content = get(gallery, one["thumbnail"])
    assert status == 200
    assert evoca.images.decode(content).size == (320, 240)
    seal = one["thumbnail"].partition("seal=")[2]
    assert get(gallery, "collection/thumbnail", path="a/2.jpg", seal=seal)[0] == 404
    # A table may name what lies outside of the folder, or what is gone.
    (outside,) = images(gallery, expression="path = '../secret.jpg'")["images"]
    (gone,) = images(gallery, expression="path = 'a/9.jpg'")["images"]
    assert outside["thumbnail"] is gone["thumbnail"] is None
    assert get(gallery, one["thumbnail"] + "&side=100000")[0] == 422
    assert get(gallery, "collection/film", path="a/1.jpg", seal=seal)[0] == 404


@pytest.fixture(scope="module")
def opened(browser, gallery):
    opened = open_page(browser, f"{gallery.url}/")
    yield opened
    assert opened.complaints == []
    own = (opened.address, "blob:")
    assert [url for url in opened.requests if not url.startswith(own)] == []
    opened.context.close()


def test_pictures_are_computed_by_the_server(opened, examples):
    page = opened.page
    files = sorted(examples.glob("*.jpg"))[:2]
    page.set_input_files("#files", files)
    page.locator(".card .bars").nth(1).wait_for()
    for card, predicted in zip(
        page.locator("#cards .card").all(), evoca.load().predict(files), strict=True
    ):
        first = card.locator(".bars tr").first
        assert first.get_attribute("data-label") == predicted.emotion
        assert first.locator("td").last.inner_text() == f"{round(100 * predicted.confidence)}%"
    page.get_by_label("balanced").check(force=True)
    page.get_by_text("for balanced frequencies").wait_for()
    assert page.locator("#detail canvas").count() == 1  # the evidence is kept


def test_a_collection_is_filtered_in_the_second_tab(opened):
    page = opened.page
    page.get_by_role("tab", name="Collection").click()
    page.get_by_text("71 of 71 images").wait_for()
    assert page.locator("#found .card").count() == 60
    page.get_by_role("button", name="Show more").click()
    page.locator("#found .card").nth(70).wait_for()
    page.get_by_label("Find", exact=True).fill("awe > 0.4")
    page.get_by_role("button", name="Find", exact=True).click()
    page.locator("#count", has_not_text="71 of 71").wait_for()
    shown = page.locator("#found .card .bars tr[data-label=awe] td:last-child").all_inner_texts()
    assert shown
    assert all(int(text.rstrip("%")) >= 40 for text in shown)
    page.get_by_label("Find", exact=True).fill("wonder > 1")
    page.keyboard.press("Enter")
    page.get_by_text("no column 'wonder'").wait_for()
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_text("71 of 71 images").wait_for()


def test_an_image_is_enlarged_and_leads_to_similar_ones(opened):
    page = opened.page
    page.get_by_role("button", name="a/1.jpg:").click()
    page.wait_for_function("() => document.querySelector('#image img').naturalWidth === 400")
    page.get_by_role("button", name="Similar images").click()
    page.get_by_text("most like a/1.jpg first").wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []


def test_a_film_is_played_with_its_timeline(browser, start, tmp_path):
    av = pytest.importorskip("av", reason="needs the extra video")
    write_film(av, tmp_path / "film.mp4")
    times = [i / 2 for i in range(8)]
    extra = {"path": ["film.mp4"] * 8}
    write_tags(tmp_path / "tags.csv", 8, **extra)
    rows = list(csv.DictReader((tmp_path / "tags.csv").open(encoding="utf-8")))
    moments = {"shot": 0, "shot_start": 0.0, "shot_end": 4.0}
    with (tmp_path / "film.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "time", *moments])
        writer.writeheader()
        writer.writerows(row | moments | {"time": t} for row, t in zip(rows, times, strict=True))
    server = start("--collection", str(tmp_path / "film.csv"), "--images", str(tmp_path))
    opened = open_page(browser, f"{server.url}/#collection")
    page = opened.page
    page.wait_for_function("() => document.querySelector('#film video')?.readyState > 0")
    page.locator(".timeline").click(position={"x": 1, "y": 5})
    box = page.locator(".timeline").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 9)
    assert page.evaluate("() => document.querySelector('#film video').currentTime") == (
        pytest.approx(2, abs=0.1)
    )
    label = max(LABELS, key=lambda one: float(rows[4][f"p_{one}"]))
    assert label in page.locator("#film .now span").first.inner_text()
    assert opened.complaints == []
    opened.context.close()


def write_film(av, file):
    with av.open(file, "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(40):
            frame = av.VideoFrame.from_image(photo("rocket", (160, 120)))
            for packet in stream.encode(frame):
                film.mux(packet)
        film.mux(stream.encode(None))
