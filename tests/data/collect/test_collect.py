from __future__ import annotations

import csv
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("httpx2")

from PIL import Image
from typer.testing import CliRunner

from evoca.commands.data.app import app
from evoca.data.collect import (
    ReviewServer,
    ReviewStore,
    Verdict,
    candidates_from_folder,
    export_review,
    keywords_in,
    load_keywords,
)
from evoca.data.collect.store import checked_annotator
from evoca.data.manifest.table import read_manifest
from evoca.data.relabel import label_by
from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.images.isolated import DecodingPool


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(picture, tmp_path):
    """Candidates: four that keywords speak of, one twice over, and three of no use."""
    folder = tmp_path / "found"
    for n, name in enumerate(
        ("Snake 1.jpg", "trash/heap.png", "fear/x.jpg", "snakes in a cemetery.jpg", "chair.jpg")
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(folder / name)
    (folder / "snake copy.jpg").write_bytes((folder / "Snake 1.jpg").read_bytes())
    (folder / "spider.jpg").write_bytes(b"<html>")
    return folder


@pytest.fixture
def store(folder, tmp_path):
    store = ReviewStore(tmp_path / "out")
    store.add(candidates_from_folder(folder, load_keywords()).candidates)
    yield store
    store.close()


@pytest.fixture
def server(store):
    with ReviewServer(store) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("text", "emotions"),
    [
        ("Snake", {"fear": "snake"}),
        ("two-SNAKES.42", {"fear": "snake"}),
        ("snakeskin", {}),
        ("roller_coaster", {"excitement": "roller coaster"}),
        ("coaster roller", {}),
        ("Böse Spinne", {}),
        ("a game at the cemetery", {"excitement": "games", "sadness": "cemetery"}),
        ("", {}),
    ],
)
def test_keywords_are_found_as_words(text, emotions):
    assert keywords_in(text, load_keywords()) == emotions


def test_the_shipped_table_has_every_emotion_and_the_paper_s_examples():
    rows = rows_of(Path(load_keywords.__code__.co_filename).with_name("keywords.csv"))
    assert {row["emotion"] for row in rows} == {str(emotion) for emotion in MIKELS8}
    paper = {(r["emotion"], r["keyword"]) for r in rows if r["origin"] == "rapolu2023"}
    assert paper == {
        ("excitement", "cold beverages"),
        ("excitement", "games"),
        ("excitement", "romance"),
        ("disgust", "trash"),
        ("disgust", "filth"),
        ("disgust", "diseases"),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n", "needs the columns emotion and keyword"),
        ("emotion,keyword\njoy,party\n", r"line 2: unknown emotion 'joy'; one of amusement"),
        ("emotion,keyword\nawe,...\n", "line 2: no keyword"),
        ("emotion,keyword\nawe\n", "line 2: no keyword"),
        ("emotion,keyword\n", "no keywords in it"),
    ],
)
def test_a_keyword_table_with_a_fault(content, message, tmp_path):
    path = tmp_path / "words.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"words\.csv: {message}"):
        load_keywords(path)


def test_a_folder_is_matched_by_its_paths(folder):
    found = candidates_from_folder(folder, load_keywords())
    by_name = {c.path.name: c.emotions for c in found.candidates}
    assert by_name == {
        "Snake 1.jpg": {"fear": "snake"},
        "heap.png": {"disgust": "trash"},
        "x.jpg": {"fear": ""},
        "snakes in a cemetery.jpg": {"fear": "snake", "sadness": "cemetery"},
        "snake copy.jpg": {"fear": "snake"},
    }
    assert [Path(name).name for name in found.unmatched] == ["chair.jpg"]
    assert [Path(name).name for name, _ in found.unreadable] == ["spider.jpg"]


def test_identical_files_are_asked_about_once(store, folder):
    _, total = store.progress("Ada")
    assert total == 5
    again = candidates_from_folder(folder, load_keywords()).candidates
    assert store.add(again) == 0


def test_each_reviewer_has_an_own_lasting_order(store):
    orders = {}
    for name in ("Ada", "Bela", "Cleo", "Dana"):
        orders[name] = [q.id for q in store.open_questions(name, 99)]
        assert orders[name] == [q.id for q in store.open_questions(name, 99)]
        assert sorted(orders[name]) == [1, 2, 3, 4, 5]
    assert len({tuple(order) for order in orders.values()}) > 1


