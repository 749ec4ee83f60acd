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

from evoca.commands import prediction_writers
from evoca.runtime.predictor import load

ROOT = Path(__file__).resolve().parents[2]
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
            *("path", "sha256", "emotion", "confidence", "probabilities", "polarity"),
            *("affect", "prior", "prediction_set", "model", "warnings"),
        ]
        assert sum(item["probabilities"].values()) == pytest.approx(1)
        assert item["emotion"] == max(item["probabilities"], key=item["probabilities"].get)
        assert item["confidence"] == item["probabilities"][item["emotion"]]
        assert item["polarity"]["label"] in {"positive", "negative"}
        assert item["prediction_set"][0] == item["emotion"]


def test_csv_has_the_columns_of_every_table(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    done = evoca("predict", PHOTOS[0], tmp_path / "bad.jpg", "--format", "csv")
    good, bad = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert done.returncode == 1
    assert list(good)[:4] == ["path", "sha256", "emotion", "confidence"]
    assert list(good)[-5:] == ["prediction_set", "prior", "model", "warnings", "error"]
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


def test_any_emotion_is_explained(tmp_path):
    for emotion in ("fear", "awe"):
        options = ("--explain", tmp_path / emotion, "--explain-emotion", emotion)
        assert evoca("predict", PHOTOS[0], *options).returncode == 0
    one, other = (tmp_path / emotion / f"{PHOTOS[0].name}.evoca.png" for emotion in ("fear", "awe"))
    assert one.read_bytes() != other.read_bytes()
    done = evoca("predict", PHOTOS[0], "--explain", tmp_path, "--explain-emotion", "joy")
    assert done.returncode == 2
    assert b"'joy': one of amusement, anger" in done.stderr
    assert evoca("predict", PHOTOS[0], "--explain-emotion", "awe").returncode == 2


def test_explain_covers_every_example(tmp_path):
    done = evoca("predict", EXAMPLES, "--explain", tmp_path)
    assert done.returncode == 0
    assert len(list(tmp_path.glob("*.evoca.png"))) == len(PHOTOS)


def test_explain_decodes_each_picture_once(tmp_path, monkeypatch):
    from evoca.commands import predict
    from evoca.images import sources

    decoded = []

    def counting(data, **options):
        decoded.append(len(data))
        return decode(data, **options)

    decode = sources.decode
    monkeypatch.setattr(sources, "decode", counting)
    options = {"model": None, "output": "csv", "top": None, "explain": tmp_path}
    assert predict.predict([str(photo) for photo in PHOTOS], **options) == 0
    assert len(list(tmp_path.glob("*.evoca.png"))) == len(decoded) == len(PHOTOS)


def test_explained_pictures_are_not_predicted_again(tmp_path):
    shutil.copy(PHOTOS[0], tmp_path / "a.jpg")
    evoca("predict", tmp_path, "--explain", tmp_path)
    drawn = tmp_path / "a.jpg.evoca.png"
    done = evoca("predict", tmp_path, "--format", "json", "--explain", tmp_path)
    assert done.returncode == 0
    assert [Path(item["path"]).name for item in json.loads(done.stdout)] == ["a.jpg"]
    left_out, wrote = done.stderr.decode().splitlines()
    assert left_out.startswith(f"evoca: {tmp_path}: left out 1 explained picture (")
    assert wrote == f"evoca: {tmp_path}: 1 picture, {drawn.stat().st_size / 1e6:.1f} MB"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", drawn.name]
    named = evoca("predict", drawn, "--format", "json")
    assert named.returncode == 0
    assert [item["path"] for item in json.loads(named.stdout)] == [str(drawn)]


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
        (["predict", PHOTOS[0], "--text-weight", "0.5"], 2, "--text-weight is for --read-text"),
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
    done = evoca("doctor", env={"EVOCA_MODEL": "bogus"})
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.decode().splitlines() if line.startswith("WRONG")]
    assert line.split()[1:3] == ["model", "EVOCA_MODEL=bogus:"]
    assert line.count("bogus") == 1


@pytest.fixture
def strange_bundle(tmp_path):
    """A stranger's bundle: its card steers a terminal, and its map does not add up."""
    bundle = Path(shutil.copytree(ROOT / "src/evoca/models/default", tmp_path / "bundle"))
    card = json.loads((bundle / "model.json").read_text())
    card["summary"] = "fine\x1b[2J\x9b"
    card["licence"]["weights"] = "free\nof \x1b]0;charge\x07"
    (bundle / "model.json").write_text(json.dumps(card))
    return bundle


def test_a_strangers_card_cannot_steer_the_terminal(strange_bundle):
    out, err = text(evoca("models", "show", strange_bundle))
    assert err == ""
    assert "fine\\x1b[2J\\x9b" in out
    assert not {"\x1b", "\x9b", "\x07"} & set(out)


def test_models_show_refuses_what_predict_refuses(strange_bundle):
    card = json.loads((strange_bundle / "model.json").read_text())
    card["evidence_bias"] = [1.0] * 8
    (strange_bundle / "model.json").write_text(json.dumps(card))
    shown = evoca("models", "show", strange_bundle)
    used = evoca("predict", PHOTOS[0], "--model", strange_bundle)
    assert shown.returncode == used.returncode == 1
    assert shown.stderr == used.stderr
    assert b"do not add up to the logits" in shown.stderr


