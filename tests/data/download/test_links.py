from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("httpx2")

from evoca.data.download.links import Link, checked_url, file_name, links_of, read_links
from evoca.data.download.schedule import Backoff, parse_retry_after
from evoca.errors import DataError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h/a.jpg", "http://h/a.jpg"),
        ("  https://H.example:8443/a?b=c#d ", "https://h.example:8443/a?b=c"),
        ("http://h/café.jpg", "http://h/caf%C3%A9.jpg"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ],
)
def test_addresses_are_brought_to_one_form(text, url):
    assert checked_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "photo.jpg",
        "//farm1.example/photo.jpg",
        "ftp://h/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http:///x",
        "http://h:99999/",
        "http://h:0/",
        "http://exa mple/",
        "http://user@h/x",
        "http://user:secret@h/x",
        "http://h/\x00",
        "http://h/" + "x" * 5000,
        "http://*xn--a/",
        "http://xn--a..b/",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(DataError, match="address"):
        checked_url(text)


@pytest.mark.parametrize(
    "name",
    ["../x.jpg", "a/../../x.jpg", "/x.jpg", "..", ".partial/x", "a\\b.jpg", "C:x.jpg", "a\0"],
)
def test_a_name_that_leaves_the_folder_or_hides_is_refused(name):
    with pytest.raises(DataError, match="leave the folder or hide"):
        Link("http://h/x", name)


@pytest.mark.parametrize(
    "name", ["./", ".", "x" * 300 + ".jpg", "a/" * 600 + "x.jpg", "\u00e9" * 130]
)
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(DataError, match=r"names no file|leave the folder|a file name of"):
        Link("http://h/x", name)


def test_a_file_and_a_folder_never_share_a_name():
    rows = [("1", "a"), ("2", "a/b.jpg"), ("3", "c/d/e.jpg"), ("4", "c/d"), ("5", "c/f.jpg")]
    found = links_of(
        [{"url": f"http://h/{url}", "image": name} for url, name in rows], ["url", "image"], "m.csv"
    )
    assert [link.url[-1] for link in found.links] == ["1", "3", "5"]
    assert [item.row for item in found.rejects] == [3, 5]


@given(url=st.text(max_size=80), name=st.text(max_size=80))
def test_any_row_is_taken_or_refused(url, name):
    found = links_of([{"url": "http://" + url, "image": name}], ["url", "image"], "m.csv")
    assert len(found.links) + len(found.rejects) == 1


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("images/a.jpg", "a.jpg"), ("images/awe/a.jpg", "awe/a.jpg"), ("images", "images")],
)
def test_images_are_not_nested_in_a_folder_of_that_name(wanted, name):
    assert Link("http://h/x", wanted).name == name


def test_two_links_never_share_a_file_whichever_way_it_is_named():
    rows = [{"url": "http://h/1", "image": "a.jpg"}, {"url": "http://h/2", "image": "images/a.jpg"}]
    found = links_of(rows, ["url", "image"], "m.csv")
    assert [link.url for link in found.links] == ["http://h/1"]
    assert [item.cause for item in found.rejects] == [
        "the file name a.jpg is another link's already"
    ]


