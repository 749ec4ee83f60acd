"""The HTTP API, asked over loopback of a server that the real command started."""

import json
import subprocess
import sys

import pytest

import evoca
from samples import encode, one_of_each, photo

PREDICTED = 'evoca_images_total{outcome="predicted"}'


def files(*named):
    return [("files", (name, data)) for name, data in named]


@pytest.fixture(scope="module")
def model():
    return evoca.load(threads=1)


@pytest.fixture(scope="module")
def rocket(examples):
    return (examples / "rocket.jpg").read_bytes()


def require_alike(found, expected):
    """Two predictions are the same, but for the last digits, which vary with the batch."""
    same = {**found, "confidence": 0, "probabilities": 0, "polarity": 0, "affect": 0}
    assert same == {**expected, "confidence": 0, "probabilities": 0, "polarity": 0, "affect": 0}
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
    assert found["affect"]["valence"] == pytest.approx(expected["affect"]["valence"], abs=1e-4)


def test_an_answer_has_the_keys_and_values_of_predict(server, examples, tmp_path):
    names = ["rocket.jpg", "china.jpg", "coffee.jpg"]
    text = subprocess.run(
        [sys.executable, "-m", "evoca", "predict", "--format", "json", *names],
        cwd=examples,
        capture_output=True,
        check=True,
    ).stdout
    sent = files(*((name, (examples / name).read_bytes()) for name in names))
    answer = server.client.post("/v1/predict", files=sent)
    assert answer.status_code == 200
    for found, expected in zip(answer.json(), json.loads(text), strict=True):
        assert list(found) == list(expected)
        require_alike(found, expected)


def test_a_body_is_one_image(server, model, rocket):
    answer = server.client.post(
        "/v1/predict", content=rocket, headers={"Content-Type": "image/jpeg"}
    )
    expected = model.predict(rocket).to_dict()
    (found,) = answer.json()
    require_alike(found, {**json.loads(json.dumps(expected)), "path": "body"})


def test_every_format_is_read_as_in_the_library(server, model):
    known = one_of_each()
    answers = server.client.post("/v1/predict", files=files(*known.items())).json()
    for (name, data), found in zip(known.items(), answers, strict=True):
        expected = {**model.predict(data).to_dict(), "path": name}
        require_alike(found, json.loads(json.dumps(expected)))


@pytest.mark.parametrize("wanted", ["top", "all"])
def test_evidence_is_that_of_the_library(server, model, rocket, wanted):
    answer = server.client.post(f"/v1/predict?evidence={wanted}", files=files(("a.jpg", rocket)))
    found = answer.json()[0]["evidence"]
    own = model.predict(rocket)
    assert found["kind"] == "additive"
    assert found["shape"] == [10, 10]
    labels = [own.emotion] if wanted == "top" else list(own.probabilities)
    assert list(found["values"]) == labels
    for label, cells in found["values"].items():
        expected = own.evidence.of(label).ravel().tolist()
        assert cells == pytest.approx(expected, abs=1e-3)


