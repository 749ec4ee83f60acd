"""Errors that guide: what may have been meant, and no words of the libraries below."""

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from evoca.cli import app
from samples import photo

LEAKS = re.compile(
    r"pydantic|[Ll]ightning|Input should|Value error|unable to parse|is not a valid|x[<>]="
    r"|type=|strategies\.|Traceback"
)
EMOTIONS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")


def told(*arguments):
    """The message of a command that fails."""
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="evoca")
    assert done.exit_code in {1, 2}, done.output
    text = " ".join(done.stderr.split())
    assert not LEAKS.search(text)
    return text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photo.jpg"], "did you mean evoca predict photo.jpg?"),
        (["https://example.org/a"], "did you mean evoca predict https://example.org/a?"),
        (["predcit", "x"], "did you mean predict?"),
        (["build", "fi"], "did you mean evoca data build?"),
        (["recipes", "default"], "did you mean evoca recipes show default?"),
        (["recipes", "shw"], "did you mean show?"),
        (["models", "default"], "did you mean evoca models show default?"),
        (["data", "readers", "fi"], "did you mean evoca data readers show fi?"),
        (["data", "build", "FI", "x", "--out", "m.csv"], "no reader 'FI'; did you mean fi?"),
        (["data", "readers", "show", "emoset2"], "did you mean emoset"),
        (["recipes", "show", "defualt"], "no such recipe; did you mean default?"),
        (["recipes", "show", "x", "--profile", "lit0"], "known are"),
        (["models", "show", "defalt"], "did you mean default or default-int8?"),
        (["reproduce", "--paper", "najid"], "did you mean najid2018?"),
        (["predict", "x.jpg", "--sort", "ave"], "did you mean awe"),
    ],
)
def test_a_mistake_is_answered_with_what_was_meant(arguments, message):
    assert message in told(*arguments)


def refused_values():
    """A value that each option with a limit, of whole numbers or of choices, refuses."""
    limited = re.compile(r"x>=|<=x|^\S+ (<.*\|.*>|.*\w\|\w.*|N|PORT|SECONDS)\n")
    for names, command in commands():
        for option in command.params:
            context = command.make_context("x", [], resilient_parsing=True)
            record = option.get_help_record(context)
            if option.param_type_name == "option" and record and limited.search("\n".join(record)):
                for value in ("word", "-7e99"):
                    yield [*names, option.opts[-1], value]


def commands(names=(), command=None):
    command = command or get_command(app)
    if not hasattr(command, "list_commands"):
        yield names, command
        return
    for name in command.list_commands(None):
        yield from commands((*names, name), command.get_command(None, name))


@pytest.mark.parametrize("arguments", list(refused_values()), ids=" ".join)
def test_no_library_tells_what_is_wrong_with_a_value(arguments):
    assert "Invalid value for" in told(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "x", "--threads", "0"], "'--threads': 0: must be at least 1"),
        (["predict", "x", "--threads", "two"], "two: must be a whole number"),
        (["predict", "x", "--text-weight", "2"], "must be"),
        (["recipes", "list", "--minutes", "soon"], "soon: must be a number"),
        (["predict", "x", "--format", "xml"], "'--format': 'xml' is not one of 'table', 'json'"),
    ],
)
def test_a_value_that_is_refused_is_told_what_it_must_be(arguments, message):
    assert message in told(*arguments)


def test_an_unknown_recipe_names_three():
    said = told("recipes", "show", "zzz")
    assert "known are affect, agarwal2019-alexnet, agarwal2019-attention-alexnet and" in said
    assert said.count(",") < 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("folds=3", "unknown key folds; did you mean protocol.folds?"),
        ("fold=3", "did you mean protocol.folds?"),
        ("backbone=x", "did you mean model.backbone"),
        ("protocol.folds=many", "protocol.folds: must be a whole number"),
        ("protocol.folds=1", "protocol.folds: must be at least 2"),
        ("protocol.coverage=2", "protocol.coverage: must be"),
        ("head.kind=tree", "head.kind: must be"),
        ("steps=3", "steps: must be a list"),
        ("model.backbone=efficientnet_lite9", "did you mean efficientnet_lite2"),
    ],
)
def test_a_setting_in_the_wrong_place_is_told_the_right_one(setting, message):
    assert message in told("recipes", "show", "default", "--set", setting)


@pytest.fixture
def labelled(tmp_path):
    for emotion in EMOTIONS:
        for split in ("train", "val", "test"):
            folder = tmp_path / "set" / split / emotion
            folder.mkdir(parents=True)
            photo("coffee").save(folder / "0.jpg")
    return tmp_path / "set"


@pytest.mark.parametrize("command", ["train", "crossval"])
def test_ratings_that_are_missing_are_named(labelled, tmp_path, command):
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    said = told(command, "affect", "--data", labelled, "--out", tmp_path / "run")
    assert "affect learns ratings, and none of " in said
    assert "the columns valence and arousal" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--accelerator", "quantum"], "--accelerator quantum: not known; known are auto, cpu"),
        (["--precision", "17-mixed"], "did you mean 16-mixed"),
        (["--strategy", "dpp"], "did you mean ddp"),
        (["--devices", "4096", "--accelerator", "cpu"], "--devices 4096: this machine has"),
    ],
)
def test_a_machine_that_is_not_there_is_told_first(labelled, tmp_path, options, message):
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    place = ["--data", labelled, "--out", tmp_path / "run"]
    assert message in told("train", "najid2018-resnet101-fc", *place, *options)


def test_a_bundle_that_does_not_hold_is_told_in_plain_words(tmp_path):
    import json

    from evoca.runtime.bundle import bundled_models

    source = bundled_models()["default"]
    card = json.loads((source / "model.json").read_text())
    card["temperature"] = "warm"
    (tmp_path / "model.json").write_text(json.dumps(card))
    assert "temperature: must be a number" in told("models", "show", tmp_path)
