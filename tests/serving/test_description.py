"""The server does what its own description says: asked by schemathesis, which reads it.

A longer run, of a server that listens already (``--max-examples`` as many as there is time for):

    schemathesis --config-file tests/serving/schemathesis.toml run URL/openapi.json \
        --max-examples 2000
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis", reason="needs the extra dev")

CONFIG = Path(__file__).parent / "schemathesis.toml"


def asked(url, tmp_path, *options):
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    return subprocess.run(
        [*command, f"{url}/openapi.json", "--seed", "1", "--no-color", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )


def test_no_request_gets_an_answer_that_is_not_described(server, tmp_path):
    done = asked(server.url, tmp_path, "--max-examples", "10")
    assert done.returncode == 0, done.stdout
    assert "Tested: 5" in done.stdout
    assert {one["status"] for one in server.requests()} >= {200, 405, 415, 422}
    assert max(one["status"] for one in server.requests()) < 500
