"""One rule book: DuckDB and NumPy refuse the same rows, for the same reason."""

import csv

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from evoca.cli import app
from evoca.data.manifest.columns import Columns
from evoca.data.manifest.duckdb import sql_name
from evoca.data.manifest.labelled import load_labelled
from evoca.data.manifest.rules import (
    Cells,
    cause_expression,
    clean_expression,
    first_refused,
    possible_labels,
    rules_of,
)
from evoca.errors import DataError

duckdb = pytest.importorskip("duckdb", reason="needs the extra data")

NUMBERS = ("0", "1", "-1", "2.5", " 3 ", "1e3", "1e99", "1e400", "inf", "nan", "-0", "1_0", ".5")
WORDS = ("", " ", "\xa0", "few", "awe", "AWE", " fear\xa0", "joy", "positive", "１", "{}", "0x1")
SPLITS = ("", "train", "Val", "test ", "dev")
HASHES = ("", "ab" * 32, "AB" * 32, "zz" * 32, "ab" * 31, f" {'0' * 64}", "md5-" + "0" * 60)
TAXONOMIES = ("", "mikels8", "ekman6", "Mikels8", "polarity")
COLUMNS = {
    "image": ("", "a.jpg", " b ", "\t"),
    "taxonomy": TAXONOMIES,
    "emotion": WORDS,
    "split": SPLITS,
    "sha256": HASHES,
    **dict.fromkeys(("votes_awe", "disagree_fear", "valence_n", "width"), NUMBERS + WORDS),
    **dict.fromkeys(("p_awe", "p_fear"), (*NUMBERS, "0.5", "0.4949", "")),
    **dict.fromkeys(("valence", "arousal_sd"), NUMBERS + WORDS),
}


@st.composite
def tables(draw):
    others = sorted(set(COLUMNS) - {"image"})
    names = ["image", *draw(st.lists(st.sampled_from(others), unique=True, max_size=6))]
    n = draw(st.integers(1, 6))
    cell = {
        name: st.sampled_from(COLUMNS[name])
        | (st.text(max_size=4) if name != "image" else st.nothing())
        for name in names
    }
    return {name: draw(st.lists(cell[name], min_size=n, max_size=n)) for name in names}


def causes_of_numpy(table, taxonomy):
    """The cause of each row, from tables of one row."""
    found = []
    labels = possible_labels(taxonomy, by_row="taxonomy" in table)
    rules = rules_of(tuple(table), labels, taxonomy)
    for row in range(len(table["image"])):
        values = {name: np.array([cells[row]], dtype=object) for name, cells in table.items()}
        refused = first_refused(rules, Cells(Columns(values, np.array([row + 2]))))
        found.append(None if refused is None else refused[1])
    return found


def causes_of_duckdb(table, taxonomy):
    names = tuple(table)
    labels = possible_labels(taxonomy, by_row="taxonomy" in names)
    with duckdb.connect() as connection:
        columns = ", ".join(f"{sql_name(name)} VARCHAR" for name in names)
        connection.execute(f"CREATE TABLE raw ({columns})")
        rows = [list(row) for row in zip(*table.values(), strict=True)]
        connection.executemany(f"INSERT INTO raw VALUES ({', '.join('?' * len(names))})", rows)
        cleaned = ", ".join(
            f"{clean_expression(name, 'VARCHAR')} AS {sql_name(name)}" for name in names
        )
        cause = cause_expression(names, labels, taxonomy)
        query = f"SELECT {cause} FROM (SELECT {cleaned} FROM raw)"
        return [cause for (cause,) in connection.execute(query).fetchall()]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.sampled_from(("mikels8", "ekman6")))
def test_duckdb_and_numpy_refuse_the_same_rows_for_the_same_reason(table, taxonomy):
    assert causes_of_numpy(table, taxonomy) == causes_of_duckdb(table, taxonomy)


@pytest.mark.parametrize(
    ("column", "cell", "cause"),
    [
        ("sha256", "zz", "sha256 is 'zz', not 64 hexadecimal digits"),
        ("sha256", "md5-" + "0" * 60, "not 64 hexadecimal digits"),
        ("votes_awe", "2.5", "votes_awe is '2.5', not a whole number"),
        ("valence_sd", "-1", "valence_sd is -1, below zero"),
        ("width", "0", "width is 0, below 1"),
        ("split", "dev", "unknown split 'dev'; use train, val, test or leave it empty"),
    ],
)
def test_check_and_training_refuse_the_same_cell(column, cell, cause, tmp_path, examples):
    """Training took what a check refused, and some of it ended the export that followed."""
    manifest = tmp_path / "manifest.csv"
    with manifest.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "emotion", column])
        writer.writerow([examples / "china.jpg", "awe", ""])
        writer.writerow([examples / "china.jpg", "awe", cell])
    checked = CliRunner().invoke(app, ["data", "check", str(manifest)])
    assert checked.exit_code == 1
    assert cause in " ".join((checked.stdout + checked.stderr).split())
    with pytest.raises(DataError, match="row 3: ") as refused:
        load_labelled(manifest)
    assert cause in str(refused.value)


def test_rows_that_are_refused_are_counted(tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("image,emotion,split\na,awe,\nb,joy,\nc,awe,dev\n,awe,\n")
    with pytest.raises(DataError, match=r"row 3: unknown emotion 'joy'.*\(and 2 more rows\)"):
        load_labelled(manifest)
