from __future__ import annotations

import threading

import numpy as np
import pytest

from evoca.data.manifest.duckdb import connect


def test_an_interrupted_query_is_an_interruption() -> None:
    database = connect()
    timer = threading.Timer(0.2, database._connection.interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        database.execute(
            "SELECT count(*) FROM range(1000000000000) t(i) WHERE hash(i) = 7"
        ).fetchall()
    timer.join()


def test_arrays_are_tables_only_while_asked_for() -> None:
    database = connect()
    with database.arrays("numbers", {"n": np.arange(3)}):
        assert database.execute("SELECT sum(n) FROM numbers").fetchall() == [(3,)]
    duckdb = pytest.importorskip("duckdb")
    with pytest.raises(duckdb.CatalogException):
        database.execute("SELECT * FROM numbers")


def test_nothing_is_fetched_from_elsewhere() -> None:
    duckdb = pytest.importorskip("duckdb")
    with pytest.raises(duckdb.Error):
        connect().execute("SELECT * FROM read_parquet('https://example.org/m.parquet')").fetchall()
