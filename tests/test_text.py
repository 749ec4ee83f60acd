"""Text in the picture: the pool, the scorers, the command."""

import json
import math
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from PIL import Image, ImageDraw, ImageFont

from evoca.commands.predict import predict
from evoca.errors import EvocaError
from evoca.images.boxes import Box
from evoca.images.ocr import TextLine
from evoca.prediction import Prediction
from evoca.runtime.text_fusion import ENTRY_POINTS, TextFusion, fuse, load_scorer

LABELS = ("awe", "fear", "anger")
SEEN = Prediction({"awe": 0.6, "fear": 0.3, "anger": 0.1}, ("awe", "fear"), "model")
PICTURE = Image.new("RGB", (8, 8))


def reading(*lines):
    return lambda picture: tuple(TextLine(line, Box(0, 0, 1, 1), 0.9) for line in lines)


def afraid(text, labels):
    return {label: 0.9 if label == "fear" else 0.1 / (len(labels) - 1) for label in labels}


def test_the_pool_averages_logits():
    image, text = {"awe": 0.5, "fear": 0.3, "anger": 0.2}, {"awe": 0.1, "fear": 0.2, "anger": 0.7}
    found = fuse(image, text, 0.3)
    assert sum(found.values()) == pytest.approx(1)
    for one, other in (("awe", "fear"), ("fear", "anger")):
        expected = 0.7 * math.log(image[one] / image[other]) + 0.3 * math.log(
            text[one] / text[other]
        )
        assert math.log(found[one] / found[other]) == pytest.approx(expected)
    assert fuse(image, text, 0) == pytest.approx(image)
    assert fuse(image, text, 1) == pytest.approx(text)
    assert fuse(image, {"awe": 0.0, "fear": 0.0, "anger": 1.0}, 0.5)["awe"] > 0


def test_text_changes_the_prediction_its_set_and_says_so():
    heard = []

    def score(text, labels):
        heard.append((text, labels))
        return afraid(text, labels)

    found = TextFusion(reading("Danger", "keep out"), score, 0.5).apply(SEEN, PICTURE, 0.5)
    assert heard == [("Danger\nkeep out", LABELS)]
    assert found.emotion == "fear"
    assert found.prediction_set == ("fear",)
    assert "text in the picture (3 words) weighs 0.5" in found.warnings[0]


@pytest.mark.parametrize("lines", [(), ("hello",)])
def test_without_text_or_opinion_the_prediction_is_the_images_own(lines):
    fusion = TextFusion(reading(*lines), lambda text, labels: None)
    assert fusion.apply(SEEN, PICTURE, 0.5) is SEEN


@pytest.mark.parametrize(
    "answer",
    [
        {"awe": 1.0},
        {"awe": 0.5, "fear": 0.5, "anger": 0.5},
        {"awe": 1.5, "fear": -0.5, "anger": 0.0},
        {"awe": math.nan, "fear": 0.5, "anger": 0.5},
        {"awe": "1", "fear": 0.0, "anger": 0.0},
        [1.0, 0.0, 0.0],
        0.5,
    ],
)
def test_an_answer_that_is_no_distribution_is_refused(answer):
    with pytest.raises(EvocaError, match="the text scorer gave no distribution"):
        TextFusion(reading("hello"), lambda text, labels: answer).apply(SEEN, PICTURE, 0.5)


def test_a_scorer_that_fails_is_one_line():
    def score(text, labels):
        raise KeyError("no\nsuch word")

    with pytest.raises(EvocaError, match="the text scorer failed: KeyError") as caught:
        TextFusion(reading("hello"), score).apply(SEEN, PICTURE, 0.5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:score", "cannot be loaded"),
        ("math:no_such_name", "cannot be loaded"),
        (".math:pi", "cannot be loaded"),
        ("math:pi", "not something that can be called"),
        ("unheard", "no such entry point of evoca.text_scorers"),
    ],
)
def test_a_scorer_that_cannot_be_loaded_is_one_line(name, message):
    with pytest.raises(EvocaError) as caught:
        load_scorer(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_fails_as_it_is_imported_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "scorer_with_a_slip.py").write_text("def score(text, labels)\n    return None\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EvocaError, match="cannot be loaded: SyntaxError") as caught:
        load_scorer("scorer_with_a_slip:score")
    assert "\n" not in str(caught.value)


def test_an_entry_point_that_leads_nowhere_is_one_line(monkeypatch):
    broken = EntryPoint("broken", "no_such_module_here:score", ENTRY_POINTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: EntryPoints([broken]))
    with pytest.raises(EvocaError, match="text scorer broken: cannot be loaded"):
        load_scorer("broken")


def test_a_weight_outside_is_refused():
    with pytest.raises(ValueError, match="0 to 1, not 2"):
        TextFusion(reading(), afraid, 2)


def sign(path, text):
    """Draw a picture with a text that can be read."""
    picture = Image.new("RGB", (640, 200), "white")
    font = ImageFont.load_default(size=80)
    ImageDraw.Draw(picture).text((60, 50), text, "black", font=font)
    picture.save(path)


def test_the_command_goes_on_where_the_scorer_fails(tmp_path, capsys, monkeypatch):
    pytest.importorskip("rapidocr", reason="needs the extra vision")
    (tmp_path / "failing_scorer_of_a_test.py").write_text(
        "def score(text, labels):\n    raise RuntimeError('no words for ' + text.split()[0])\n"
    )
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.chdir(tmp_path)
    sign(tmp_path / "sign.png", "DANGER")
    Image.new("RGB", (640, 200), "gray").save(tmp_path / "plain.png")
    how = {"model": None, "output": "json", "top": None, "explain": None}
    scorer = "failing_scorer_of_a_test:score"
    assert predict(["sign.png", "plain.png"], **how, read_text=scorer) == 1
    out, err = capsys.readouterr()
    failed, plain = json.loads(out)
    assert failed == {
        "path": "sign.png",
        "error": "the text scorer failed: RuntimeError: no words for DANGER",
    }
    assert sum(plain["probabilities"].values()) == pytest.approx(1)
    assert err == f"evoca: sign.png: {failed['error']}\n"
    sys.modules.pop("failing_scorer_of_a_test", None)


def test_the_command_reads_real_text_only_when_asked(tmp_path, capsys, monkeypatch):
    pytest.importorskip("rapidocr", reason="needs the extra vision")
    (tmp_path / "scorer_of_a_test.py").write_text(
        "def score(text, labels):\n"
        "    if 'DANGER' not in text.upper():\n"
        "        return None\n"
        "    return {label: 0.93 if label == 'fear' else 0.01 for label in labels}\n"
    )
    # As the command finds it: where one works, which a console script does not search.
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.chdir(tmp_path)
    sign(tmp_path / "sign.png", "DANGER")
    Image.new("RGB", (640, 200), "gray").save(tmp_path / "plain.png")

    def run(**how):
        paths = [str(tmp_path / name) for name in ("sign.png", "plain.png")]
        assert predict(paths, model=None, output="json", top=None, explain=None, **how) == 0
        return json.loads(capsys.readouterr().out)

    seen_sign, plain = run()
    read_sign, read_plain = run(read_text="scorer_of_a_test:score", text_weight=0.5)
    assert read_plain == plain
    assert read_sign["probabilities"]["fear"] > seen_sign["probabilities"]["fear"]
    assert sum(read_sign["probabilities"].values()) == pytest.approx(1)
    assert any("text in the picture" in warning for warning in read_sign["warnings"])
    sys.modules.pop("scorer_of_a_test", None)
