import sqlite3

import pytest

from evoca.errors import EvocaError
from evoca.runs.test_uses import ledger_file, record_use


def test_uses_are_counted_by_model_data_and_split(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOCA_LEDGER", str(tmp_path / "new" / "uses.sqlite3"))
    said = [
        str(record_use(*use, "name"))
        for use in [
            ("data", "test", "a"),
            ("data", "test", "a"),
            ("data", "test", "b"),
            ("data", "test", "c"),
            ("data", "all", "a"),
            ("other", "test", "a"),
        ]
    ]
    starts = ["never", "by this model once,", "by another model 2 times,"]
    starts += ["by 2 other models 3 times,", "never", "never"]
    assert [text.split(" last on")[0] for text in said] == starts


def test_saved_predictions_count_as_the_model_that_they_name(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOCA_LEDGER", str(tmp_path / "uses.sqlite3"))
    said = [
        str(record_use("data", "test", *use))
        for use in [("", "ours"), ("a", "ours"), ("", "ours"), ("b", "theirs"), ("", "theirs")]
    ]
    starts = ["never", "by this model once,", "by this model 2 times,"]
    starts += ["by another model 3 times,", "by this model once and by another model 3 times,"]
    assert [text.split(" last on")[0] for text in said] == starts


def test_the_record_can_be_put_off_and_lies_with_the_users_state(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOCA_LEDGER", "off")
    assert record_use("data", "test", "a", "name") is None
    monkeypatch.delenv("EVOCA_LEDGER")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert ledger_file() == tmp_path / "evoca" / "ledger.sqlite3"


@pytest.mark.parametrize("content", [b"no database at all, but text", None])
def test_a_record_that_cannot_be_kept_says_what_to_do(tmp_path, monkeypatch, content):
    file = tmp_path / "uses.sqlite3"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content * 100)
    monkeypatch.setenv("EVOCA_LEDGER", str(file))
    with pytest.raises(EvocaError, match="set it to off") as caught:
        record_use("data", "test", "a", "name")
    assert "\n" not in str(caught.value)


def test_the_record_holds_no_path(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOCA_LEDGER", str(tmp_path / "uses.sqlite3"))
    record_use("data", "test", "a", "name")
    with sqlite3.connect(tmp_path / "uses.sqlite3") as connection:
        ((_, *rest),) = connection.execute("SELECT * FROM test_use").fetchall()
    assert rest == ["data", "test", "a", "name"]