def test_votes_are_kept_replaced_and_taken_back(store, tmp_path):
    first, second = store.open_questions("Ada")
    store.vote(first.id, "Ada", Verdict.ACCEPT)
    store.vote(second.id, "Ada", Verdict.REJECT)
    store.vote(first.id, "Bela", Verdict.REJECT)
    store.vote(second.id, "Ada", Verdict.SKIP)
    assert store.undo("Ada") == second
    assert store.undo("Nobody") is None
    assert second in store.open_questions("Ada")
    assert store.progress("Ada") == (Counter(accept=1), 5)

    other = ReviewStore(tmp_path / "out")  # as after a kill: nothing was held back
    assert [(v.annotator, v.verdict) for v in other.votes()] == [
        ("Ada", "accept"),
        ("Bela", "reject"),
    ]
    other.close()
    with pytest.raises(DataError, match="no question 99"):
        store.vote(99, "Ada", Verdict.SKIP)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\u202eb"])
def test_names_that_are_refused(name):
    with pytest.raises(DataError, match="name"):
        checked_annotator(name)


def test_the_tables_say_who_voted_what(store, folder, tmp_path):
    out = tmp_path / "out"
    both = folder / "snakes in a cemetery.jpg"
    answers = {
        ("Snake 1.jpg", "fear"): ("accept", "accept", "reject"),
        ("heap.png", "disgust"): ("reject", "skip", "reject"),
        (both.name, "fear"): ("accept", "accept", "accept"),
        (both.name, "sadness"): ("accept", "accept", "accept"),
        ("x.jpg", "fear"): ("skip", "skip", "skip"),
    }
    for annotator, column in (("Ada", 0), ("Bela", 1), ("Cleo", 2)):
        for question in store.open_questions(annotator, 99):
            name = "Snake 1.jpg" if "copy" in question.path.name else question.path.name
            verdict = answers[name, question.emotion][column]
            store.vote(question.id, annotator, Verdict(verdict))

    result = export_review(store.votes(), out)

    manifest = read_manifest(out / "manifest.csv")
    again = label_by(manifest, "agree", keep_all=True).manifest
    assert again.texts("emotion").tolist() == manifest.texts("emotion").tolist()
    assert result.labels == {"fear": 1}
    assert (result.tied, result.rejected, result.annotators) == (1, 2, 3)
    manifest = {Path(row["image"]).name: row for row in rows_of(out / "manifest.csv")}
    assert len(manifest) == 4
    assert manifest[both.name]["emotion"] == ""
    assert manifest[both.name]["votes_sadness"] == "3"
    assert manifest["heap.png"]["disagree_disgust"] == "2"
    assert manifest["snake copy.jpg"]["emotion"] == "fear"
    assert Path(manifest["heap.png"]["image"]).is_file()
    votes = rows_of(out / "votes.csv")
    assert list(votes[0]) == ["image", "annotator", "emotion"]
    assert Counter(row["emotion"] for row in votes) == {"fear": 5, "sadness": 3}
    assert len(rows_of(out / "verdicts.csv")) == 15


def ask(server, method="GET", route="", body=None, **headers):
    """Send one request below the key; a header of ``None`` is left out."""
    sent = {"Host": f"127.0.0.1:{server.server_port}", **headers}
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    path = route if route.startswith("/") else f"/{server.key}/{route}"
    connection.putrequest(method, path, skip_host=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name.replace("_", "-"), value)
    if body is not None and "Content_Length" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, data


VOTE = {"annotator": "Ada", "question": 1, "verdict": "accept"}
REFUSED = {
    "no key": ({"route": "/"}, 404),
    "a wrong key": ({"route": "/wrong/state?annotator=Ada"}, 404),
    "unknown route": ({"route": "secret"}, 404),
    "another host (DNS rebinding)": ({"Host": "evil.example"}, 403),
    "another host with our port": ({"Host": "evil.example:{port}"}, 403),
    "no host": ({"Host": None}, 403),
    "another site's fetch": ({"Sec_Fetch_Site": "cross-site"}, 403),
    "another port's page": ({"Sec_Fetch_Site": "same-site"}, 403),
    "a vote from another origin": (
        {"method": "POST", "route": "vote", "body": VOTE, "Origin": "https://evil.example"},
        403,
    ),
    "a vote from a sandboxed frame": (
        {"method": "POST", "route": "vote", "body": VOTE, "Origin": "null"},
        403,
    ),
    "a vote from a form": (
        {"method": "POST", "route": "vote", "body": VOTE, "Content_Type": "text/plain"},
        415,
    ),
    "a vote by GET": ({"route": "vote"}, 404),
    "too much": ({"method": "POST", "route": "vote", "body": b"x" * 5000}, 413),
    "a false length": (
        {"method": "POST", "route": "vote", "body": b"", "Content_Length": "-1"},
        413,
    ),
    "not JSON": ({"method": "POST", "route": "vote", "body": b"{"}, 400),
    "deep JSON": ({"method": "POST", "route": "vote", "body": b"[" * 4000}, 400),
    "not an object": ({"method": "POST", "route": "vote", "body": []}, 400),
    "no verdict": ({"method": "POST", "route": "vote", "body": {**VOTE, "verdict": "?"}}, 400),
    "a list": ({"method": "POST", "route": "vote", "body": {**VOTE, "verdict": ["skip"]}}, 400),
    "no such question": (
        {"method": "POST", "route": "vote", "body": {**VOTE, "question": 99}},
        400,
    ),
    "a huge question": (
        {"method": "POST", "route": "vote", "body": {**VOTE, "question": 10**30}},
        400,
    ),
    "no name": ({"method": "POST", "route": "vote", "body": {**VOTE, "annotator": " "}}, 400),
    "no such image": ({"route": "image/99"}, 404),
    "an image by path": ({"route": "image/../../etc/passwd"}, 404),
    "an image of a huge number": ({"route": "image/" + "9" * 40}, 404),
}


