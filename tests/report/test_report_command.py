"""``evoca report`` as users run it: whole processes."""

import os
import subprocess
import sys

import pytest

MAIN = "from evoca.cli import main; main()"


def report(*arguments, start=MAIN):
    command = [sys.executable, "-c", start, "report", *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_page_without_images(run, tmp_path):
    out = tmp_path / "new" / "page.html"
    done = report(run.path, "--no-images", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(f"{out}: ")
    assert done.stdout.endswith("MB, no images\n")
    assert list(out.parent.iterdir()) == [out]
    page = out.read_text()
    assert "Not looked for: the page was made without the images (--no-images)" in page
    assert "not at hand" not in page
    assert "by chance" in page  # the calibration error stands beside the band of chance


def test_a_page_with_images_and_named_evidence(run, pictures, tmp_path):
    out = tmp_path / "page.html"
    arguments = ("--data", pictures, "--model", "default", "--look-for", "colour")
    done = report(run.path, *arguments, "--max-images", "4", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "thumbnails (4)"
    assert "4 images have an evidence map" in out.read_text()


def test_where_the_images_are_is_asked_for(run, tmp_path):
    done = report(run.path, "--out", tmp_path / "page.html")
    assert done.returncode == 0
    assert "name the manifest or folder with --data" in done.stderr
    assert "Not looked for: the images are not at hand" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--out", "x.html"], "nowhere: no such run directory"),
        (["RUN", "--out", "x.pdf"], "x.pdf: name a file that ends in .html"),
        (["RUN", "RUN", "--probe", "p.json", "--out", "x.html"], "whose is it, of 2 runs"),
        (["RUN", "RUN", "--out", "x.html"], "the same run is named twice"),
        (
            ["RUN", "--probe", "RUN/run.json", "--out", "x.html"],
            "not the result of a robustness test",
        ),
        (["RUN", "--data", "nowhere.csv", "--out", "x.html"], "nowhere.csv"),
        (["RUN", "--no-images", "--out", "RUN/run.json/x.html"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line(run, tmp_path, arguments, message):
    given = [argument.replace("RUN", str(run.path)) for argument in arguments]
    done = report(*given)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_device_or_pipe_keeps_its_place(run, tmp_path):
    pipe = tmp_path / "x.html"
    os.mkfifo(pipe)
    done = report(run.path, "--no-images", "--out", pipe)
    assert (done.returncode, "not a regular file" in done.stderr) == (1, True)
    assert pipe.is_fifo()


def test_a_base_install_is_enough(run, tmp_path):
    start = (
        "import sys\nfor name in ('sklearn', 'scipy', 'torch', 'duckdb', 'cv2'):\n"
        f"    sys.modules[name] = None\n{MAIN}"
    )
    done = report(run.path, "--no-images", "--out", tmp_path / "x.html", start=start)
    assert done.returncode == 0, done.stderr