def test_a_plain_list(tmp_path):
    path = tmp_path / "links.txt"
    path.write_text("# FI\n\nhttp://h/1.jpg\nnonsense\n  http://h/2.jpg\nhttp://h/1.jpg\n")
    result = read_links(path)
    assert [link.url[-5:] for link in result.links] == ["1.jpg", "2.jpg", "1.jpg"]
    assert [(r.row, r.text) for r in result.rejects] == [(4, "nonsense")]


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
def test_a_table(form, tmp_path):
    rows = [
        ["image", "url", "votes_awe"],
        ["awe/1.jpg", "http://h/1", "3"],
        ["", "http://h/2#top", "2"],
        ["../1.jpg", "http://h/3", "2"],
        ["/etc/1.jpg", "http://h/4", "2"],
        [".hidden", "http://h/5", "2"],
        ["awe/1.jpg", "http://h/6", "2"],
        ["http://h/7", "http://h/7", "1"],
        ["x.jpg", "", "1"],
    ]
    path = tmp_path / f"links.{form}"
    if form == "parquet":
        _write_parquet(path, rows)
    else:
        separator = {"csv": ",", "tsv": "\t"}[form]
        lines = [separator.join(row) for row in rows]
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    first = 1 if form == "parquet" else 2  # a table of text has a header
    result = read_links(path)
    assert result.links == [
        Link("http://h/1", "awe/1.jpg"),
        Link("http://h/2"),
        Link("http://h/7"),
    ]
    assert [r.row - first for r in result.rejects] == [2, 3, 4, 5, 7]
    assert "leave the folder" in result.rejects[0].cause
    assert result.rows[1] == {"image": "", "url": "http://h/2", "votes_awe": "2"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "no column url; it has a, b"),
        (b"", "the file is empty"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_table_that_is_none(content, message, tmp_path):
    path = tmp_path / "links.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_links(path)


def _write_parquet(path, rows):
    from evoca.data.manifest.duckdb import connect, sql_string

    header, *cells = rows
    table = np.array(cells, dtype=object)
    columns = {name: table[:, i] for i, name in enumerate(header)}
    database = connect()
    with database.arrays("links", columns):
        # Counts have a type in Parquet, and a cell without text is NULL.
        query = "SELECT nullif(image, '') AS image, url, votes_awe::INTEGER AS votes_awe FROM links"
        database.execute(f"COPY ({query}) TO {sql_string(path)} (FORMAT parquet)")


def test_a_row_of_another_length_is_refused(tmp_path):
    path = tmp_path / "links.csv"
    path.write_text("url,title\nhttp://h/1,one\nhttp://h/2,two,2\nnonsense,three\nhttp://h/4,\n")
    result = read_links(path)
    assert [link.url for link in result.links] == ["http://h/1", "http://h/4"]
    assert [(r.row, r.text) for r in result.rejects] == [(3, ""), (4, "nonsense")]
    assert result.rejects[0].cause == "3 cells, the header has 2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("links.txt", "cannot be read: No such file"),
        ("links.csv", "no such file"),
        ("links.parquet", "no such file"),
        (".", "a folder, and no list of links"),
    ],
)
def test_a_list_that_is_none(name, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_links(tmp_path / name)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("JPEG", ".jpg"),
        ("PNG", ".png"),
        ("GIF", ".gif"),
        ("WEBP", ".webp"),
        ("AVIF", ".avif"),
        ("BMP", ".bmp"),
        ("TIFF", ".tif"),
        ("JPEG2000", ".jp2"),
        ("PPM", ".ppm"),
        ("ICO", ".ico"),
    ],
)
def test_the_suffix_tells_what_the_file_is(kind, suffix, encoded):
    data = encoded(1, kind, (32, 32))
    assert file_name("http://h/photo.exe", data).endswith(suffix)


def test_file_names_are_safe_and_their_own():
    names = [
        file_name(url, b"\xff\xd8\xff")
        for url in (
            "http://h/a/../../etc/passwd",
            "http://h/a/%2e%2e%2fpasswd",
            "http://h/",
            "http://h/?x=1",
            "http://h/" + "x" * 500,
            "http://h/CON.jpg",
        )
    ]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.replace("-", "").replace(".jpg", "").replace("_", "").isalnum()
        assert len(name) < 100


NOW = datetime(2024, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("17", 17.0),
        (" 0 ", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Mon, 01 Jan 2024 12:00:30 GMT", 30.0),
        ("Mon, 01 Jan 2024 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


def test_backoff_grows_to_a_limit_and_listens():
    backoff = Backoff(first=1, longest=10, patience=100)
    for attempts, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10)):
        assert most / 2 <= backoff.delay(attempts) <= most
    assert backoff.delay(1, asked=50) == 50
    assert backoff.delay(5, asked=0) >= 5
    assert backoff.delay(1, asked=101) is None