def test_a_prior_changes_the_answer_as_in_the_library(server, rocket):
    for prior in ("natural", "balanced"):
        answer = server.client.post(f"/v1/predict?prior={prior}", files=files(("a", rocket)))
        expected = evoca.load(threads=1, prior=prior).predict(rocket)
        (found,) = answer.json()
        assert found["prior"]["name"] == prior
        assert found["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-5)
        assert found["prediction_set"] == list(expected.prediction_set)


def test_the_models_say_what_a_page_needs(server, model):
    card = model.card
    (model,) = server.client.get("/v1/models").json()
    assert model["name"] == card.name
    assert model["default"] is True
    assert model["sha256"] == card.sha256
    assert [label["name"] for label in model["labels"]] == list(card.labels)
    assert {label["polarity"] for label in model["labels"]} == {"positive", "negative"}
    assert model["input"] == {"height": 320, "width": 320, "resize": "squash"}
    assert model["affect_scale"] == list(card.affect_range)
    assert [one["name"] for one in model["priors"] if one["default"]] == [card.prior.name]
    for prior in model["priors"]:
        assert sum(prior["frequencies"].values()) == pytest.approx(1)


def test_an_unreadable_image_has_an_error_in_its_place(server, rocket):
    sent = files(("a.txt", b"no image"), ("b.jpg", rocket), ("c.jpg", rocket[:2000]))
    answer = server.client.post("/v1/predict", files=sent)
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert first["error"].startswith("not an image")
    assert second["path"] == "b.jpg"
    assert "truncated" in third["error"]
    nothing = server.client.post("/v1/predict", files=files(("a.txt", b"no image")))
    assert nothing.status_code == 422
    assert nothing.json()[0]["path"] == "a.txt"


REFUSED = [
    ("POST", "/v1/predict?prior=none", {}, 422, "query.prior"),
    ("POST", "/v1/predict?piror=natural", {}, 422, "query.piror"),
    ("POST", "/v1/predict?evidence=some", {}, 422, "query.evidence"),
    ("POST", "/v1/predict", {"content": b"text"}, 415, "no content type"),
    ("POST", "/v1/predict", {"json": {}}, 415, "application/json"),
    ("POST", "/v1/predict", {"files": [("file", ("a", b"x"))]}, 422, "the field 'file'"),
    ("POST", "/v1/predict", {"data": {"files": "a"}, "files": []}, 415, "x-www-form"),
    (
        "POST",
        "/v1/predict",
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "boundary",
    ),
    (
        "POST",
        "/v1/predict",
        {
            "content": b"--x\r\nbroken",
            "headers": {"Content-Type": "multipart/form-data; boundary=x"},
        },
        400,
        "damaged form",
    ),
    (
        "POST",
        "/v1/predict",
        {"content": b"", "headers": {"Content-Type": "image/png"}},
        422,
        "empty",
    ),
    (
        "POST",
        "/v1/predict",
        {"content": b"x", "headers": {"Content-Type": "image/png", "Content-Encoding": "gzip"}},
        415,
        "compressed",
    ),
    ("GET", "/v1/predict", {}, 405, "method"),
    ("GET", "/v2/models", {}, 404, "nothing here"),
    ("POST", "/v1/predict-url", {"json": {"urls": ["https://example.org/a"]}}, 404, "nothing here"),
    ("GET", "/docs", {}, 404, "nothing here"),
]


@pytest.mark.parametrize(("method", "path", "given", "status", "said"), REFUSED)
def test_a_refusal_is_one_line_of_json(server, method, path, given, status, said):
    answer = server.client.request(method, path, **given)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_method_that_is_not_taken_names_those_that_are(server):
    assert server.client.delete("/v1/predict").headers["allow"] == "POST"


def test_no_answer_may_be_kept_framed_or_guessed_at(server):
    for path in ("/healthz", "/v1/models", "/nothing", "/openapi.json", "/metrics"):
        headers = server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_the_description_names_no_other_server(server):
    text = server.client.get("/openapi.json").text
    paths = json.loads(text)["paths"]
    assert set(paths) == {"/v1/models", "/v1/predict", "/healthz", "/readyz", "/metrics"}
    assert "http://" not in text
    assert paths["/v1/predict"]["post"]["responses"]["429"]["headers"]["Retry-After"]


def test_logs_and_figures_hold_no_name_of_a_file(server, rocket):
    before = server.metric(PREDICTED)
    server.client.post(
        "/v1/predict?prior=natural",
        files=files(("secret-name.jpg", rocket)),
        headers={"X-Request-ID": "trace-17"},
    )
    line = server.wait_for(lambda one: one.get("request") == "trace-17")
    expected = {"client": "127.0.0.1", "method": "POST", "route": "/v1/predict", "status": 200}
    assert {key: line[key] for key in expected} == expected
    assert line["images"] == 1
    assert line["bytes"] > len(rocket)
    assert server.metric(PREDICTED) == before + 1
    assert server.metric("evoca_held_bytes") == 0
    assert "secret-name" not in "".join(server.raw) + server.client.get("/metrics").text


def test_a_small_picture_and_a_large_one_are_answered_in_their_order(server):
    large = encode(photo(size=(2000, 1500)), "PNG")
    small = encode(photo(size=(40, 30)), "PNG")
    answer = server.client.post(
        "/v1/predict", files=files(("large", large), ("small", small), ("large 2", large))
    )
    assert [one["path"] for one in answer.json()] == ["large", "small", "large 2"]
