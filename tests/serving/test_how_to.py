"""The requests of docs/how-to/serve.md, sent as they stand."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"^curl .*$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("request_line", [one for one in REQUESTS if "predict-url" not in one])
def test_a_request_of_the_page_is_answered(server, request_line):
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    words = shlex.split(request_line.replace("http://127.0.0.1:8000", server.url))
    done = subprocess.run([*words, "-sf"], cwd=ROOT, capture_output=True, check=True)
    sent = request_line.count("examples/")
    answers = json.loads(done.stdout)
    assert len(answers) == sent
    assert all("emotion" in one for one in answers)
    assert ("evidence" in answers[0]) == ("evidence=" in request_line)


def test_every_status_of_the_page_is_described_and_no_other(server):
    paths = server.client.get("/openapi.json").json()["paths"]
    described = {
        int(status) for one in paths["/v1/predict"]["post"]["responses"] for status in [one]
    }
    stated = {
        int(n)
        for line in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
        for n in line.split(",")
    }
    assert stated - {404, 405} == described - {200}
