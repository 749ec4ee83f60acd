"""How the server of the real command begins, fetches and ends."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evoca.errors import EvocaError
from evoca.serving import ServeSettings, serve
from evoca.serving.clients import ApiKeys
from samples import encode, photo
from server_process import later
from strace import calls_in, need_strace, tracing
from website import Acts, site  # noqa: F401 - a fixture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stops processes, by /proc")
UNDER_WAY = "evoca_images_under_way"


@pytest.fixture(scope="module")
def picture():
    return encode(photo(), "PNG")


def ask(server, picture):
    return server.client.post("/v1/predict", files=[("files", ("a.png", picture))])


def test_requests_under_way_are_finished_after_sigterm(start, picture):
    own = start()
    assert own.client.get("/readyz").status_code == 200
    with own.paused():
        first = later(ask, own, picture)
        own.wait_until(UNDER_WAY, 1)
        own.signal(signal.SIGTERM)
        own.wait_for(lambda one: one["event"] == "draining")
        assert own.client.get("/healthz").status_code == 200
        assert own.client.get("/readyz").status_code == 503
        refused = ask(own, picture)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Connection"] == "close"
    assert first().status_code == 200
    assert own.end() == 0
    assert own.events[-1]["event"] == "stopped"


def test_a_request_has_a_deadline_and_a_second_signal_ends_at_once(start, picture):
    own = start("--timeout", "1")
    with own.paused():
        late = ask(own, picture)
        assert late.status_code == 503
        assert "longer than a request may" in late.json()["error"]
    own.wait_until('evoca_images_total{outcome="dropped"}', 1)
    own.signal(signal.SIGINT)
    own.signal(signal.SIGINT)
    assert own.end() == 0


@pytest.fixture(scope="module")
def fetching(start):
    return start("--allow-urls", "--allow-network", "127.0.0.1")


def urls(server, *given, **more):
    return server.client.post("/v1/predict-url", json={"urls": list(given)}, **more)


def test_images_are_fetched_from_addresses(fetching, site, picture):  # noqa: F811
    good = site.add("/a.png", picture)
    text = site.add("/b.txt", b"no image")
    answer = urls(fetching, good, text, f"{good}.gone", "ftp://127.0.0.1/a")
    assert answer.status_code == 200
    found = answer.json()
    assert [one["path"] for one in found] == [good, text, f"{good}.gone", "ftp://127.0.0.1/a"]
    assert found[0]["emotion"] == ask(fetching, picture).json()[0]["emotion"]
    assert found[1]["error"].startswith("not an image")
    assert "404" in found[2]["error"]
    assert "error" in found[3]
    assert good not in "".join(fetching.raw)


def test_addresses_that_are_not_public_are_refused(fetching, site, picture):  # noqa: F811
    inner = site.add("/inner.png", picture).replace("127.0.0.1", "127.0.0.2")
    outer = site.add("/outer", b"", Acts.redirect(inner))
    answer = urls(fetching, outer, inner, "http://10.0.0.1/a.png", "http://169.254.169.254/latest")
    assert answer.status_code == 422
    for one in answer.json():
        assert "address" in one["error"]
    assert site.sent("/inner.png") == 0


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 422), (b"{", 422), (b"[]", 422), (b'{"urls": []}', 422), (b'{"urls": [1]}', 422)],
)
def test_what_is_no_list_of_addresses_is_refused(fetching, content, status):
    headers = {"Content-Type": "application/json"}
    answer = fetching.client.post("/v1/predict-url", content=content, headers=headers)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"per_client": 200}, "--per-client 200: more than --queue 128 ever holds"),
        ({"max_files": 65}, "--max-files 65: more than the 64 images"),
        ({"api_keys": Path("missing.txt")}, "--api-keys missing.txt: cannot be read: No such file"),
        ({"model": "missing"}, "missing: no such model bundle"),
        ({"prior": "naturel"}, "--prior naturel"),
        ({"engine": "openvin"}, "engine openvin: no such engine; did you mean openvino"),
        ({"host": "203.0.113.7"}, "--host 203.0.113.7 --port 8000: cannot be used"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(options, said):
    with pytest.raises(EvocaError, match=f"^{said}") as found:
        serve(ServeSettings(**options))
    assert "\n" not in str(found.value)


def test_a_port_that_is_taken_is_said_before_anything_is_served(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "evoca", "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 1
    assert f"--port {port}: cannot be used: Address already in use" in done.stderr


def test_a_file_of_keys_is_read_with_care(tmp_path):
    file = tmp_path / "keys.txt"
    for content in ("", "# none\n", "name short\n", "a b c\n", f"a {'k' * 16}\na {'j' * 16}\n"):
        file.write_text(content)
        with pytest.raises(EvocaError, match="--api-keys"):
            ApiKeys.read(file)


def test_nothing_is_written_and_no_network_is_asked(start, tmp_path, picture):
    need_strace()
    own = start(before=tracing(tmp_path / "calls"))
    large = encode(photo(size=(1600, 1200)), "BMP")  # more than forms are kept in memory of
    sent = [("files", ("a.png", picture)), ("files", ("b.bmp", large))]
    assert own.client.post("/v1/predict?evidence=all", files=sent).status_code == 200
    tracer = own.process.pid
    (traced,) = Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()
    os.kill(int(traced), signal.SIGTERM)
    assert own.end() == 0
    network, written = calls_in(tmp_path / "calls", Path.cwd())
    assert network == []
    assert {path for path in written if path.parts[1] not in ("dev", "proc")} == set()
