"""The command line as users run it: whole processes."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))
EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]


def evoca(*arguments, **options):
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        [*EVOCA, *map(os.fspath, arguments)],
        capture_output=True,
        env=environment,
        timeout=120,
        cwd=options.pop("cwd", ROOT),
        **options,
    )


def text(done):
    return done.stdout.decode(), done.stderr.decode()


def test_json_is_what_programs_are_promised():
    done = evoca("predict", EXAMPLES, "--format", "json")
    items = json.loads(done.stdout)
    assert done.returncode == 0
    assert done.stderr == b""
    assert [item["path"] for item in items] == [str(photo) for photo in PHOTOS]
    for item in items:
        assert list(item) == [
            *("path", "emotion", "probabilities", "polarity"),
            *("prediction_set", "model", "warnings"),
        ]
        assert sum(item["probabilities"].values()) == pytest.approx(1)
        assert item["emotion"] == max(item["probabilities"], key=item["probabilities"].get)
        assert item["polarity"]["label"] in {"positive", "negative"}
        assert item["prediction_set"][0] == item["emotion"]


def test_csv_has_the_columns_of_every_table(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    done = evoca("predict", PHOTOS[0], tmp_path / "bad.jpg", "--format", "csv")
    good, bad = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert done.returncode == 1
    assert list(good)[:3] == ["path", "sha256", "emotion"]
    assert list(good)[-4:] == ["prediction_set", "model", "warnings", "error"]
    assert json.loads(good["prediction_set"])[0] == good["emotion"]
    assert len(good["sha256"]) == 64
    assert (good["error"], bad["error"], bad["emotion"]) == ("", "the file is empty", "")


def test_one_bad_input_never_costs_the_others(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = evoca("predict", PHOTOS[0], tmp_path / "none.jpg", empty, PHOTOS[1], "--format", "json")
    items = json.loads(done.stdout)
    assert done.returncode == 1
    assert [item.get("error") for item in items] == [
        *(None, "no such file", "no images in this folder", None)
    ]
    errors = done.stderr.decode().splitlines()
    assert errors == [
        f"evoca: {tmp_path / 'none.jpg'}: no such file",
        f"evoca: {empty}: no images in this folder",
    ]


def test_the_table_is_plain_where_it_is_not_a_terminal():
    out, err = text(evoca("predict", PHOTOS[0]))
    assert "\x1b" not in out + err
    assert "plausible: " in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert len([line for line in out.splitlines() if "%" in line]) == 9
    out, _ = text(evoca("predict", PHOTOS[0], "--top", "2"))
    assert len([line for line in out.splitlines() if "%" in line]) == 3


def test_many_images_take_a_line_each():
    out, _ = text(evoca("predict", EXAMPLES))
    assert len(out.splitlines()) == len(PHOTOS) + 1
    for photo, line in zip(PHOTOS, out.splitlines()[1:], strict=True):
        assert photo.name in line


def test_glyphs_give_way_to_ascii():
    out, _ = text(evoca("predict", EXAMPLES, env={"PYTHONIOENCODING": "ascii"}))
    assert out.isascii()


def test_explain_writes_a_picture_an_image(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(PHOTOS[0], tmp_path / folder / "same.jpg")
    done = evoca("predict", tmp_path / "a", tmp_path / "b", "--explain", tmp_path / "out")
    assert done.returncode == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["same.jpg-2.evoca.png", "same.jpg.evoca.png"]
    with Image.open(tmp_path / "out" / names[0]) as picture:
        assert picture.width > 900


def test_explain_covers_every_example(tmp_path):
    done = evoca("predict", EXAMPLES, "--explain", tmp_path)
    assert done.returncode == 0
    assert len(list(tmp_path.glob("*.evoca.png"))) == len(PHOTOS)


def test_explain_into_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    done = evoca("predict", PHOTOS[0], "--explain", tmp_path / "file")
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"evoca: --explain {tmp_path / 'file'}: cannot be")
    assert done.stderr.count(b"\n") == 1


def test_names_that_are_not_utf8(tmp_path):
    name = tmp_path / os.fsdecode(b"50% caf\xe9.jpg")
    try:
        shutil.copy(PHOTOS[0], name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    done = evoca("predict", tmp_path, "--format", "json", "--explain", tmp_path / "out")
    (item,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert item["path"] == f"{tmp_path}/50%25 caf%E9.jpg"
    assert (tmp_path / "out" / "50%25 caf%E9.jpg.evoca.png").exists()
    assert "caf%E9" in text(evoca("predict", tmp_path))[0]


def test_a_name_cannot_steer_the_terminal(tmp_path):
    evil = tmp_path / "a\x1b[31m[bold]\nb.jpg"
    evil.write_bytes(b"")
    done = evoca("predict", evil)
    assert b"\x1b" not in done.stdout + done.stderr
    assert done.stderr.count(b"\n") == 1
    shutil.copy(PHOTOS[0], evil)
    out, _ = text(evoca("predict", evil))
    assert "\\x1b[31m[bold]\\nb.jpg" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["predict"], 2, "PATH"),
        (["predict", ""], 1, "evoca: an empty path"),
        (["predict", PHOTOS[0], "--format", "xml"], 2, "xml"),
        (["predict", PHOTOS[0], "--top", "0"], 2, "--top"),
        (["nonsense"], 2, "nonsense"),
        (["predict", PHOTOS[0], "--model", "none"], 1, "evoca: none: no such model bundle"),
        (["models", "show", "none"], 1, "evoca: none: no such model bundle"),
    ],
)
def test_wrong_use(arguments, status, message):
    done = evoca(*arguments)
    assert done.returncode == status
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_models_and_doctor():
    out, _ = text(evoca("models"))
    assert out.startswith("default")
    out, _ = text(evoca("models", "show", "default"))
    assert "research" in out
    for part in ("What it is not for", "Deletion test", "How to cite", "balanced_accuracy"):
        assert part in out
    done = evoca("doctor")
    assert done.returncode == 0
    assert "onnxruntime, CPU, float32" in done.stdout.decode()
    done = evoca("doctor", env={"EVOCA_MODEL": "/none"})
    assert done.returncode == 1
    assert "WRONG  model" in done.stdout.decode()


def test_a_reader_that_leaves_is_no_crash():
    command = [*EVOCA, "predict", *map(str, PHOTOS * 20), "--format", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_interruption_is_130(tmp_path):
    command = [*EVOCA, "predict", *map(str, PHOTOS * 200), "--format", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        while len(process.stdout.readline()) < 10:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_papers_and_runs_stand_side_by_side(tmp_path):
    done = evoca("reproduce", "--format", "json", cwd=tmp_path)
    systems = {row["system"]: row for row in json.loads(done.stdout)["systems"]}
    assert done.returncode == 0
    assert systems["najid2018-resnet101-ensemble"]["status"] == "not run yet"
    assert systems["deepsentibank"]["status"] == "published only"
    done = evoca("reproduce", "--paper", "najid2018", cwd=tmp_path)
    assert "67.74%" in text(done)[0]
    done = evoca("reproduce", "nowhere", cwd=tmp_path)
    assert (done.returncode, text(done)) == (1, ("", "evoca: nowhere: no such folder of runs\n"))