@pytest.mark.parametrize("name", REFUSED)
def test_requests_that_are_refused(name, server, store):
    request, status = REFUSED[name]
    if isinstance(request.get("Host"), str):
        request = {**request, "Host": request["Host"].format(port=server.server_port)}
    response, data = ask(server, **request)
    assert response.status == status, data
    assert not store.votes()


def test_a_vote_gives_the_next_question(server, store):
    _, data = ask(server, route="state?annotator=Ada")
    state = json.loads(data)
    assert (state["answered"], state["total"]) == (0, 5)
    now, following = state["questions"]

    body = {"annotator": " Ada ", "question": now["id"], "verdict": "accept"}
    origin = f"http://127.0.0.1:{server.server_port}"
    response, data = ask(server, "POST", "vote", body, Origin=origin, Sec_Fetch_Site="same-origin")

    assert response.status == 200
    state = json.loads(data)
    assert state["questions"][0] == following
    assert (state["answered"], state["accepted"]) == (1, 1)
    _, data = ask(server, "POST", "undo", {"annotator": "Ada"})
    assert json.loads(data)["questions"][0] == now
    assert not store.votes()


def test_the_page_runs_no_script_but_its_own(server):
    response, data = ask(server)
    policy = response.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    page = data.decode()
    assert "default-src 'none'" in policy
    assert page.count(f'nonce="{nonce}"') == page.count("<script") + page.count("<style")
    assert not re.search(r"\son\w+=|https?://|\{\{", page)
    assert response.headers["Referrer-Policy"] == "no-referrer"
    other, _ = ask(server)
    assert nonce not in other.headers["Content-Security-Policy"]


def test_images_are_made_anew_without_what_they_carry(server, store, folder):
    from PIL import Image

    question = store.open_questions("Ada")[0]
    with Image.open(question.path) as image:
        exif = image.getexif()
        exif[0x010E] = "where I live"
        image.save(question.path, exif=exif)
    assert b"where I live" in question.path.read_bytes()

    response, data = ask(server, route=f"image/{question.id}")

    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert data.startswith(b"\xff\xd8\xff")
    assert b"where I live" not in data
    assert b"Exif" not in data


def test_an_image_that_has_gone_is_an_error_of_its_own(server, store):
    question = store.open_questions("Ada")[0]
    question.path.unlink()
    response, data = ask(server, route=f"image/{question.id}")
    assert (response.status, data) == (400, b"no such file")


def _heavy():
    """A picture whose decoding takes 150 MB."""
    buffer = io.BytesIO()
    Image.new("RGB", (7_000, 7_000)).save(buffer, "PNG")
    return buffer.getvalue()


