"""The page that computes in the browser: its answers are Python's, and nothing leaves it."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from typer.testing import CliRunner

import evoca
from browser import CONTRAST, NAMELESS
from evoca.cli import app
from evoca.images import Preprocessing, load_image
from evoca.runtime.bundle import read_bundle
from evoca.runtime.operating_point import operating_point
from evoca.runtime.predictor import prediction_of
from evoca.serving.static_page import PAGE
from samples import ORIENTATION, as_stored, encode, photo
from served_page import open_page
from static_host import hosted

VENDOR = PAGE / "vendor" / "onnxruntime-web"
# The page's own modules on bytes that a test gives it.
RESIZED = """
async ([text, shapes]) => {
  const from = (path) => import(new URL(path, document.baseURI));
  const { decode } = await from('scripts/images/decode.js');
  const { preprocessed } = await from('scripts/images/resample.js');
  const { screen } = await from('scripts/images/screening.js');
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const found = async (shape) => {
    const scale = shape.jpeg_min_scale;
    const least = scale ? [Math.ceil(shape.width * scale), Math.ceil(shape.height * scale)] : null;
    const picture = await decode(data, least);
    const pixels = preprocessed(picture, shape);
    const warnings = [...picture.notes, ...screen(pixels, shape.width, shape.height)];
    return { pixels: btoa(String.fromCharCode(...pixels)), size: picture.size, warnings };
  };
  try {
    return await Promise.all(shapes.map(found));
  } catch (error) {
    return { error: error.message };
  }
}
"""
ANSWER = """
([logits, affect, prior]) => {
  const computed = { logits, affect, evidence: null, size: [4, 3], sha256: 'x', warnings: [] };
  return window.evoca.backend.answerFrom(computed, 'a.jpg', prior);
}
"""


def resized(opened, data, *shapes):
    """What the page makes of an encoded image for each shape: pixels, size and warnings."""
    text = base64.b64encode(data).decode()
    return opened.page.evaluate(RESIZED, [text, [shape.model_dump() for shape in shapes]])


def worst(opened, data, *shapes):
    """The largest difference of a level between the page and Python, over all shapes."""
    differences = []
    for shape, found in zip(shapes, resized(opened, data, *shapes), strict=True):
        own = load_image(data, shape)
        assert tuple(found["size"]) == own.size
        pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
        differences.append(np.abs(pixels.reshape(own.pixels.shape) - own.pixels.astype(int)).max())
    return max(differences)


def jpeg(size=(301, 211), *, name="coffee", **options):
    return encode(photo(name, size), "JPEG", **{"quality": 88, **options})


FORMS = {
    "4:4:4": jpeg(subsampling=0),
    "4:2:2": jpeg(subsampling=1),
    "4:2:0": jpeg(subsampling=2),
    "progressive": jpeg(progressive=True),
    "progressive 4:2:2": jpeg(subsampling=1, progressive=True),
    "restarts": jpeg(restart_marker_blocks=3),
    "grey": encode(photo("coffee", (301, 211)).convert("L"), "JPEG"),
    "RGB": jpeg(keep_rgb=True),
    "tall": jpeg((97, 613)),
    "wide": jpeg((713, 83)),
    "noise": encode(Image.effect_noise((150, 170), 120).convert("RGB"), "JPEG", quality=100),
    "one pixel": jpeg((1, 1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_jpeg_becomes_the_same_input_to_the_bit(opened, form):
    shapes = []
    for least in (0.0, 1.0, 2.0):  # the scales 1, 1/2, 1/4 and 1/8 among them
        shapes += [
            Preprocessing(width=64, height=48, jpeg_min_scale=least),
            Preprocessing(width=21, height=22, filter="bilinear", jpeg_min_scale=least),
            Preprocessing(
                width=40, height=40, resize="cover", filter="lanczos", jpeg_min_scale=least
            ),
        ]
    assert worst(opened, FORMS[form], *shapes) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(opened, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encode(as_stored(photo("rocket", (200, 132)), orientation), "JPEG", exif=exif)
    assert worst(opened, data, Preprocessing(width=32, height=24)) == 0


def test_other_formats_are_decoded_by_the_browser(opened):
    shape = Preprocessing(width=48, height=48)
    picture = photo("flower", (200, 150))
    faded = picture.copy()
    faded.putalpha(Image.linear_gradient("L").resize(picture.size))
    assert worst(opened, encode(picture, "PNG"), shape) == 0
    assert worst(opened, encode(picture, "WEBP", lossless=True), shape) == 0
    assert worst(opened, encode(faded, "PNG"), shape) <= 2  # a canvas premultiplies


def test_a_colour_profile_is_converted(opened):
    """A profile of three curves and a matrix, other than sRGB's: red and blue swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(profile[128:132]), 12):
        swapped = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = swapped.get(name, name)
    data = encode(photo("flower", (150, 90)), "JPEG", icc_profile=bytes(profile))
    shape = Preprocessing(width=48, height=32)
    assert worst(opened, data, shape) <= 2
    plain = load_image(encode(photo("flower", (150, 90)), "JPEG"), shape).pixels.astype(int)
    assert np.abs(plain - load_image(data, shape).pixels).max() > 50


