"""Archives built to cost far more than they weigh, through the command."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import duckdb
import pytest
from tests.data.conftest import MakeImage

from evoca.data.build import build
from evoca.data.readers.extracted import Allowance
from evoca.data.readers.tar import TarReader
from evoca.errors import DataError

MB = 1_000_000
# What the command takes to start is about 100 MB.
LITTLE_MEMORY = 400 * MB
_RUN = """
from evoca.cli import main
try:
    main()
finally:
    with open("/proc/self/status") as file:
        print("peak", file.read().split("VmHWM:")[1].split()[0])
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")


def _build(reader: str, source: Path, *more: str) -> tuple[int, str, int]:
    """Run ``evoca data build``; return its status, standard error and peak of memory."""
    arguments = ["data", "build", reader, source.name, "--out", "out/m.csv", *more]
    (source.parent / "out").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=source.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr, 1024 * int(done.stdout.split("peak")[1])


def _refused(reader: str, source: Path, memory: int = LITTLE_MEMORY) -> str:
    """Build from a file that must be refused at little cost; return the line that says so."""
    status, said, peak = _build(reader, source)
    assert status == 1
    assert said.count("\n") == 1, said
    assert said.startswith(f"evoca: {source.name}: ")
    assert peak < memory
    assert not list((source.parent / "out").iterdir())
    return said


