import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

import evoca
from evoca import drawing
from evoca.prediction import prediction_set
from evoca.runtime.tables import number_columns, table_columns
from evoca.softmax import softmax

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROCKET = EXAMPLES / "rocket.jpg"


@pytest.fixture(scope="module")
def model():
    return evoca.load()


@pytest.fixture(scope="module")
def rocket(model):
    return model.predict(ROCKET)


def test_a_prediction_is_a_distribution_with_what_follows_from_it(model, rocket):
    assert tuple(rocket.probabilities) == model.labels == tuple(evoca.Emotion)
    assert sum(rocket.probabilities.values()) == pytest.approx(1)
    assert rocket.emotion == rocket.ranked()[0][0] == rocket.prediction_set[0]
    positive = sum(
        p
        for e, p in rocket.probabilities.items()
        if evoca.Emotion(e) in {"amusement", "awe", "contentment", "excitement"}
    )
    assert rocket.positive == pytest.approx(positive)
    assert rocket.polarity == ("positive" if positive >= 0.5 else "negative")
    assert rocket.prediction_set == prediction_set(rocket.probabilities, model.card.set_threshold)
    assert rocket.size == Image.open(ROCKET).size
    assert rocket.model == model.card.name


def test_every_kind_of_input_gives_the_same_answer(model, rocket):
    with Image.open(ROCKET) as picture:
        array = np.asarray(picture.convert("RGB"))
        kinds = [str(ROCKET), ROCKET, ROCKET.read_bytes(), picture, array, array / 255.0]
        answers = model.predict(kinds)
    for answer in answers:
        assert dict(answer.probabilities) == pytest.approx(dict(rocket.probabilities), abs=0.02)
    assert [answer.path for answer in answers] == [str(ROCKET)] * 2 + [None] * 4
    assert answers[0].probabilities == answers[2].probabilities


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_bytes_of_a_file_may_lie_in_any_buffer(model, rocket, kind):
    data = kind(ROCKET.read_bytes())
    for answer in (model.predict(data), *model.predict([data])):
        assert answer.probabilities == rocket.probabilities
        assert answer.sha256 == rocket.sha256


@pytest.mark.parametrize("threads", [0, -3])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(ValueError, match=f"1 or more, not {threads}"):
        evoca.load(threads=threads)


def test_predictions_depend_on_the_picture(model):
    answers = model.predict(sorted(EXAMPLES.glob("*.jpg")))
    assert len({answer.emotion for answer in answers}) > 1
    assert len({round(answer.confidence, 6) for answer in answers}) == len(answers)


def test_a_batch_gives_what_single_images_give(model):
    paths = sorted(EXAMPLES.glob("*.jpg"))
    for answer in model.stream(iter(paths * 4), batch_size=5):
        alone = model.predict(answer.path)
        assert dict(answer.probabilities) == pytest.approx(dict(alone.probabilities), abs=1e-5)


def test_evidence_adds_up_to_the_logits(model):
    card, rocket = model.card, evoca.load(prior="trained").predict(ROCKET)
    logits = rocket.evidence.values.mean(axis=(1, 2)) + np.array(card.evidence_bias)
    expected = softmax(logits[None], card.temperature)[0]
    assert list(rocket.probabilities.values()) == pytest.approx(list(expected), abs=1e-4)
    own = rocket.evidence.values.mean(axis=(1, 2))
    for label, mean in zip(model.labels, own, strict=True):  # a contrast, not the logit
        assert rocket.evidence.of(label).mean() == pytest.approx(mean - own.mean(), abs=1e-3)
    contrast = sum(rocket.evidence.of(label) for label in model.labels)
    assert np.abs(contrast).max() < 1e-3
    with pytest.raises(KeyError, match="surprise"):
        rocket.evidence.of("surprise")


def test_a_stream_keeps_errors_in_their_place(model, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not an image")
    answers = list(model.stream([ROCKET, broken, tmp_path / "none.jpg", ROCKET] * 3, batch_size=2))
    assert [isinstance(a, evoca.ImageError) for a in answers] == [False, True, True, False] * 3
    assert str(answers[1]).startswith(f"{broken}: not an image")
    with pytest.raises(evoca.ImageError, match="no such file"):
        model.predict([ROCKET, tmp_path / "none.jpg"])


def test_a_stream_is_lazy(model):
    def endless():
        while True:
            yield ROCKET

    stream = model.stream(endless(), batch_size=2)
    assert [next(stream).emotion for _ in range(5)] == [model.predict(ROCKET).emotion] * 5
    stream.close()


@pytest.mark.parametrize("images", [None, 3, {"a": 1}, {ROCKET}, [3]])
def test_what_is_no_image_is_a_type_error(model, images):
    with pytest.raises(TypeError, match=r"give one image|an image is a path"):
        model.predict(images)


def test_nothing_in_nothing_out(model):
    assert model.predict([]) == []
    with pytest.raises(ValueError, match="no images"):
        model.embed([])


def test_embeddings(model):
    rows = model.embed([ROCKET, EXAMPLES / "coffee.jpg"])
    assert rows.shape == (2, 2136)
    assert rows.dtype == np.float32
    assert not np.allclose(rows[0], rows[1])


def test_threads_share_a_model(model, rocket):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(model.predict, [ROCKET] * 24))
    assert {tuple(a.probabilities.values()) for a in answers} == {
        tuple(rocket.probabilities.values())
    }


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_model_goes_to_workers(model, rocket, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform cannot {method}")
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = pool.map(model.predict, [ROCKET] * 4)
    for answer in answers:
        assert dict(answer.probabilities) == pytest.approx(dict(rocket.probabilities))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_model_survives_a_fork_without_being_sent(model):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child
        os.write(write, model.predict(ROCKET).emotion.encode())
        os._exit(0)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100).decode() == model.predict(ROCKET).emotion


