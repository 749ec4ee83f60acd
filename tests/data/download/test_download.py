"""Downloads from a real server on 127.0.0.1 that drops, stalls, redirects, lies and dies."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("httpx2")

from evoca.data.download import (
    AddressPolicy,
    Backoff,
    DownloadSettings,
    Link,
    Reason,
    Status,
    download,
    repeated,
)
from evoca.data.download.placeholders import known_placeholders
from evoca.errors import DataError
from evoca.images import ImageLimits
from evoca.images.isolated import DecodingPool

QUICK = DownloadSettings(
    backoff=Backoff(first=0.01, longest=0.02, patience=5),
    connect_timeout=5,
    read_timeout=5,
    deadline=20,
    attempts=2,
    addresses=AddressPolicy.of(["127.0.0.1"]),
)


def fetch(folder, *urls, **changes):
    return download([Link(url) for url in urls], folder, dataclasses.replace(QUICK, **changes))


def one(folder, url, **changes):
    (outcome,) = fetch(folder, url, **changes)
    return outcome


def test_fetches_judges_and_names(site, encoded, tmp_path):
    data = encoded(1, "PNG", (80, 60))
    # The server calls the PNG a JPEG (as OASIS has it), and the link calls it a script.
    url = site.add("/12/photo%20one.php?size=b", data)

    outcome = one(tmp_path, url)

    assert (outcome.status, outcome.width, outcome.height) == (Status.DONE, 80, 60)
    assert outcome.sha256 == hashlib.sha256(data).hexdigest()
    assert outcome.size == len(data)
    assert Path(outcome.image).suffix == ".png"
    assert Path(outcome.image).name.startswith("photo-one-")
    assert (tmp_path / outcome.image).read_bytes() == data
    assert list((tmp_path / ".partial").iterdir()) == []


def test_names_that_the_list_gives_are_kept(site, encoded, tmp_path):
    links = [Link(site.add("/a", encoded(1)), "awe/1.jpg"), Link(site.add("/b", encoded(2)))]
    outcomes = download(links, tmp_path, QUICK)
    assert outcomes[0].image == "images/awe/1.jpg"
    (taken,) = download([Link(site.url + "/c", "awe/1.jpg")], tmp_path, QUICK)
    assert (taken.status, taken.reason) == (Status.FAILED, Reason.BAD_NAME)
    assert "awe/1.jpg is another link's" in taken.detail


def test_a_second_run_asks_for_nothing(site, encoded, acts, tmp_path):
    urls = [site.add(f"/{n}.jpg", encoded(n)) for n in range(5)]
    urls += [site.add("/gone.jpg", b"", acts.status(404)), urls[0]]
    first = fetch(tmp_path, *urls)
    assert len(site.log) == 6, "a link that is listed twice is fetched once"

    assert fetch(tmp_path, *urls) == first
    assert len(site.log) == 6


def test_a_file_that_vanished_or_was_cut_is_fetched_again(site, encoded, tmp_path):
    urls = [site.add(f"/{n}.jpg", encoded(n)) for n in range(3)]
    first = fetch(tmp_path, *urls)
    (tmp_path / first[0].image).unlink()
    (tmp_path / first[1].image).write_bytes(b"")

    assert fetch(tmp_path, *urls) == first

    assert [len(site.requests(f"/{n}.jpg")) for n in range(3)] == [2, 2, 1]
    assert (tmp_path / first[1].image).read_bytes() == encoded(1)


# Every way a link can fail: what the server does, the reason, whether a later run may do
# better, and how many requests one run makes.
FAILURES = {
    "not found": (lambda a: [a.status(404)], Reason.GONE, Status.DEAD, 1),
    "gone": (lambda a: [a.status(410)], Reason.GONE, Status.DEAD, 1),
    "private": (lambda a: [a.status(403)], Reason.FORBIDDEN, Status.DEAD, 1),
    "teapot": (lambda a: [a.status(418)], Reason.HTTP_ERROR, Status.DEAD, 1),
    "unasked 304": (lambda a: [a.status(304)], Reason.HTTP_ERROR, Status.DEAD, 1),
    "no part": (lambda a: [a.status(416)] * 2, Reason.CONNECTION, Status.FAILED, 2),
    "server error": (lambda a: [a.status(500)] * 2, Reason.SERVER_ERROR, Status.FAILED, 2),
    "busy for long": (
        lambda a: [a.status(503, Retry_After="3600")],
        Reason.SERVER_ERROR,
        Status.FAILED,
        1,
    ),
    "drops": (lambda a: [a.drop] * 2, Reason.CONNECTION, Status.FAILED, 2),
    "stalls": (lambda a: [a.die_after(0, stall=True)] * 2, Reason.TIMEOUT, Status.FAILED, 2),
    "drips": (lambda a: [a.drip(0.1)] * 2, Reason.TIMEOUT, Status.FAILED, 2),
    "endless": (lambda a: [a.endless], Reason.TOO_LARGE, Status.DEAD, 1),
    "says too large": (
        lambda a: [a.say({"Content-Length": str(10**12)})],
        Reason.TOO_LARGE,
        Status.DEAD,
        1,
    ),
    "says too long": (
        lambda a: [a.say({"Content-Length": "99999", "Connection": "close"})] * 2,
        Reason.CONNECTION,
        Status.FAILED,
        2,
    ),
    "says too short": (
        lambda a: [a.say({"Content-Length": "700", "Connection": "close"})],
        Reason.DAMAGED,
        Status.DEAD,
        1,
    ),
    "a part unasked": (
        lambda a: [a.say({"Content-Range": "bytes 5-9/10"}, 206)] * 2,
        Reason.CONNECTION,
        Status.FAILED,
        2,
    ),
    "cut without length": (
        lambda a: [a.without_length(700)] * 2,
        Reason.CONNECTION,
        Status.FAILED,
        2,
    ),
    "loop": (lambda a: [a.redirect("/x")] * 9, Reason.BAD_REDIRECT, Status.DEAD, 6),
    "to a file": (
        lambda a: [a.redirect("file:///etc/passwd")],
        Reason.BAD_REDIRECT,
        Status.DEAD,
        1,
    ),
    "to nowhere": (
        lambda a: [a.redirect("http://no..name/")] * 2,
        Reason.NAME_NOT_FOUND,
        Status.FAILED,
        2,
    ),
    "to a closed port": (
        lambda a: [a.redirect("http://127.0.0.1:1/")] * 2,
        Reason.CONNECTION,
        Status.FAILED,
        2,
    ),
    "to a placeholder": (
        lambda a: [a.redirect("https://s.yimg.com/pw/images/en-us/photo_unavailable_l.png")],
        Reason.PLACEHOLDER,
        Status.DEAD,
        1,
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_recorded_with_their_reason(name, site, encoded, acts, tmp_path):
    make_acts, reason, status, requests = FAILURES[name]
    url = site.add("/x", encoded(1), *make_acts(acts))

    # Only what is about time is given little of it, so that a busy machine fails nothing.
    hurry = {"read_timeout": 0.3, "deadline": 0.6} if reason is Reason.TIMEOUT else {}
    outcome = one(tmp_path, url, limits=ImageLimits(max_bytes=200_000), **hurry)

    assert (outcome.reason, outcome.status) == (reason, status), outcome.detail
    assert outcome.detail
    assert len(site.requests("/x")) == requests
    assert not list(tmp_path.rglob("images/*"))

    if status is Status.FAILED:  # by now the server behaves
        assert one(tmp_path, url).status is Status.DONE
    else:
        assert one(tmp_path, url).status is Status.DEAD
        assert len(site.requests("/x")) == requests
        assert one(tmp_path, url, retry_dead=True).status is not None
        assert len(site.requests("/x")) > requests


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html><body>Not found</body></html>", Reason.NOT_AN_IMAGE),
        (b"", Reason.DAMAGED),
        (b"%PDF-1.7 not an image", Reason.NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.NOT_AN_IMAGE),
    ],
)
def test_the_content_decides_what_is_an_image(data, reason, site, tmp_path):
    outcome = one(tmp_path, site.add("/x.jpg", data))  # served as image/jpeg
    assert (outcome.status, outcome.reason) == (Status.DEAD, reason)
    assert len(site.log) == 1


def test_an_image_called_text_is_an_image(site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.say({"Content-Type": "text/html"}))
    assert one(tmp_path, url).status is Status.DONE


@pytest.mark.parametrize(
    "coding", ["", "none", "UTF-8", "aws-chunked", "identity", "binary", "gzip", "aws-chunked,gzip"]
)
def test_what_an_uploader_wrote_for_a_coding_does_not_matter(coding, site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.say({"Content-Encoding": coding}))
    assert one(tmp_path, url).status is Status.DONE


@pytest.mark.parametrize("coding", ["gzip", "aws-chunked,gzip"])
def test_a_body_that_is_compressed_is_refused(coding, site, encoded, acts, tmp_path):
    url = site.add("/x", gzip.compress(encoded(1)), acts.say({"Content-Encoding": coding}))
    outcome = one(tmp_path, url)
    assert (outcome.reason, outcome.status) == (Reason.HTTP_ERROR, Status.DEAD)
    assert outcome.detail == "compressed (gzip) although asked not to"


def test_a_server_that_drips_is_left_once_it_is_too_slow(
    site, encoded, acts, monkeypatch, tmp_path
):
    monkeypatch.setattr("evoca.data.download.fetch.RATE_WINDOW", 0.5)
    slow = site.add("/x", encoded(1), acts.drip(0.05))
    outcome = one(tmp_path, slow, attempts=1, deadline=60)
    assert outcome.reason is Reason.TIMEOUT
    assert "bytes a second; the least is 500" in outcome.detail
    assert 0 < site.sent("/x") < len(encoded(1))
    assert one(tmp_path, slow).status is Status.DONE  # by now the server is quick


NOT_FOR_AI = ["noai", "noindex, NoImageAI", "evoca: noai", "otherbot: noindex, evoca: noimageai"]
FOR_ALL = ["noindex", "otherbot: noai, noimageai", "max-snippet: 3, nofollow", "", "noaim"]


@pytest.mark.parametrize("rule", NOT_FOR_AI)
def test_pictures_that_are_not_for_ai_are_left(rule, site, encoded, acts, tmp_path):
    says = acts.say({"X-Robots-Tag": rule})
    url = site.add("/x", encoded(1), says, says)
    outcome = one(tmp_path, url)
    assert outcome.reason is Reason.NO_AI
    assert "X-Robots-Tag" in outcome.detail
    assert site.requests("/x")[-1].sent <= len(encoded(1))
    assert not list(tmp_path.rglob("images/*"))
    assert one(tmp_path, url, heed_robots=False).status is Status.DONE


@pytest.mark.parametrize("rule", FOR_ALL)
def test_other_rules_for_robots_forbid_nothing(rule, site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.say({"X-Robots-Tag": rule}))
    assert one(tmp_path, url).status is Status.DONE


ABSURD = {
    "a date in a strange zone": {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 +999999"},
    "a date beyond all": {"Last-Modified": "Fri, 31 Dec 9999 23:59:59 -2359"},
    "no number of bytes": {"Content-Range": "bytes x-y/z"},
    "a number of bytes without end": {"Content-Range": f"bytes 0-1/{'9' * 5000}"},
    "a wait in a strange zone": {"Retry-After": "Sun, 06 Nov 1994 08:49:37 +999999"},
}


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_headers_cost_nothing(kind, site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.say({"Date": "x", **ABSURD[kind]}))
    assert one(tmp_path, url).status is Status.DONE
    assert one(tmp_path, url, refresh=True).status is Status.DONE


def test_a_cookie_of_one_link_reaches_no_other(site, encoded, acts, tmp_path):
    """This one could not even be sent back."""
    first = site.add("/first", encoded(1), acts.say({"Set-Cookie": "a=\xe9\xff; Path=/"}))
    others = [site.add(f"/{number}", encoded(2 + number)) for number in range(3)]
    outcomes = fetch(tmp_path, first, *others, concurrency=1, per_host=1)
    assert [outcome.status for outcome in outcomes] == [Status.DONE] * 4


WHERE_TO = ["http://*xn--a/", "http://xn--a..b/", "http://[::1", "http://a b/", "ftp://h/x"]


@pytest.mark.parametrize("target", WHERE_TO)
def test_a_redirect_to_nonsense_costs_its_link_alone(target, site, encoded, acts, tmp_path):
    bad = site.add("/bad", encoded(1), *[acts.redirect(target)] * 2)
    good = site.add("/good", encoded(2))
    for _ in range(2):  # the same again on a second run
        outcomes = fetch(tmp_path, bad, good)
        assert outcomes[0].status in {Status.DEAD, Status.FAILED}
        assert outcomes[1].status is Status.DONE


def test_a_busy_server_with_an_absurd_date_is_tried_again(site, encoded, acts, tmp_path):
    busy = acts.status(503, Retry_After="Sun, 06 Nov 1994 08:49:37 +999999")
    assert one(tmp_path, site.add("/x", encoded(1), busy)).status is Status.DONE


@given(data=st.data())
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_a_server_says_costs_its_link_alone(data, site, encoded, acts, tmp_path_factory):
    text = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60)
    names = st.sampled_from(
        ["Content-Range", "Last-Modified", "Date", "ETag", "Retry-After",
         "Content-Encoding", "X-Robots-Tag", "Content-Type", "Set-Cookie"]
    )  # fmt: skip
    status = data.draw(st.sampled_from([200, 206, 301, 302, 304, 416, 429, 503]))
    headers = data.draw(st.dictionaries(names, text, max_size=4))
    if status in {301, 302}:  # to this machine alone, whatever is behind it
        place = data.draw(st.sampled_from(["/", site.url + "/", "http://[", "http://*xn--"]))
        headers["Location"] = place + data.draw(text)
    says = [acts.say(headers, status)] * 2
    bad, good = site.add("/bad", encoded(1), *says), site.add("/good", encoded(2))
    folder = tmp_path_factory.mktemp("run")
    outcomes = fetch(folder, bad, good, give_up_host=100)
    assert outcomes[1].status is Status.DONE
    assert outcomes[0].status is not Status.WAITING


def test_a_name_that_cannot_be_costs_its_link_alone(site, encoded, tmp_path):
    (tmp_path / "images" / "taken").mkdir(parents=True)
    bad, good = site.add("/bad", encoded(1)), site.add("/good", encoded(2))
    links = [Link(bad, "taken"), Link(good, "taken/b.jpg")]
    for _ in range(2):
        first, second = download(links, tmp_path, QUICK)
        assert (first.status, first.reason) == (Status.FAILED, Reason.BAD_NAME)
        assert second.status is Status.DONE
    renamed = download([Link(bad, "free.jpg")], tmp_path, QUICK)
    assert renamed[0].image == "images/free.jpg"


def test_a_name_of_an_earlier_list_costs_its_link_alone(site, encoded, tmp_path):
    first, second, third = (site.add(f"/{n}", encoded(n)) for n in range(3))
    download([Link(first, "a.jpg")], tmp_path, QUICK)
    outcomes = download([Link(second, "a.jpg"), Link(third, "c.jpg")], tmp_path, QUICK)
    assert (outcomes[0].reason, outcomes[1].status) == (Reason.BAD_NAME, Status.DONE)
    assert "name it differently" in outcomes[0].detail
    again = download([Link(second, "b.jpg")], tmp_path, QUICK)
    assert (again[0].status, again[0].image) == (Status.DONE, "images/b.jpg")


def test_a_picture_that_is_hard_to_decode_costs_its_link_alone(
    site, encoded, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        "evoca.data.download.job.DecodingPool", partial(DecodingPool, memory=60 * 1024**2)
    )
    buffer = io.BytesIO()
    Image.new("RGB", (7_000, 7_000)).save(buffer, "PNG")
    heavy, good = site.add("/heavy", buffer.getvalue()), site.add("/good", encoded(2))
    outcomes = fetch(tmp_path, heavy, good)
    assert [outcome.status for outcome in outcomes] == [Status.DEAD, Status.DONE]
    assert "memory" in outcomes[0].detail or "MB" in outcomes[0].detail


def test_a_bomb_is_refused_by_its_header(site, encoded, tmp_path):
    url = site.add("/x", encoded(1, "PNG", (400, 300)))
    outcome = one(tmp_path, url, limits=ImageLimits(max_pixels=100_000))
    assert (outcome.reason, outcome.status) == (Reason.TOO_LARGE, Status.DEAD)


def test_known_placeholders_are_recognised_by_content(site, encoded, monkeypatch, tmp_path):
    data = encoded(1)
    digest = ("md5", hashlib.md5(data).hexdigest())
    known = dataclasses.replace(known_placeholders(), digests={digest: "Site: gone"})
    monkeypatch.setattr("evoca.data.download.fetch.known_placeholders", lambda: known)
    outcome = one(tmp_path, site.add("/x.jpg", data))
    assert (outcome.reason, outcome.detail) == (Reason.PLACEHOLDER, "Site: gone")


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://s.yimg.com/pw/images/en-us/photo_unavailable.png", True),
        ("http://l.yimg.com/g/images/photo_unavailable.gif", True),
        ("https://s.yimg.com/pw/images/fr-fr/photo_unavailable_l.png", True),
        ("https://combo.staticflickr.com/pw/images/en-us/photo_unavailable_m.png", True),
        ("https://i.imgur.com/removed.png", True),
        ("https://notyimg.com/pw/images/en-us/photo_unavailable.png", False),
        ("https://example.com/yimg.com/photo_unavailable.png", False),
        ("https://live.staticflickr.com/1/2_photo_unavailable.jpg", False),
        ("https://i.imgur.com/removed1.png", False),
    ],
)
def test_known_placeholders_by_address(url, known):
    assert (known_placeholders().by_url(url) is not None) == known


def test_the_same_picture_for_many_links_is_reported(site, encoded, tmp_path):
    urls = [site.add(f"/{n}.jpg", encoded(n // 3)) for n in range(4)]
    outcomes = fetch(tmp_path, *urls)
    assert repeated(outcomes) == [(outcomes[0].sha256, urls[:3])]


def test_redirects_are_followed(site, encoded, acts, tmp_path):
    site.add("/c", encoded(1))
    site.add("/b", b"", acts.redirect("c", 307))
    outcome = one(tmp_path, site.add("/a", b"", acts.redirect(site.url + "/b", 301)))
    assert outcome.status is Status.DONE


def test_the_connection_is_resumed_where_it_broke(site, encoded, acts, tmp_path):
    data = encoded(1, "PNG")
    half = len(data) // 2
    url = site.add("/x", data, acts.die_after(half), acts.die_after(100))

    assert one(tmp_path, url, attempts=3).status is Status.DONE

    assert [r.start for r in site.log] == [0, half, half + 100]
    assert site.sent("/x") == len(data), "no byte was sent twice"


def test_what_was_kept_survives_an_error_in_between(site, encoded, acts, tmp_path):
    data = encoded(1)
    url = site.add("/x", data, acts.die_after(500), acts.status(503))
    assert one(tmp_path, url, attempts=3).status is Status.DONE
    assert [r.start for r in site.log] == [0, 500, 500]


@pytest.mark.parametrize(
    ("etag", "ranges"),
    [('W/"weak"', True), ("", True), ('"strong"', False)],
    ids=["weak etag", "no validator", "no ranges"],
)
def test_without_a_sure_continuation_it_starts_over(etag, ranges, site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.die_after(500), etag=etag, ranges=ranges)
    outcome = one(tmp_path, url)
    assert (tmp_path / outcome.image).read_bytes() == encoded(1)
    assert site.requests("/x")[1].status == 200


def test_content_that_changed_meanwhile_is_not_spliced(site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.die_after(500), acts.status(404))
    assert one(tmp_path, url).status is Status.DEAD
    site.add("/x", encoded(2))
    outcome = one(tmp_path, url, retry_dead=True)
    assert site.requests("/x")[-1].start == 500
    assert (tmp_path / outcome.image).read_bytes() == encoded(2)


def test_refresh_asks_whether_files_have_changed(site, encoded, acts, tmp_path):
    urls = [site.add(f"/{n}", encoded(n)) for n in range(3)]
    first = fetch(tmp_path, *urls)
    site.add("/1", encoded(9))
    site.add("/2", b"", acts.status(404))

    second = fetch(tmp_path, *urls, refresh=True)

    assert [r.status for r in site.log[3:] if r.conditional and r.path == "/0"] == [304]
    assert second[0] == first[0]
    assert (tmp_path / second[1].image).read_bytes() == encoded(9)
    assert second[2] == first[2], "what was fetched once is kept when the link dies"
    assert (tmp_path / first[2].image).is_file()


def test_retry_after_rests_the_whole_host(site, encoded, acts, tmp_path):
    urls = [site.add(f"/{n}", encoded(n)) for n in range(4)]
    site.pages["/0"].acts = [acts.status(429, Retry_After="1")]
    outcomes = fetch(tmp_path, *urls, per_host=1)
    assert {o.status for o in outcomes} == {Status.DONE}
    assert len(site.log) == 5
    assert site.log[1].at - site.log[0].at > 0.9


def test_no_more_at_once_at_one_host_than_allowed(site, encoded, acts, tmp_path):
    def slow(handler, page):
        time.sleep(0.02)
        acts.behave(handler, page)

    urls = [site.add(f"/{n}", encoded(1), slow) for n in range(20)]
    fetch(tmp_path, *urls, per_host=3)
    assert site.most_at_once == 3


def test_a_host_that_is_down_is_given_up(site, acts, tmp_path):
    urls = [site.add(f"/{n}", b"", *[acts.drop] * 9) for n in range(30)]
    outcomes = fetch(tmp_path, *urls, give_up_host=5, per_host=1)
    reasons = {o.reason for o in outcomes}
    assert reasons == {Reason.CONNECTION, Reason.HOST_DOWN}
    assert {o.status for o in outcomes} == {Status.FAILED}
    assert len(site.log) == 5


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_not_reached_by_any_spelling(host, site, encoded, tmp_path):
    url = site.add("/x", encoded(1)).replace("127.0.0.1", host)
    outcome = one(tmp_path, url, addresses=AddressPolicy())
    assert outcome.reason is Reason.ADDRESS_REFUSED
    assert not site.log


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/secret",
        "http://[::1]:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
    ],
)
def test_redirects_to_private_addresses_are_refused(target, site, acts, tmp_path):
    port = site.server.server_port
    url = site.add("/x", b"", acts.redirect(target.format(port=port)))
    outcome = one(tmp_path, url)
    assert outcome.reason is Reason.ADDRESS_REFUSED
    assert [r.path for r in site.log] == ["/x"]


def test_a_name_is_judged_at_each_connection(site, encoded, acts, monkeypatch, tmp_path):
    """A name that leads to a permitted address first and to another one later."""
    port = site.server.server_port
    answers = [["10.0.0.1", "127.0.0.1"], ["127.0.0.2"]]

    async def resolve(host, _, **__):
        return [(2, 1, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr("anyio.getaddrinfo", resolve)
    urls = []
    for n in range(2):
        site.add(f"/{n}", encoded(n), acts.without_length())
        urls.append(f"http://rebind.example:{port}/{n}")

    first, second = fetch(tmp_path, *urls, concurrency=1)

    assert first.status is Status.DONE
    assert second.detail == "rebind.example: 127.0.0.2 is a loopback address"
    assert [r.path for r in site.log] == ["/0"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupted_store_is_settled(moment, site, encoded, monkeypatch, tmp_path):
    """The process dies just before, or just after, the file is renamed into place."""
    replace = os.replace

    class KilledError(BaseException):
        pass

    def killed(source, target):
        if moment == "after":
            replace(source, target)
        raise KilledError

    url = site.add("/x", encoded(1))
    monkeypatch.setattr("evoca.data.download.state.os.replace", killed)
    with pytest.raises(KilledError):
        one(tmp_path, url)
    monkeypatch.undo()

    outcome = one(tmp_path, url)

    assert outcome.status is Status.DONE
    assert (tmp_path / outcome.image).read_bytes() == encoded(1)
    assert len(site.log) == 1, "nothing was fetched twice"


def test_a_whole_file_that_was_not_judged_yet_is_not_fetched_again(
    site, encoded, monkeypatch, tmp_path
):
    """The process dies between the last byte and the verdict."""
    url = site.add("/x", encoded(1))

    class KilledError(BaseException):
        pass

    def killed(*_):
        raise KilledError

    monkeypatch.setattr("evoca.data.download.fetch.Fetcher._check", killed)
    with pytest.raises(KilledError):
        one(tmp_path, url)
    monkeypatch.undo()

    outcome = one(tmp_path, url)

    assert (tmp_path / outcome.image).read_bytes() == encoded(1)
    assert site.sent("/x") == len(encoded(1))
    assert [r.status for r in site.log] == [200, 416]


CHILD = """
import sys
from pathlib import Path
from evoca.data.download import *
settings = DownloadSettings(per_host=2, read_timeout=20, addresses=AddressPolicy.of(["127.0.0.1"]))
download([Link(url) for url in sys.argv[2:]], Path(sys.argv[1]), settings)
"""


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_after_sigkill_nothing_is_lost_or_fetched_twice(site, encoded, acts, tmp_path):
    data = [encoded(n, "PNG") for n in range(8)]
    half = len(data[5]) // 2
    urls = [site.add(f"/{n}", content) for n, content in enumerate(data)]
    site.pages["/5"].acts = [acts.die_after(half, stall=True)]  # dies twice in the middle
    site.pages["/6"].acts = [acts.die_after(0, stall=True)]  # and before the first byte
    partial = tmp_path / ".partial" / hashlib.sha256(urls[5].encode()).hexdigest()[:32]

    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), *urls])
    wait_until(lambda: len(site.log) == 7 and partial.exists() and partial.stat().st_size == half)
    child.send_signal(signal.SIGKILL)
    child.wait()
    site.release.set()
    assert len(list((tmp_path / "images").iterdir())) == 5
    assert not site.requests("/7")

    outcomes = fetch(tmp_path, *urls)

    assert [(tmp_path / o.image).read_bytes() for o in outcomes] == data
    assert [site.sent(f"/{n}") for n in range(8)] == [len(content) for content in data]
    assert [r.start for r in site.requests("/5")] == [0, half]
    assert [len(site.requests(f"/{n}")) for n in (0, 1, 2, 3, 4, 7)] == [1] * 6


def test_killed_again_and_again_it_still_ends(site, encoded, acts, tmp_path):
    """SIGKILL at moments that nobody chose."""

    def slow(handler, page):
        time.sleep(0.03)
        acts.behave(handler, page)

    count = 30
    urls = [site.add(f"/{n}", encoded(n), *[slow] * 9) for n in range(count)]
    for pause in (0.05, 0.12):
        seen = len(site.log)
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), *urls])
        wait_until(lambda seen=seen: len(site.log) > seen)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.wait()
    for path in tmp_path.glob("images/*"):
        assert path.read_bytes() in [encoded(n) for n in range(count)], "a file is whole"

    outcomes = fetch(tmp_path, *urls)

    assert {o.status for o in outcomes} == {Status.DONE}
    # At most the two that were on their way at each of the two kills were begun again.
    assert len(site.log) <= count + 2 * 2


def test_one_download_a_folder(site, encoded, acts, tmp_path):
    url = site.add("/x", encoded(1), acts.die_after(10, stall=True))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), url])
    try:
        wait_until(lambda: site.log)
        with pytest.raises(DataError, match="another download is using this folder"):
            one(tmp_path, url)
    finally:
        child.kill()
        child.wait()


def test_a_folder_of_a_newer_version_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "download.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(DataError, match="newer Evoca"):
        fetch(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot be used as a download folder"):
        fetch(tmp_path / "below")


def test_a_full_disk_stops_with_one_line(site, encoded, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evoca.data.download.state.os.replace", full)
    with pytest.raises(DataError, match=r"cannot be written to: .*No space left"):
        one(tmp_path, site.add("/x", encoded(1)))


def test_no_links_no_requests(tmp_path):
    assert fetch(tmp_path) == []


def test_progress_counts_every_link_once(site, encoded, acts, tmp_path):
    urls = [site.add(f"/{n}", encoded(n)) for n in range(3)]
    urls.append(site.add("/gone", b"", acts.status(404)))
    for _ in range(2):
        steps = []
        download([Link(url) for url in urls], tmp_path, QUICK, on_settled=steps.append)
        assert sum(steps) == 4
