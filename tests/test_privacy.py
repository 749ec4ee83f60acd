"""No command without a URL asks the network, or writes where it was not asked to."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from evoca.cli import app
from evoca.emotions import MIKELS8
from evoca.privacy import SETTINGS
from samples import photo
from strace import clean_environment, need_strace, trace

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ("china", "coffee", "chelsea", "flower", "rocket", "astronaut")
OURS = {".cache/evoca", ".local/state/evoca"}  # kept features, the record of test uses
ELSEWHERE = ("/dev/", "/proc/", "/sys/")
RECIPE = """
name: drawn
summary: A frozen trunk and a head.
model: {system: classifier, backbone: efficientnet_lite0}
preprocessing: {height: 64, width: 64}
protocol: {validation: 0.25, repeats: 1}
steps: [{name: head, trainable: [head], rate: 0.01, epochs: 1, batch_size: 16}]
search: {settings: {steps.0.rate: {values: [0.01]}}, sampler: grid}
"""

# With a URL, the two of them may ask: the tests of downloads hold them to their limits.
BASE = [
    "predict set",
    "predict set/awe/0.png --explain maps --format json",
    "predict set --html page.html",
    "tag set --out tags.csv",
    "tag set --out one.csv --shard 1/2",
    "tag set --out two.csv --shard 2/2",
    "merge one.csv two.csv --out both.csv",
    "find awe>0.001 tags.csv --format csv",
    "embed set --out vectors.parquet",
    "convert tags.csv --to fiftyone --out fiftyone",
    "convert tags.csv --to label-studio --out tasks",
    "page --out page",
    "video film.mkv --out film.csv --html film.html --svg film.svg",
    "doctor",
    "models list",
    "models show default",
    "models verify",
    "models verify ./bundle --write",
    "recipes list",
    "recipes show default",
    "recipes backbones",
    "data readers list",
    "data readers show fi",
    "data build folder set --out built.csv",
    "data stats built.csv --sizes --contact-sheet sheet.html",
    "data check built.csv --verify",
    "data split built.csv --out split.parquet --ratio 50/50",
    "data votes votes.csv",
    "data duplicates set",
    "data collect set --out reviewed --no-serve",
    "evaluate default --data split.parquet --out tried --allow-missing --draws 20",
    "evaluate default --data built.csv --split all --out again --allow-missing --draws 20",
    "evaluate bundle --data built.csv --split all --out other --allow-missing --draws 20",
    "compare again other --draws 20",
    "matrix --model default --data built.csv --split all --draws 20",
    "probe default --data set --limit 2",
    "report tried --out tried.html",
    "reproduce tried",
    "models card ./bundle",
]
LAB = [
    "train recipe.yaml --data drawn --out run --workers 0",
    "crossval recipe.yaml --data drawn --out folds --workers 0 --folds 2",
    "search recipe.yaml --data drawn --out found --trials 1 --workers 0",
    "export run --out exported",
    "predict set/awe/0.png --model exported",
    "models verify exported --engine onnxruntime",
    "models quantize exported --data drawn --images 8 --out smaller",
]
REFUSED = ["sweep folds"]  # not of a differential system
TOO_FEW = ["relate tags.csv --outcome votes.csv --column votes_awe"]
ASKING = {"data download"}
SERVING = {"serve"}  # it goes on until it is stopped: see tests/serving/test_server.py


def leaves(command, name=()):
    """Every command that can be called."""
    if not hasattr(command, "list_commands"):
        return {" ".join(name)}
    inner = command.list_commands(None)
    return set().union(*(leaves(command.get_command(None, one), (*name, one)) for one in inner))


def called(line, names):
    return next(name for name in names if (line + " ").startswith(name + " "))


@pytest.fixture
def place(tmp_path):
    """A folder to work in, with a home and a folder for temporary files beside it."""
    for name in ("work", "home", "temporary"):
        (tmp_path / name).mkdir()
    for i, emotion in enumerate(MIKELS8):
        folder = tmp_path / "work" / "set" / emotion
        folder.mkdir(parents=True)
        photo(EXAMPLES[i % len(EXAMPLES)], (96 + i, 64)).save(folder / "0.png")
    (tmp_path / "work" / "votes.csv").write_text("image,votes_awe,votes_fear\nset/awe/0.png,2,1\n")
    return tmp_path


def hold(commands, place, *, status=0):
    """Run commands as a new user would, and hold each to what it was asked for."""
    environment = clean_environment(place / "home", place / "temporary")
    work = place / "work"
    allowed = [work, place / "temporary", *(place / "home" / name for name in OURS)]
    for line in commands:
        found = trace(line.split(), work, environment, place / "calls")
        output = (found.done.stdout + found.done.stderr).decode()
        assert found.done.returncode == status, (line, output)
        assert found.network == [], line
        strange = {
            path
            for path in found.written
            if not str(path).startswith(ELSEWHERE)
            and not any(path.is_relative_to(folder) for folder in allowed)
            and not any(folder.is_relative_to(path) for folder in allowed)
        }
        assert strange == set(), line
        # PyTorch makes an empty folder of its own there.
        left = [path for path in (place / "temporary").rglob("*") if not path.is_dir()]
        assert left == [], line
    for path in (place / "home").rglob("*"):
        name = path.relative_to(place / "home").as_posix()
        assert any(name.startswith(ours) or ours.startswith(name) for ours in OURS), name


def test_every_command_is_tried():
    names = leaves(typer.main.get_command(app))
    tried = {called(line, names) for line in (*BASE, *LAB, *REFUSED, *TOO_FEW)}
    assert names - tried == ASKING | SERVING


def test_commands_of_the_base_ask_nobody_and_write_what_they_were_asked_to(place):
    need_strace()
    pytest.importorskip("duckdb", reason="needs the extra data")
    pytest.importorskip("av", reason="needs the extra video")
    from clips import still, write

    write(place / "work" / "film.mkv", still("china", 6))
    shipped = ROOT / "src" / "evoca" / "models" / "default"
    (place / "work" / "bundle").mkdir()
    for file in shipped.iterdir():
        (place / "work" / "bundle" / file.name).write_bytes(file.read_bytes())
    hold(BASE, place)
    hold(TOO_FEW, place, status=1)


def test_commands_of_the_lab_ask_nobody_and_write_what_they_were_asked_to(place):
    need_strace()
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    from tiny_system import draw_pictures

    draw_pictures(place / "work" / "drawn", 8)
    (place / "work" / "recipe.yaml").write_text(RECIPE)
    hold(LAB, place)
    hold(REFUSED, place, status=1)


def test_the_trace_sees_what_native_libraries_do(place):
    """What the other tests look for is there where the user turns the reports on."""
    need_strace()
    home = place / "home"
    environment = clean_environment(home, place / "temporary") | {"ORT_DISABLE_TELEMETRY": "0"}
    arguments = ["predict", "set/awe/0.png"]
    found = trace(arguments, place / "work", environment, place / "calls")
    assert found.done.returncode == 0
    onnxruntime = subprocess.run(
        [sys.executable, "-c", "import onnxruntime as o; print(o.__version__)"],
        capture_output=True,
        text=True,
        env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
    ).stdout
    if tuple(map(int, onnxruntime.split(".")[:2])) < (1, 29):
        pytest.skip("this ONNX Runtime reports nothing")
    assert any("onnxruntime" in path.parts[-2] for path in found.written)


def test_a_setting_of_the_user_is_kept():
    script = (
        "import evoca, os; from evoca.privacy import SETTINGS;"
        "print(*(os.environ[n] for n in SETTINGS))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    others = dict.fromkeys(SETTINGS, "other")
    for chosen, printed in (({}, SETTINGS), (others, others)):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment | chosen,
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == list(printed.values()), done.stderr


@pytest.mark.parametrize("folder", ["src", "benchmarks"])
def test_onnx_runtime_is_imported_in_one_place(folder):
    importing = set()
    for file in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.partition(".")[0] == "onnxruntime" for name in names):
                importing.add(file.relative_to(ROOT).as_posix())
    assert importing <= {"src/evoca/privacy.py"}