def test_recipes_need_no_part_of_the_lab():
    """As in the base install: every package of the lab and of the data commands is absent."""
    absent = ("torch", "timm", "torchvision", "sklearn", "scipy", "onnx", "duckdb", "httpx2")
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}));"
        "from evoca.cli import main; main()"
    )
    for arguments, expected in (
        (["list"], "Our own\n  "),
        (["show", "default"], "default\nWhat it is\n"),
        (["show", "default", "--yaml"], "name: default\n"),
        (["backbones"], "  alexnet\n"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, "recipes", *arguments], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(expected)


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


def test_a_piped_table_is_complete_however_long_a_name_is(tmp_path):
    folder = tmp_path.joinpath(*["deep" * 20] * 3)
    folder.mkdir(parents=True)
    for i in range(5):
        shutil.copy(PHOTOS[0], folder / f"{i}.jpg")
    out, _ = text(evoca("predict", tmp_path))
    items = json.loads(evoca("predict", tmp_path, "--format", "json").stdout)
    for line, item in zip(out.splitlines()[1:], items, strict=True):
        assert line.startswith(item["path"])
        assert line.endswith(", ".join(item["prediction_set"]))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predictions_go_into_a_file(ending, tmp_path):
    """Every form holds the same rows, and evaluate and data read them again."""
    out = tmp_path / f"tags.{ending}"
    (tmp_path / "bad.jpg").write_bytes(b"")
    done = evoca("predict", EXAMPLES, tmp_path / "bad.jpg", "--out", out)
    assert done.returncode == 1
    assert done.stdout == b""
    *_, last = done.stderr.decode().splitlines()
    assert last.startswith(f"evoca: {out}: {len(PHOTOS) + 1} images, 1 could not be read, ")
    if ending == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert rows[0]["prediction_set"][0] == rows[0]["emotion"]
    elif ending == "csv":
        rows = list(csv.DictReader(out.open()))
    else:
        duckdb = pytest.importorskip("duckdb")
        found = duckdb.sql(f"SELECT * FROM '{out}'")
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        assert isinstance(rows[0]["p_awe"], float)
    assert [row["path"] for row in rows] == [*map(str, PHOTOS), str(tmp_path / "bad.jpg")]
    assert {float(row["confidence"]) > 0.1 for row in rows[:-1]} == {True}
    assert rows[-1]["error"] == "the file is empty"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_lines_of_json_are_what_the_table_has():
    done = evoca("predict", PHOTOS[0], "--format", "jsonl")
    (row,) = (json.loads(line) for line in done.stdout.decode().splitlines())
    assert row["p_awe"] + row["p_fear"] < 1
    assert row["prior"] == "natural"


@pytest.mark.parametrize(
    ("out", "more", "message"),
    [
        ("tags.txt", (), "name a file that ends in .csv, .jsonl, .parquet"),
        ("none/tags.csv", (), "there is no such folder to write into"),
        ("folder.csv", (), "not a regular file: name another"),
        ("tags.csv", ("--format", "json"), "takes its format from the file's name"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_first(out, more, message, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    done = evoca("predict", PHOTOS[0], "--out", tmp_path / out, *more)
    assert done.returncode in {1, 2}
    assert message in " ".join(done.stderr.decode().split())
    assert done.stdout == b""


def test_predictions_are_sorted_and_chosen(tmp_path):
    def found(*arguments):
        done = evoca("predict", EXAMPLES, "--format", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    everything = found()
    by_awe = found("--sort", "awe")
    shares = [item["probabilities"]["awe"] for item in by_awe]
    assert shares == sorted(shares, reverse=True)
    assert sorted(i["path"] for i in by_awe) == sorted(i["path"] for i in everything)
    positive = [item["polarity"]["positive"] for item in found("--sort", "polarity")]
    assert positive == sorted(positive, reverse=True)
    doubtful = found("--sort", "doubt")
    assert max(doubtful[0]["probabilities"].values()) < max(doubtful[-1]["probabilities"].values())
    kept = found("--emotion", "contentment")
    assert [i["path"] for i in kept] == [
        i["path"] for i in everything if i["emotion"] == "contentment"
    ]
    assert kept
    done = evoca("predict", EXAMPLES, "--sort", "joy")
    assert done.returncode == 2
    assert "polarity, doubt or one of amusement" in " ".join(done.stderr.decode().split())


def test_that_no_image_is_kept_is_said(tmp_path):
    out, err = text(evoca("predict", *PHOTOS, "--emotion", "fear"))
    assert (out, err) == ("", "evoca: no image has fear as its likeliest emotion\n")
    page = tmp_path / "page.html"
    done = evoca("predict", *PHOTOS, "--emotion", "fear", "--html", page)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "evoca: no image has fear as its likeliest emotion",
        f"evoca: {page}: not written, since there is no image to show",
    ]
    assert not page.exists()


def test_errors_are_not_lost_in_sorting(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    done = evoca(
        *("predict", tmp_path / "bad.jpg", PHOTOS[0], "--sort", "doubt", "--format", "csv")
    )
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [row["error"] for row in rows] == ["", "the file is empty"]


def test_a_table_that_cannot_be_written_is_still_closed():
    """Else the hidden draft of --out FILE would stay where the disk is full."""

    class Full:
        closed = False

        def add(self, predicted):
            raise OSError("No space left on device")

        def close(self):
            self.closed = True

    full = Full()
    chosen = prediction_writers.Ordered(full, "awe")
    chosen.add(load().predict(PHOTOS[0]))
    with pytest.raises(OSError, match="No space left"):
        chosen.close()
    assert full.closed


def test_threads_and_batches_change_no_answer():
    plain = json.loads(evoca("predict", EXAMPLES, "--format", "json").stdout)
    for options in (("--threads", "1"), ("--batch-size", "1"), ("--batch-size", "4")):
        found = json.loads(evoca("predict", EXAMPLES, "--format", "json", *options).stdout)
        for one, other in zip(plain, found, strict=True):
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    assert evoca("predict", EXAMPLES, "--batch-size", "0").returncode == 2