def _slow():
    """A picture whose decoding takes seconds: one more scan, 80 times over."""
    buffer = io.BytesIO()
    Image.effect_noise((3_000, 3_000), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xc4") : -2] * 80 + data[-2:]


HOSTILE = {
    "memory": (_heavy, {"memory": 60 * 1024**2}),
    "seconds": (_slow, {"seconds": 0.5}),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the system bounds no address space")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_picture_that_is_hard_to_decode_costs_itself_alone(name, store, monkeypatch):
    make, bounds = HOSTILE[name]
    monkeypatch.setattr("evoca.data.collect.server.DecodingPool", partial(DecodingPool, **bounds))
    hostile, *others = store.open_questions("Ada", 9)
    hostile.path.write_bytes(make())
    others = [question for question in others if question.path != hostile.path]
    with ReviewServer(store) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        response, data = ask(server, route=f"image/{hostile.id}")
        assert response.status == 400
        assert b"decod" in data or b"memory" in data
        asked_again, same = ask(server, route=f"image/{hostile.id}")
        assert (asked_again.status, same) == (400, data)
        for question in others:
            response, data = ask(server, route=f"image/{question.id}")
            assert (response.status, data[:3]) == (200, b"\xff\xd8\xff")
        body = {"annotator": "Ada", "question": hostile.id, "verdict": "skip"}
        assert ask(server, "POST", "vote", body)[0].status == 200
        processes = [p._running.pid for p in server.decoder._all if p._running is not None]
        server.shutdown()
    assert processes
    for number in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the system bounds no address space")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_candidate_that_is_hard_to_decode_costs_itself_alone(name, folder, monkeypatch):
    make, bounds = HOSTILE[name]
    pool = partial(DecodingPool, **bounds)
    monkeypatch.setattr("evoca.data.collect.candidates.DecodingPool", pool)
    (folder / "snake hole.png").write_bytes(make())
    found = candidates_from_folder(folder, load_keywords())
    assert len(found.candidates) == 5
    causes = dict(found.unreadable)
    (cause,) = (causes[place] for place in causes if place.endswith("snake hole.png"))
    assert "decoding it takes more" in cause or "memory" in cause


def test_a_port_in_use_is_said(server, store):
    with pytest.raises(DataError, match=r"port \d+ cannot be used"):
        ReviewServer(store, server.server_port)


def run(*arguments):
    return CliRunner().invoke(app, ["collect", *map(str, arguments)])


def test_collect_from_a_folder(folder, tmp_path):
    out = tmp_path / "out"
    result = run(folder, "--out", out, "--no-serve")
    assert result.exit_code == 1, "a file among the candidates is no image"
    assert "5 new questions" in result.stderr
    assert "1 image that no keyword matches" in result.stderr
    assert "spider.jpg: not an image" in result.stderr
    assert (out / "manifest.csv").is_file()
    assert run("--out", out, "--no-serve").exit_code == 0


def test_collect_from_links(site, encoded, tmp_path):
    path = tmp_path / "links.csv"
    path.write_text(
        "url,title,emotion\n"
        f"{site.add('/1', encoded(1))},A waterfall,\n"
        f"{site.add('/2', encoded(2))},A chair,\n"
        f"{site.add('/3', encoded(3))},A chair,Anger\n"
    )
    out = tmp_path / "out"
    result = run(path, "--out", out, "--no-serve", "--allow-network", "127.0.0.1")
    assert result.exit_code == 0, result.stderr
    store = ReviewStore(out)
    assert {q.emotion for q in store.open_questions("Ada", 9)} == {"awe", "anger"}
    store.vote(1, "Ada", Verdict.ACCEPT)
    store.close()

    assert run("--out", out, "--no-serve").exit_code == 0
    (row,) = rows_of(out / "manifest.csv")
    assert (row["emotion"], row["keyword"]) == ("awe", "waterfall")
    assert row["url"] == site.url + "/1"
    assert (out / row["image"]).is_file()


def test_collect_prints_its_keywords():
    result = run("--print-keywords")
    assert result.exit_code == 0
    assert "disgust,filth" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((".",), 2, "--out"),
        (("none", "--out", "out"), 1, "none: cannot be read"),
        ((".", "--out", "out"), 1, "no images in this folder"),
        ((".", "--out", "out", "--keywords", "none.csv"), 1, "none.csv: cannot be read"),
    ],
)
def test_collect_with_bad_input(arguments, status, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == status
    assert message in result.stderr


def test_stopping_the_page_writes_the_tables(folder, tmp_path):
    out = tmp_path / "out"
    command = ["collect", str(folder), "--out", str(out), "--no-browser"]
    child = subprocess.Popen(
        [sys.executable, "-c", "from evoca.commands.data.app import app; app()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in child.stderr:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/", line):
            break
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/{found[2]}/vote", json.dumps(VOTE), headers)
    assert connection.getresponse().status == 200
    connection.close()
    child.send_signal(signal.SIGINT)
    printed, _ = child.communicate(timeout=20)
    assert child.returncode == 1, "a file among the candidates is no image"
    assert "1 reviewer" in printed
    assert [row["annotator"] for row in rows_of(out / "votes.csv")] == ["Ada"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_manifest_of_either_kind_is_a_source(form, folder, tmp_path):
    (folder / "m.csv").write_text(
        "image,emotion,title\nSnake 1.jpg,,a snake\nchair.jpg,awe,\n"
        "fear/x.jpg,,a chair\ngone.jpg,joy,\n"
    )
    source = folder / "m.csv"
    if form == "parquet":
        source = folder / "m.parquet"
        read_manifest(folder / "m.csv", strict=False).write(source)
    result = CliRunner().invoke(
        app, ["collect", str(source), "--out", str(tmp_path / "c"), "--no-serve"]
    )
    assert "2 new questions about 2 images" in result.stderr
    assert "1 image that no keyword matches" in result.stderr
    assert ("row 5: unknown emotion 'joy'" in result.stderr) == (form == "csv")
    assert result.exit_code == int(form == "csv")


def test_a_review_that_is_not_there_cannot_be_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("--out", "revue", "--no-serve")
    assert result.exit_code == 1
    assert result.stderr == "evoca: revue: no review to go on with: name a SOURCE to begin\n"
    assert not (tmp_path / "revue").exists()
