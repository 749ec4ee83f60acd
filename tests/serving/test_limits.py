"""Limits of the server: what is refused, dropped or ended, and what is not."""

import sys

import pytest

from samples import encode, photo
from server_process import connected, later

if sys.platform != "linux":
    pytest.skip("stops processes that decode, by /proc", allow_module_level=True)

UNDER_WAY = "evoca_images_under_way"
DROPPED = 'evoca_images_total{outcome="dropped"}'
COMPUTED = "evoca_batch_images_sum"


@pytest.fixture(scope="module")
def picture():
    return encode(photo(), "PNG")


@pytest.fixture(scope="module")
def limited(start, keys):
    """A server with small limits, and keys."""
    file, _ = keys
    options = "--queue 4 --per-client 3 --max-files 3 --patience 1 --max-request 1"
    return start("--api-keys", str(file), "--max-connections", "12", *options.split())


@pytest.fixture(scope="module")
def as_client(limited, keys, picture):
    """Asks as the owner of a key."""

    def ask(name, count, **given):
        sent = [("files", (f"{i}.png", picture)) for i in range(count)]
        headers = {"Authorization": f"Bearer {keys[1][name]}"}
        return limited.client.post("/v1/predict", files=sent, headers=headers, **given)

    limited.client.headers["X-API-Key"] = keys[1]["museum"]  # of /metrics
    return ask


def test_one_client_is_held_back_and_then_all(limited, as_client):
    with limited.paused():
        first = later(as_client, "museum", 3)
        limited.wait_until(UNDER_WAY, 3)
        mine = as_client("museum", 1)
        assert mine.status_code == 429
        assert int(mine.headers["Retry-After"]) >= 1
        assert "3 images under way" in mine.json()["error"]
        others = later(as_client, "school", 1)
        limited.wait_until(UNDER_WAY, 4)
        full = as_client("school", 1)
        assert full.status_code == 503
        assert int(full.headers["Retry-After"]) >= 1
    assert first().status_code == others().status_code == 200
    assert limited.metric(UNDER_WAY) == 0
    assert as_client("museum", 3).status_code == 200


def test_images_of_a_client_that_has_gone_are_not_computed(limited, as_client, keys, picture):
    before, computed = limited.metric(DROPPED), limited.metric(COMPUTED)
    with limited.paused():
        with connected(limited) as raw:
            raw.sendall(request_of(picture, keys[1]["school"], count=3))
            limited.wait_until(UNDER_WAY, 3)
        limited.wait_until(UNDER_WAY, 0)
        line = limited.wait_for(lambda one: one.get("status") == 499)
        assert line["client"] == "school"
    limited.wait_until(DROPPED, before + 3)
    assert limited.metric(COMPUTED) == computed
    assert limited.metric("evoca_held_bytes") == 0


def request_of(picture, key, count=1, length=None):
    """The bytes of a request, whose header may state another length."""
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    body = (part + picture + b"\r\n") * count + b"--x--\r\n"
    lines = (
        b"POST /v1/predict HTTP/1.1",
        b"Host: localhost",
        b"X-API-Key: " + key.encode(),
        b"Content-Type: multipart/form-data; boundary=x",
        b"Content-Length: %d" % (length or len(body)),
    )
    return b"\r\n".join((*lines, b"", body))


def test_a_key_is_needed_and_named_in_logs_but_never_shown(limited, as_client, keys, picture):
    form = {"files": [("files", ("a", picture))]}
    for headers in ({}, {"X-API-Key": "m" * 31}, {"Authorization": "Bearer wrong"}):
        given = {"X-API-Key": "", **headers}
        answer = limited.client.post("/v1/predict", headers=given, **form)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert limited.client.get("/v1/models", headers={"X-API-Key": ""}).status_code == 401
    assert limited.client.get("/metrics", headers={"X-API-Key": ""}).status_code == 401
    assert limited.client.get("/readyz", headers={"X-API-Key": ""}).status_code == 200
    assert as_client("school", 1).status_code == 200
    assert "school" in {one["client"] for one in limited.requests()}
    for key in (*keys[1].values(), "m" * 31, "wrong"):
        assert key not in "".join(limited.raw)


def test_too_large_a_request_is_refused(limited, as_client, keys):
    headers = {"X-API-Key": keys[1]["museum"], "Content-Type": "image/png"}
    whole = limited.client.post("/v1/predict", content=bytes(2**20 + 1), headers=headers)
    parts = iter([bytes(2**16)] * 17)  # of no length that is stated
    chunked = limited.client.post("/v1/predict", content=parts, headers=headers)
    for answer in (whole, chunked):
        assert answer.status_code == 413
        assert "1,048,576 bytes" in answer.json()["error"]
    many = as_client("museum", 4)
    assert (many.status_code, many.json()["error"]) == (
        413,
        "more than 3 images: send them in several requests",
    )


def test_slow_headers_end_the_connection(limited, as_client):
    with connected(limited) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        assert raw.recv(100) == b""
    with connected(limited) as raw:
        assert raw.recv(100) == b""  # nothing at all was sent
    with connected(limited) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\n" + b"X-Long: " + b"x" * 70_000)
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_slow_body_is_refused(limited, as_client, keys, picture):
    with connected(limited) as raw:
        raw.sendall(request_of(picture, keys[1]["museum"], length=500_000))
        answer = raw.recv(4000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert limited.metric("evoca_held_bytes") == 0


def test_what_is_no_http_is_refused_as_all_else(limited):
    with connected(limited) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        head, _, body = raw.recv(4000).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b'{"error": "Invalid HTTP request received."}'


def test_connections_above_the_limit_are_closed(limited):
    opened = [connected(limited) for _ in range(13)]
    try:
        assert opened[-1].recv(100) == b""
        opened[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert opened[0].recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        for raw in opened:
            raw.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", ""])
def test_a_foreign_host_is_refused(server, host):
    assert server.client.get("/v1/models", headers={"Host": host}).status_code == 400
    assert server.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_may_not_send_images(server, picture):
    sent = {"files": [("files", ("a", picture))]}
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = server.client.post("/v1/predict", headers=headers, **sent)
        assert answer.status_code == 403
    own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert server.client.post("/v1/predict", headers=own, **sent).status_code == 200
