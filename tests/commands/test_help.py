"""The help of every command: sentences, examples that parse, nothing cut, no type of Python."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from evoca import cli
from evoca.cli import app

VERBS = {
    "Accept",
    "Add",
    "Bring",
    "Build",
    "Call",
    "Change",
    "Check",
    "Choose",
    "Collect",
    "Compare",
    "Compute",
    "Decode",
    "Divide",
    "Draw",
    "Evaluate",
    "Explain",
    "Export",
    "Fetch",
    "Fill",
    "Find",
    "Finish",
    "Fit",
    "Go",
    "Group",
    "Hold",
    "Install",
    "Keep",
    "Label",
    "Leave",
    "Let",
    "List",
    "Make",
    "Measure",
    "Number",
    "Open",
    "Predict",
    "Print",
    "Put",
    "Read",
    "Refuse",
    "Repeat",
    "Replace",
    "Report",
    "Run",
    "Say",
    "Score",
    "Search",
    "Send",
    "Serve",
    "Share",
    "Show",
    "Skip",
    "Stop",
    "Take",
    "Test",
    "Train",
    "Try",
    "Use",
    "Wait",
    "Write",
}
TYPES = re.compile(r"<|\b(?:str|int|float|bool|INTEGER|FLOAT|list\[|Path|TEXT)\b")


def described(names=(), command=None):
    """Every command and every group, each with its names."""
    command = command or get_command(app)
    yield names, command
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from described((*names, name), command.get_command(None, name))


ALL = list(described())
IDS = [" ".join(names) or "evoca" for names, _ in ALL]


def help_of(names, width=100):
    done = CliRunner().invoke(app, [*names, "--help"], prog_name="evoca", terminal_width=width)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize(("names", "command"), ALL, ids=IDS)
@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_cut_off_and_no_type_is_named(names, command, width):
    text = help_of(names, width)
    before = text.partition("Examples:")[0]
    assert not re.search(r"[a-z]\.\.\.", before)
    assert TYPES.findall(before) == []
    assert max(map(len, before.splitlines())) <= width


@pytest.mark.parametrize(("names", "command"), ALL, ids=IDS)
def test_what_is_said_of_each_option_is_a_sentence(names, command):
    for param in command.params:
        said = param.help or ""
        assert said.endswith("."), (param.name, said)
        assert said.split()[0] in VERBS, (param.name, said)
    first = (command.help or "").partition("\n\n")[0]
    assert first.endswith((".", "?"))


@pytest.mark.parametrize(("names", "command"), ALL, ids=IDS)
def test_every_help_has_an_example_that_parses(names, command):
    shown = help_of(names).partition("Examples:\n")[2].strip().splitlines()
    assert shown
    for line in shown:
        words = shlex.split(line)[1:]
        assert tuple(words[: len(names)]) == names, line
        found, context = get_command(app), None
        while words and hasattr(found, "list_commands"):
            found = found.get_command(context, words.pop(0))
        found.make_context("evoca", words, resilient_parsing=True)
        options = {name for param in found.params for name in (*param.opts, *param.secondary_opts)}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= options, line


def test_commands_stand_in_groups():
    text = help_of(())
    places = [
        text.index(f"{title}:") for title in ("Predict", "Collections", "Data", "Train", "Evaluate")
    ]
    assert places == sorted(places)
    grouped = [name for names in cli.SECTIONS.values() for name in names]
    assert sorted(grouped) == sorted(cli.COMMANDS)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("evoca pre", "predict"),
        ("evoca data readers show emo", "emotion6"),
        ("evoca train najid2018-resnet101-f", "najid2018-resnet101-fc"),
        ("evoca predict --ht", "--html"),
    ],
)
def test_a_shell_completes(line, found):
    environment = {
        **os.environ,
        "_EVOCA_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    script = "import sys; sys.argv[0] = 'evoca'; from evoca.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert found in done.stdout.split(), done.stdout + done.stderr


def test_recipes_are_kept_by_paper_need_and_time():
    def kept(*options):
        done = CliRunner().invoke(app, ["recipes", "list", *options])
        assert done.exit_code == 0, done.output
        return set(re.findall(r"^  ([\w-]+)$", done.stdout, re.MULTILINE))

    everything = kept()
    assert kept("--needs-hub") | kept("--no-needs-hub") == everything
    assert not kept("--needs-hub") & kept("--no-needs-hub")
    assert "najid2018-resnet101-fc" in kept("--needs-hub", "--paper", "najid2018")
    assert "najid2018-resnet101-fc" in kept("--no-needs-hub", "--profile", "lite0")
    assert all(name.startswith("najid2018") for name in kept("--paper", "najid2018"))
    assert (
        {"default", "linear-probe"}
        <= kept("--minutes", "1", "--paper", "own")
        < kept("--paper", "own")
    )
    assert kept("--minutes", "0") == set()
    done = CliRunner().invoke(app, ["recipes", "list", "--paper", "najid"])
    assert done.exit_code == 2
    assert "did you mean najid2018?" in done.stderr


def test_times_are_those_of_recipes_that_exist():
    from evoca.lab.config.needs import _times, needs_of
    from evoca.lab.config.recipe import load_recipe, recipe_names

    assert set(_times()) <= set(recipe_names())
    assert all(took.seconds > 0 for took in _times().values())
    assert needs_of(load_recipe("lora-vit")).extras == ("train", "baselines")
    assert needs_of(load_recipe("default")).hub == ()
    captions = needs_of(load_recipe("jacobson2019-caption-text"))
    assert "sentence-transformers/all-MiniLM-L6-v2" in captions.hub
    assert captions.extras == ("train", "caption")


def test_every_reader_says_which_layout_it_reads():
    from evoca.data.readers import reader_names

    for name in reader_names():
        done = CliRunner().invoke(app, ["data", "readers", "show", name])
        assert done.exit_code == 0
        assert f"evoca data build {name} SRC" in done.stdout
        assert "``" not in done.stdout
    shown = CliRunner().invoke(app, ["data", "readers", "show", "abstract"]).stdout
    assert "ABSTRACT_groundTruth.csv lies beside the images" in shown
    listed = CliRunner().invoke(app, ["data", "readers", "list"]).stdout
    assert all(name in listed.splitlines() for name in reader_names())


@pytest.mark.parametrize(
    ("given", "ours", "note"),
    [
        ("file=image", {"image": "file"}, ""),
        ("image=file", {"image": "file"}, "taken as file=image"),
        ("group=emotion", {"emotion": "group"}, ""),
        ("emotion=group", {"emotion": "group"}, "taken as group=emotion"),
    ],
)
def test_columns_and_labels_are_named_in_one_direction(tmp_path, capsys, given, ours, note):
    from evoca.commands.data.build import _columns

    (tmp_path / "s.csv").write_text("file,group\n")
    left, right = given.split("=")
    assert _columns({left: right}, "csv", tmp_path / "s.csv", None) == ours
    assert note in capsys.readouterr().err