def test_what_is_unlike_a_photograph_is_said(opened):
    shape = Preprocessing(width=64, height=64)
    blank = encode(Image.new("RGB", (90, 90), "navy"), "PNG")
    paper = Image.new("RGB", (256, 256), "white")
    for line in range(20, 240, 12):
        for letter in range(20, 230, 5):
            paper.paste("black", (letter, line, letter + 2, line + 6))
    for data in (blank, encode(paper, "PNG"), jpeg()):
        (found,) = resized(opened, data, shape)
        assert found["warnings"] == list(load_image(data, shape).warnings)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (jpeg()[:900], "truncated"),
        (b"no picture at all", "not a picture, or damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    ],
)
def test_what_cannot_be_read_is_one_line(opened, data, said):
    found = resized(opened, data, Preprocessing(width=8, height=8))
    assert said in found["error"]
    assert "\n" not in found["error"]


@pytest.mark.parametrize("prior", ["natural", "balanced"])
def test_probabilities_and_sets_are_those_of_python(opened, prior):
    card = read_bundle().card
    point = operating_point(card, prior)
    drawn = np.random.default_rng(0)
    for _ in range(20):
        logits = drawn.normal(0, 2, len(card.labels)).astype(np.float32)
        affect = drawn.uniform(1, 9, 2).astype(np.float32)
        found = opened.page.evaluate(ANSWER, [logits.tolist(), affect.tolist(), prior])
        wanted = prediction_of(
            card, point, point.probabilities(logits), affect, path="a.jpg", sha256="x"
        )
        wanted = wanted.to_dict()
        close = pytest.approx(wanted.pop("probabilities"), abs=1e-12)
        assert found.pop("probabilities") == close
        for key in ("confidence", "polarity", "affect", "prior"):
            assert json.dumps(rounded(found.pop(key))) == json.dumps(rounded(wanted.pop(key))), key
        assert found == wanted


