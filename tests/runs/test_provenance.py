import re

from evoca.runs import provenance
from evoca.runs.provenance import code_version, run_fingerprint

PARTS = {"data": "d", "split": {"kind": "k"}, "system": {"name": "x"}, "seeds": [0], "code": "c"}


def test_every_part_changes_the_fingerprint():
    changed = [
        {**PARTS, name: value}
        for name, value in {
            "data": "e",
            "split": {"kind": "l"},
            "system": {"name": "y"},
            "seeds": [0, 1],
            "code": "d",
        }.items()
    ]
    found = {run_fingerprint(**parts) for parts in [PARTS, *changed, dict(PARTS)]}
    assert len(found) == 1 + len(changed)


def test_the_code_is_told_by_its_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)

    def digest(name, content):
        (tmp_path / name).write_bytes(content)
        code_version.cache_clear()
        return code_version()["sha256"]

    first = digest("a.py", b"x = 1\n")
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert digest("a.py", b"x = 1\r\n") == first
    assert digest("notes.txt", b"not code") == first
    assert digest("a.py", b"x = 2\n") != first
    code_version.cache_clear()
