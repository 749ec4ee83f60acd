"""``evoca video`` from a clip to its tables, chart and page, through the real command."""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import evoca
from browser import ARGUMENTS, CHROMIUM, CONTRAST, NAMELESS
from clips import sound, still, write
from evoca import video
from evoca.images import Preprocessing
from evoca.video.decoding import Reading, Sampled
from evoca.video.process import FilmProcess

EVOCA = [sys.executable, "-m", "evoca"]


def run(*arguments, cwd=None):
    return subprocess.run([*EVOCA, *map(str, arguments)], capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a clip of two shots, and all that the command writes of it."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "a film").mkdir()
    pictures = [*still("flower", 15, (320, 180)), *still("rocket", 15, (320, 180))]
    write(folder / "a film" / "clip #1.mp4", pictures)
    done = run(
        *("video", "a film/clip #1.mp4", "--out", "film.csv", "--html", "film.html"),
        *("--svg", "film.svg", "--threads", 1),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_per_frame_with_its_shot(made):
    folder, _ = made
    rows = rows_of(folder / "film.csv")
    labels = evoca.load().labels
    assert {row["path"] for row in rows} == {"a film/clip #1.mp4"}
    assert {row["shot"] for row in rows} == {"0", "1"}
    assert [float(row["time"]) for row in rows] == sorted(float(row["time"]) for row in rows)
    for row in rows:
        assert float(row["shot_start"]) <= float(row["time"]) < float(row["shot_end"])
        for name in ("p", "smoothed"):
            assert sum(float(row[f"{name}_{label}"]) for label in labels) == pytest.approx(1.0)
    for shot in "01":
        assert sum(int(row["key_frame"]) for row in rows if row["shot"] == shot) == 1
    shots = rows_of(folder / "film.shots.csv")
    assert [row["shot"] for row in shots] == ["0", "1"]
    assert shots[0]["end"] == shots[1]["start"]
    assert float(shots[1]["end"]) == pytest.approx(3.0, abs=0.05)
    own = [row for row in rows if row["shot"] == "0"]
    likeliest = {row["emotion"] for row in own}
    assert shots[0]["emotion"] in likeliest
    assert sorted(folder.iterdir()) == sorted(
        folder / n for n in ("a film", "film.csv", "film.html", "film.shots.csv", "film.svg")
    )


def test_a_frame_is_predicted_as_the_photograph_it_shows(made):
    folder, _ = made
    model = evoca.load()
    for row, name in zip(rows_of(folder / "film.csv")[:1], ("flower",), strict=True):
        wanted = model.predict(np.asarray(still(name, 15, (320, 180))[int(row["frame"])]))
        found = {label: float(row[f"p_{label}"]) for label in model.labels}
        assert max(abs(found[k] - wanted.probabilities[k]) for k in found) < 0.1


def test_the_summary_says_length_shots_and_what_is_strongest_when(made):
    _, done = made
    lines = done.stdout.splitlines()
    assert lines[0] == "a film/clip #1.mp4"
    assert lines[1].startswith("0:03, 2 shots, ")
    assert "320 x 180, 10 frames/s, h264" in lines[1]
    assert len([line for line in lines if " at 0:0" in line]) == 8
    assert "times as fast as the film plays" in done.stderr


def test_the_chart_is_one_file_without_scripts_or_addresses(made):
    folder, _ = made
    chart = (folder / "film.svg").read_text(encoding="utf-8")
    assert chart.count("<image ") == 2
    assert chart.count('class="cut"') == 1
    assert "<script" not in chart
    assert "http" not in chart.replace('xmlns="http://www.w3.org/2000/svg"', "")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_plays_the_film_and_goes_where_one_clicks(made, scheme):
    from playwright.sync_api import sync_playwright

    folder, _ = made
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(color_scheme=scheme, offline=True).new_page()
        page.set_default_timeout(120_000)  # of a busy machine
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((folder / "film.html").as_uri())
        page.wait_for_function("document.querySelector('video').readyState > 0")
        chart = page.locator(".seek svg")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        x = box["x"] + box["width"] * (74 + 0.75 * (1200 - 74 - 16)) / 1200
        page.mouse.click(x, box["y"] + box["height"] / 2)
        at = "document.querySelector('video').currentTime"
        assert page.evaluate(at) == pytest.approx(0.75 * 3.0, abs=0.05)
        assert page.locator(".shot[aria-current]").get_attribute("data-shot") == "1"
        page.locator(".seek").press("Home")
        assert page.evaluate(at) == 0
        page.locator(".seek").press("PageDown")
        assert page.evaluate(at) == pytest.approx(1.5, abs=0.2)
        page.locator(".shot").first.click()
        assert page.evaluate(at) == 0
        assert page.locator(".seek").get_attribute("aria-valuetext").startswith("0:00, ")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(NAMELESS) == []
        assert said == []
        browser.close()


def test_parquet_and_lines_hold_the_same(made, tmp_path):
    folder, _ = made
    found = video.timeline(folder / "a film/clip #1.mp4", video.TimelineSettings(threads=1))
    for name in ("film.parquet", "film.jsonl"):
        video.write_timeline(found, tmp_path / name)
    lines = [json.loads(line) for line in (tmp_path / "film.jsonl").open(encoding="utf-8")]
    from evoca.data.manifest.duckdb import connect

    query = f"SELECT time, frame, shot, smoothed_awe FROM '{tmp_path / 'film.parquet'}'"
    kept = connect().execute(query).fetchall()
    assert kept == [tuple(r[k] for k in ("time", "frame", "shot", "smoothed_awe")) for r in lines]
    assert [r["time"] for r in lines] == [float(r["time"]) for r in rows_of(folder / "film.csv")]
    assert isinstance(lines[0]["prediction_set"], list)


def test_what_is_no_film_leaves_nothing_and_one_line(tmp_path):
    sound(tmp_path / "a.m4a")
    done = run("video", "a.m4a", "--out", "a.csv", "--html", "a.html", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "evoca: a.m4a: no video in it, only sound\n"
    assert done.stdout == ""
    assert [one.name for one in tmp_path.iterdir()] == ["a.m4a"]


def test_options_that_cannot_be_meant_are_refused(made):
    folder, _ = made
    done = run("video", "a film/clip #1.mp4", "--rate", "0", cwd=folder)
    assert done.returncode == 2
    assert "'--rate'" in done.stderr
    for wrong in ({"rate": 2_000.0}, {"smooth": -1.0}, {"threads": 0}, {"rate": float("nan")}):
        with pytest.raises(ValueError, match="must be"):
            video.TimelineSettings(**wrong)


def decoding(path, **options):
    return FilmProcess(path, Preprocessing(height=32, width=32), reading=Reading(), **options)


def hit_by(number, film):
    """Read a film whose process gets a signal at every frame."""
    for event in film.events():
        if isinstance(event, Sampled):
            os.kill(film.pid, number)


def test_a_crash_of_the_decoder_is_an_error_of_one_line(tmp_path):
    path = write(tmp_path / "long.mp4", still("coffee", 400), options={"preset": "ultrafast"})
    with decoding(path) as film, pytest.raises(video.VideoError) as caught:
        hit_by(signal.SIGSEGV, film)
    assert "the decoder crashed" in str(caught.value)
    assert "(SIGSEGV)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_decoder_that_hangs_is_ended(tmp_path):
    path = write(tmp_path / "long.mp4", still("coffee", 400), options={"preset": "ultrafast"})
    with decoding(path, silence=0.5) as film, pytest.raises(video.VideoError, match="hangs"):
        hit_by(signal.SIGSTOP, film)


def test_ctrl_c_ends_both_processes_and_leaves_nothing(tmp_path):
    write(tmp_path / "a.mp4", still("coffee", 900, (64, 48)), options={"preset": "ultrafast"})
    script = (
        "import os, signal, sys\n"
        "from evoca.video import predicting\n"
        "take = predicting._Run.take\n"
        "def interrupted(self, event):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    take(self, event)\n"
        "predicting._Run.take = interrupted\n"
        "sys.argv = ['evoca', 'video', 'a.mp4', '--out', 'a.csv', '--rate', '10']\n"
        "from evoca.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["a.mp4"]
    assert tmp_path not in list(_places_of_processes())


def _places_of_processes():
    """Yield the folder that each process works in: those of a command work where it does."""
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            yield entry.readlink()
