"""The file itself: whole, closed to the network, and true to hostile names."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from evoca.data.manifest.labelled import load_labelled
from evoca.errors import DataError
from evoca.report import build_report
from evoca.runs import read_run, write_json, write_predictions
from report_samples import HOSTILE, predictions_of, silent, write_run


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag in {"script", "style"}:
            self.texts.append([tag, dict(attributes), ""])

    def handle_data(self, data):
        if self.lasttag in {"script", "style"} and self.texts and self.cdata_elem:
            self.texts[-1][2] += data

    def scripts(self, kind):
        return [t for tag, a, t in self.texts if tag == "script" and a.get("type") == kind]


@pytest.fixture(scope="module")
def text(run, second, page_of):
    return page_of(run, second).read_text(encoding="utf-8")


def payload_of(text):
    (payload,) = Elements(text).scripts("application/json")
    return json.loads(payload)


def test_the_page_runs_only_its_own_script_and_reaches_nothing(text):
    elements = Elements(text)
    (policy,) = [a["content"] for _, a in elements.found if "http-equiv" in a]
    code = elements.scripts(None) + [t for tag, _, t in elements.texts if tag == "style"]
    assert len(code) == 2
    for one in code:
        digest = base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"unsafe|https?:|\*", policy)
    addresses = [a[k] for _, a in elements.found for k in ("src", "href") if k in a]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert not any("style" in a or any(k.startswith("on") for k in a) for _, a in elements.found)


def test_nothing_from_a_run_becomes_markup(text, second):
    assert HOSTILE not in text
    elements = Elements(text)
    assert not any(a.get("onerror") or a.get("src") == "x" for _, a in elements.found)
    kinds = [a.get("type") for tag, a in elements.found if tag == "script"]
    assert kinds == ["application/json", *["text/plain"] * 32, None]
    assert second.name not in text
    assert "b&lt;i&gt;&amp;amp;" in text


def test_names_come_through_unharmed(text, names):
    assert payload_of(text)["names"] == names
    assert "amusement/a&<b>0.jpg" in names


def test_names_of_other_folders_and_control_characters_are_not_shown(run, page_of, names):
    strange = ("/home/someone/secret/awe/x.jpg", "awe/\u202egpj.x\n.jpg", *names[2:])
    changed = replace(run.predictions, images=strange)
    odd = write_run(page_of(run, data=False).parent / "odd", changed)
    shown = payload_of(page_of(odd, data=False).read_text())["names"]
    assert shown[:2] == ["awe/x.jpg", "awe/\\u202egpj.x\\n.jpg"]


def test_the_page_does_not_tell_of_the_machine(text, pictures):
    assert "/home/someone" not in text
    assert str(pictures) not in text


def test_thumbnails_hold_pixels_alone(text, pictures):
    source = next(pictures.rglob("*.jpg"))
    with Image.open(source) as picture:
        assert picture.getexif().get_ifd(0x8825)
    thumbnails = Elements(text).scripts("text/plain")
    assert len(thumbnails) == 32
    for data in thumbnails:
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format == "WEBP"
            assert max(picture.size) <= 320
            assert not picture.getexif()
            assert not {"exif", "xmp", "icc_profile"} & set(picture.info)


def test_the_images_can_be_left_out(run, page_of):
    text = page_of(run, images=False).read_text()
    assert Elements(text).scripts("text/plain") == []
    assert "Show every image" not in text
    assert payload_of(text)["traits"]["monochrome"], "the pictures are looked at all the same"


def test_a_limit_keeps_the_errors(run, page_of):
    text = page_of(run, most_images=5).read_text()
    payload = payload_of(text)
    kept = [n for n, there in enumerate(payload["pictures"]) if there == "here"]
    own = payload["runs"][0]
    rows = zip(own["images"], own["truth"], own["answer"], strict=True)
    wrong = {image for image, truth, answer in rows if truth != answer}
    assert len(kept) == 5 <= len(wrong)
    assert set(kept) < wrong
    assert "5 of 32 images are shown" in text


def test_a_broken_image_costs_only_itself(run, pictures, tmp_path):
    labelled = load_labelled(pictures)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 not really")
    paths = (broken, tmp_path / "gone.jpg", *labelled.paths[2:])
    out = tmp_path / "page.html"
    changed = replace(labelled, paths=paths)
    built = build_report([run], out, changed, silent, models=[None], look_for="colour")
    shown = payload_of(out.read_text())["pictures"]
    assert built.images == 30
    assert shown[1] == "no such file"
    assert shown[2:] == ["here"] * 30


def test_images_that_the_data_lack_are_counted(run, pictures, tmp_path):
    some = load_labelled(pictures).take([0, 1, 2])
    out = tmp_path / "page.html"
    built = build_report([run], out, some, silent, models=[None], look_for="colour")
    assert built.images == 3
    assert built.notes[0].startswith("29 predicted images are not in pictures")


def test_data_without_any_of_the_images_are_refused(run, pictures, tmp_path):
    labelled = load_labelled(pictures)
    other = replace(labelled, names=tuple(f"other{i}" for i in range(32)))
    with pytest.raises(DataError, match="none of the 32 predicted images is in it"):
        build_report([run], tmp_path / "page.html", other, silent, models=[None])
    assert list(tmp_path.iterdir()) == []


def test_other_labels_in_the_data_are_told(run, pictures, tmp_path):
    labelled = load_labelled(pictures)
    truth = labelled.truth.copy()
    truth[:3] = 7
    options = {"models": [None], "look_for": "colour"}
    out = tmp_path / "page.html"
    built = build_report([run], out, replace(labelled, truth=truth), silent, **options)
    assert any("3 images have another label" in note for note in built.notes)


def test_a_run_without_labels_still_has_a_page(tmp_path, names, run, page_of):
    blind = replace(predictions_of(names), truth=np.full(32, -1), agreement=None)
    figures = run.report.to_dict()
    nothing = {**dict.fromkeys(run.report.figures), "per_emotion": {}, "confusion": None}
    write_json(tmp_path / "run.json", run.description)
    write_json(tmp_path / "metrics.json", {**figures, **nothing})
    write_predictions(tmp_path / "predictions.csv", blind)
    text = page_of(read_run(tmp_path)).read_text()
    assert "What tiny predicts of 32 images." in text
    assert "Which emotions are confused" not in text