def rounded(value):
    """Plain data, its numbers to 9 digits, mappings in one order."""
    if isinstance(value, dict):
        return {key: rounded(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(float(value), 9) if isinstance(value, float | int) else value


def test_dropped_photographs_have_the_answers_of_python(opened, examples):
    """A drop, the bars, the table that is downloaded: what evoca predict says."""
    page = opened.page
    files = sorted(examples.glob("*.jpg"))[:3]
    drop(page, files)
    page.locator(".card .bars").nth(len(files) - 1).wait_for()
    wanted = evoca.load().predict(files)
    for card, predicted in zip(page.locator(".card").all(), wanted, strict=True):
        label, share = predicted.ranked()[0]
        first = card.locator(".bars tr").first
        assert first.get_attribute("data-label") == label
        assert first.locator("td").last.inner_text() == f"{round(100 * share)}%"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    for row, predicted in zip(rows, wanted, strict=True):
        own = predicted.to_row()
        assert {key: row[key] for key in ("sha256", "emotion", "prediction_set", "prior")} == {
            key: own[key] for key in ("sha256", "emotion", "prediction_set", "prior")
        }
        for key in (f"p_{own['emotion']}", "polarity_positive", "valence", "arousal"):
            assert float(row[key]) == pytest.approx(own[key], abs=1e-3)


def drop(page, files):
    """Drop files on the page, as a visitor's hand does."""
    content = [(f.name, base64.b64encode(f.read_bytes()).decode()) for f in files]
    page.evaluate(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [name, text] of files) {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: 'image/jpeg' }));
          }
          const at = (kind) => document.body.dispatchEvent(
            new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
          ['dragenter', 'dragover', 'drop'].forEach(at);
        }""",
        content,
    )


def test_the_evidence_follows_slider_and_emotion(opened):
    page = opened.page
    slider = page.get_by_label("Opacity of the evidence")
    strength = "() => getComputedStyle(document.querySelector('#detail canvas')).opacity"
    slider.fill("20")
    assert float(page.evaluate(strength)) == pytest.approx(0.2)
    shown = "() => document.querySelector('#detail canvas').toDataURL()"
    before = page.evaluate(shown)
    page.get_by_label("sadness: show its evidence").click()
    assert page.locator(".legend").inner_text().endswith("sadness")
    assert page.evaluate(shown) != before


def test_the_prior_is_a_switch_that_computes_nothing_anew(opened):
    page = opened.page
    before = page.locator("#detail .bars").inner_text()
    page.get_by_label("balanced").check(force=True)
    page.get_by_text("for balanced frequencies").wait_for()
    assert page.locator("#detail .bars").inner_text() != before
    page.get_by_label("natural").check(force=True)
    page.get_by_text("for natural frequencies").wait_for()
    assert page.locator("#detail .bars").inner_text() == before


def test_pictures_are_sorted_by_an_emotion(opened):
    page = opened.page
    page.locator("#order").select_option("awe")
    shares = page.evaluate("() => window.evoca.workbench.answers().map((a) => a.probabilities.awe)")
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)


def test_everything_has_a_name_and_contrast(opened):
    for scheme in ("light", "dark"):
        opened.page.emulate_media(color_scheme=scheme)
        assert opened.page.evaluate(CONTRAST) == []
        assert opened.page.evaluate(NAMELESS) == []


def test_nothing_can_be_sent_elsewhere(browser, written):
    """Neither by the page nor by its worker: the policy of the page holds in both."""
    with hosted(written.parent.parent) as address, hosted(written) as other:
        opened = open_page(browser, f"{address}museum/page/", service_workers="block")
        send = f"fetch('{other}models.json', {{ mode: 'no-cors' }})"
        attempt = f"() => {send}.then(() => 'sent', () => 'refused')"
        assert opened.page.evaluate(attempt) == "refused"
        with opened.page.expect_worker() as started:
            opened.page.evaluate("() => { window.evoca.backend.predict([], {}, () => {}); }")
        assert started.value.evaluate(attempt) == "refused"
        refusals = [line for line in opened.complaints if "Content Security Policy" in line]
        assert len(refusals) >= 2
        opened.context.close()


def test_a_second_visit_needs_no_network(browser, written, examples):
    with hosted(written.parent.parent) as address:
        opened = open_page(browser, f"{address}museum/page/")
        opened.page.evaluate("() => navigator.serviceWorker.ready.then(() => null)")
    opened.context.set_offline(True)
    opened.page.reload()
    opened.page.wait_for_selector("html[data-ready]")
    opened.page.set_input_files("#files", examples / "rocket.jpg")
    opened.page.locator("#detail .bars").wait_for()
    assert opened.complaints == []
    opened.context.close()


def test_opened_as_a_file_it_says_what_to_do(browser, written):
    page = browser.new_page()
    page.goto((written / "index.html").as_uri())
    assert page.get_by_text("python -m http.server").is_visible()
    page.close()


def test_the_folder_has_the_bundle_as_it_is(written):
    bundle = read_bundle()
    for name in ("model.onnx", "model.json", "README.md"):
        assert (written / "model" / name).read_bytes() == (bundle.path / name).read_bytes()
    (described,) = json.loads((written / "models.json").read_text(encoding="utf-8"))
    assert [label["name"] for label in described["labels"]] == list(bundle.card.labels)
    assert [prior["name"] for prior in described["priors"]] == ["natural", "balanced"]


def test_a_folder_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(app, ["page", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "is there already" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_browsers_runtime_is_the_recorded_one():
    source = json.loads((VENDOR / "SOURCE.json").read_text(encoding="utf-8"))
    for name, digest in source["files"].items():
        packed = VENDOR / f"{name}.gz"
        content = (
            gzip.decompress(packed.read_bytes())
            if packed.exists()
            else (VENDOR / name).read_bytes()
        )
        assert hashlib.sha256(content).hexdigest() == digest, name
    assert source["integrity"].startswith("sha512-")