def test_a_prediction_and_a_model_survive_pickling(model, rocket):
    again = pickle.loads(pickle.dumps(rocket))
    assert again == rocket
    np.testing.assert_array_equal(again.evidence.values, rocket.evidence.values)
    assert pickle.loads(pickle.dumps(model)).predict(ROCKET) == rocket


def test_the_drawing_shows_picture_and_panel(rocket):
    drawn = rocket.to_image(ROCKET)
    assert drawn.mode == "RGB"
    assert drawn.width > 900
    other = rocket.to_image(ROCKET, "fear")
    assert np.abs(np.asarray(drawn, int) - np.asarray(other, int)).max() > 50
    with pytest.raises(KeyError):
        rocket.to_image(ROCKET, "surprise")


def test_the_drawing_has_the_photograph_in_its_own_colours(model):
    red = Image.new("RGB", (300, 200), (200, 30, 30))
    drawn = np.asarray(model.predict(red).to_image(red)).reshape(-1, 3)
    assert (drawn == (200, 30, 30)).all(axis=1).sum() == 640 * 427


def test_the_drawing_says_what_the_polarity_is_made_of(rocket):
    from evoca.drawing import _polarity_lines

    assert _polarity_lines(rocket) == ["the shares of all positive emotions together"]
    shares = (0.1, 0.31, 0.1, 0.1, 0.08, 0.21, 0.05, 0.05)
    mixed = replace(rocket, probabilities=dict(zip(rocket.probabilities, shares, strict=True)))
    assert (mixed.emotion, str(mixed.polarity)) == ("anger", "positive")
    assert _polarity_lines(mixed) == [
        "the shares of all positive emotions together;",
        "anger is only the likeliest single one",
    ]


@pytest.mark.parametrize("size", [(3000, 2000), (1, 3000), (64, 64)])
def test_a_kept_picture_is_drawn_as_its_source_is(model, size):
    rng = np.random.default_rng(0)
    source = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize(size)
    (kept,) = model.stream([source], picture_side=640)
    assert max(kept.picture.size) == min(640, max(size))
    np.testing.assert_array_equal(kept.to_image(), kept.to_image(source))
    assert kept == model.predict(source)
    with pytest.raises(ValueError, match="keeps no picture: give the image"):
        model.predict(source).to_image()


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 2), (64, 64)])
def test_odd_shapes_are_drawn(model, size):
    picture = Image.new("RGB", size, "teal")
    model.predict(picture).to_image(picture)


def test_a_prediction_shows_itself(model, tmp_path):
    photo = tmp_path / "<b>rocket&.jpg"
    photo.write_bytes(ROCKET.read_bytes())
    found = model.predict(photo)
    assert repr(found).startswith(f"<evoca.Prediction {photo}: amusement ")
    assert "\n" not in repr(found)
    page = found._repr_html_()
    assert "data:image/jpeg;base64," in page
    assert "&lt;b&gt;rocket&amp;.jpg" in page
    assert "<b>rocket" not in page
    assert all(label in page for label in model.labels)
    assert "http" not in page
    assert "<img" not in model.predict(np.zeros((64, 64, 3), np.uint8))._repr_html_()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_predictions_become_a_frame(model, tmp_path, library):
    module = pytest.importorskip(library)
    (tmp_path / "bad.jpg").write_bytes(b"")
    # The error first: no type may be guessed from it.
    predictions = list(model.stream([tmp_path / "bad.jpg", ROCKET]))
    found = getattr(evoca, f"to_{library}")(predictions)
    assert isinstance(found, module.DataFrame)
    assert list(found.columns) == table_columns(model.labels)
    assert found["emotion"].to_list()[1] == "amusement"
    assert found["error"].to_list()[0] == "the file is empty"
    assert found["p_awe"].to_list()[1] == predictions[1].probabilities["awe"]
    assert {str(found[name].dtype).lower() for name in number_columns(model.labels)} == {"float64"}
    assert found["prior"].to_list()[1] == "natural"
    alone = evoca.to_frame(predictions[:1], library)
    assert alone["path"].to_list() == [str(tmp_path / "bad.jpg")]
    assert evoca.to_frame(predictions[1], library)["model"].to_list() == [model.card.name]
    with pytest.raises(evoca.EvocaError, match="no predictions"):
        evoca.to_frame([], library)


def test_what_the_package_offers_is_listed():
    assert {"load", "Predictor", "Prediction", "to_frame"} <= set(dir(evoca))
    done = subprocess.run(
        [sys.executable, "-m", "evoca", "-V"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"evoca {evoca.__version__}\n"


@pytest.mark.parametrize("name", ["Σκύλος.jpg", "Собака.jpg", "Łódź.jpg", "été.jpg"])
def test_a_name_is_drawn_in_a_font_that_has_its_letters(name):
    font = drawing._font_with(name, 18)
    if not any(map(_is_on_this_machine, ("DejaVuSans.ttf", "LiberationSans-Regular.ttf"))):
        pytest.skip("neither DejaVu nor Liberation is on this machine")
    assert drawing._lacking(font, name) == 0


def test_an_english_name_keeps_the_font_of_the_other_words():
    own = ImageFont.load_default(18)
    assert drawing._font_with("dog 1.jpg", 18).getname() == own.getname()
    assert drawing._lacking(own, "文件") == 2


def _is_on_this_machine(name):
    try:
        ImageFont.truetype(name, 18)
    except OSError:
        return False
    return True