def _head(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def _zeros(file: gzip.GzipFile, count: int) -> None:
    for _ in range(count // MB):
        file.write(bytes(MB))
    file.write(bytes(count % MB + -count % 512))


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A photograph's worth of bytes that becomes 150 MB of files."""
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", 6) as file:
        for number in range(5):
            file.write(_head(f"{number}.jpg", 30 * MB))
            _zeros(file, 30 * MB)
    return path


@LINUX
def test_a_gzip_bomb_is_refused_and_leaves_nothing(bomb: Path) -> None:
    said = _refused("webdataset", bomb)
    assert "a decompression bomb? The limit is 64 MiB and 20 times its size: raise --max" in said


def test_the_bound_can_be_lifted_and_holds_for_all_shards_together(
    bomb: Path, tmp_path: Path
) -> None:
    status, said, _ = _build("webdataset", bomb, "--max-ratio", "1000")
    assert (status, said) == (0, "")
    assert len(list((tmp_path / "out" / "m_images" / "bomb").iterdir())) == 5
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(3):
        with gzip.open(shards / f"{number}.tar.gz", "wb") as file:
            file.write(_head("a.jpg", 30 * MB))
            _zeros(file, 30 * MB)
    with pytest.raises(DataError, match=r"2\.tar\.gz: unpacks to more"):
        build("webdataset", shards, tmp_path / "m.csv")


def test_images_of_an_earlier_run_stay(bomb: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "m_images" / "bomb" / "00000001.jpg"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(bytes(30 * MB))
    with pytest.raises(DataError, match="decompression bomb"):
        build("webdataset", bomb, tmp_path / "m.csv")
    assert [path.name for path in earlier.parent.iterdir()] == [earlier.name]


@LINUX
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_header_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "s.tar.gz"
    with gzip.open(path, "wb", 6) as file:
        file.write(_head("header", 200 * MB, kind))
        _zeros(file, 200 * MB)
        file.write(_head("a.jpg", 0))
    assert "a header of 200,000,000 bytes" in _refused("webdataset", path)


@LINUX
@pytest.mark.parametrize("suffix", ["bin", "txt"])
def test_empty_members_without_end_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "s.tar.gz"
    ten = b"".join(_head(f"{number}.{suffix}", 0) for number in range(10))
    with gzip.open(path, "wb", 6) as file:
        for _ in range(18_000):
            file.write(ten)
    assert "decompression bomb" in _refused("webdataset", path)


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_with_holes_is_refused_and_costs_itself_alone(
    tmp_path: Path, make_image: MakeImage, format_: int
) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    holes = tarfile.TarInfo("a.jpg")
    if format_ == tarfile.PAX_FORMAT:
        holes.pax_headers = {"GNU.sparse.map": "200000000,0", "GNU.sparse.size": "200000000"}
        head = holes.tobuf(format_)
    else:
        holes.type = tarfile.GNUTYPE_SPARSE
        head = bytearray(holes.tobuf(format_))
        head[482] = 1  # one more block of holes
        head[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(head))[0]
        head = bytes(head) + bytes(512)
    good = _head("b.jpg", len(image)) + image + bytes(-len(image) % 512)
    (tmp_path / "s.tar").write_bytes(head + good + bytes(1024))
    built = build("webdataset", tmp_path / "s.tar", tmp_path / "m.csv")
    assert [row[0] for row in built.manifest.rows("key")] == ["b"]
    (reject,) = built.manifest.rejects
    assert reject.cause == ".jpg is stored with holes: pack the files without --sparse"


@LINUX
@pytest.mark.parametrize(
    "headers",
    [
        [(tarfile.GNUTYPE_LONGNAME, b"a.jpg\0")] * 2000,  # deeper than Python may call
        [(tarfile.XHDTYPE, b"1" * 400_000)],  # digits that no space follows
    ],
    ids=["a chain", "digits"],
)
def test_headers_that_cost_time_or_depth(
    tmp_path: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    path = tmp_path / "s.tar"
    with path.open("wb") as file:
        for kind, data in headers:
            file.write(_head("header", len(data), kind) + data + bytes(-len(data) % 512))
        file.write(_head("b.txt", 0) + bytes(1024))
    status, said, peak = _build("webdataset", path)
    assert (status, said.count("\n")) == (1, 1), said
    assert peak < LITTLE_MEMORY


@LINUX
@pytest.mark.parametrize(
    ("rows", "caption"),
    [(400, "repeat('x', 1000000)"), (2_000_000, "NULL")],
    ids=["one text again and again", "empty rows"],
)
def test_a_table_that_repeats_itself_is_refused(tmp_path: Path, rows: int, caption: str) -> None:
    path = tmp_path / "s.parquet"
    duckdb.sql(
        f"COPY (SELECT {{'bytes': 'x'::BLOB, 'path': 'a.jpg'}} AS image, 'awe' AS label, "
        f"{caption} AS caption FROM range({rows})) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
    )
    assert path.stat().st_size < MB
    assert "decompression bomb" in _refused("hf", path)


@LINUX
def test_a_cell_too_large_for_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    duckdb.sql(
        "COPY (SELECT {'bytes': repeat('x', 250000000)::BLOB, 'path': 'a.jpg'} AS image, "
        f"'awe' AS label) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
    )
    assert "decompression bomb" in _refused("hf", path, 1200 * MB)


def test_only_readers_of_archives_take_the_ratio(tmp_path: Path) -> None:
    (tmp_path / "awe").mkdir()
    status, said, _ = _build("folder", tmp_path / "awe", "--max-ratio", "3")
    assert (status, "takes no max_ratio" in said) == (1, True)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_are_read_as_by_tarfile(tmp_path: Path, format_: int, *, packed: bool) -> None:
    path = tmp_path / "a.tar"
    deep = "/".join(["folder of twenty one"] * (6 if format_ == tarfile.USTAR_FORMAT else 30))
    names = ["a.jpg", f"{deep}/b.jpg", "ü/ß 1.txt", "empty.cls", "block.bin"]
    with tarfile.open(path, "w:gz" if packed else "w", format=format_) as archive:
        for name, size in zip(names, (700, 1, 3000, 0, 512), strict=True):
            folder = tarfile.TarInfo(f"folder of {name}")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes([size % 251]) * size))
            link = tarfile.TarInfo(f"link to {size}")
            link.type, link.linkname = tarfile.SYMTYPE, f"{deep}/b.jpg"[-90:]
            archive.addfile(link)
    with TarReader(path, "a.tar", Allowance([path])) as read:
        found = [(member.name, read.read()) for member in read]
    with tarfile.open(path) as archive:
        files = [member for member in archive if member.isfile()]
        expected = [(m.name, archive.extractfile(m).read()) for m in files]  # type: ignore[union-attr]
    assert found == expected
    with TarReader(path, "a.tar", Allowance([path])) as read:
        assert [member.name for member in read] == names


@pytest.mark.parametrize("kept", [0, 100, 512, 700, 1024, 1500])
@pytest.mark.parametrize("packed", [False, True])
def test_a_shortened_archive_is_named(tmp_path: Path, kept: int, *, packed: bool) -> None:
    data = _head("a.jpg", 900) + b"x" * 900 + bytes(124) + _head("b.jpg", 3)
    shortened = data[:kept]
    path = tmp_path / "s.tar"
    path.write_bytes(gzip.compress(shortened) if packed else shortened)
    with pytest.raises(DataError, match=r"s\.tar: not a readable tar file: it (ends|is empty)"):
        build("webdataset", path, tmp_path / "m.csv")


def test_a_damaged_header_is_named(tmp_path: Path) -> None:
    data = bytearray(_head("a.txt", 0) + _head("b.txt", 0))
    data[520] ^= 1
    (tmp_path / "s.tar").write_bytes(data)
    with pytest.raises(DataError, match="a header is damaged"):
        build("webdataset", tmp_path / "s.tar", tmp_path / "m.csv")
