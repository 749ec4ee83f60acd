"""What the pages say holds: their commands, their options, and the names that they use."""

import json
import os
import re
import shlex
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from typer.main import get_command

import evoca
from evoca.cli import app
from pages import agrees, commands_of, plain, run

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
BESIDE = [ROOT / folder / "README.md" for folder in ("benchmarks", "examples")]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md")), *BESIDE]
FENCED = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r"\bevoca(?:\.[A-Za-z_]\w*)+")
# Not names of Python: the log of the hub, and groups of entry points.
GROUPS = ("commands", "engines", "libraries", "networks", "papers", "readers", "systems")
OTHER = {"evoca.hub", "evoca.text_scorers", *(f"evoca.{group}" for group in GROUPS)}


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_every_command_prints_what_the_page_says(page, tmp_path, examples, monkeypatch):
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    (tmp_path / "work").mkdir()
    (tmp_path / "examples").symlink_to(examples)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for command, said in commands_of(page):
        printed = plain(run(command))
        assert agrees(plain(said), printed), f"{command}\n" + "\n".join(printed)


def lines():
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for block in FENCED.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                found = re.match(r"(?:\$ )?(?:\.venv/bin/)?(evoca [^#|&]*)", line)
                if found and "..." not in found[1]:
                    yield page.name, found[1].strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(lines())))
def test_every_command_and_option_exists(page, line):
    command, context = get_command(app), None
    words = shlex.split(line)[1:]
    words = words[: words.index(">")] if ">" in words else words
    while words and hasattr(command, "get_command"):
        if words[0].startswith("-"):
            return
        command = command.get_command(context, words.pop(0))
        assert command is not None, line
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known | {"--help"}


def names():
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            yield from NAMES.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(set(names()) - OTHER))
def test_every_name_exists(name):
    if name.rpartition(".")[2] in {"png", "html", "md", "json", "yaml"}:
        return
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("evoca"):
                pytest.skip(f"needs {error.name}")
            continue
        for attribute in parts[count:]:
            if attribute in getattr(found, "__dataclass_fields__", {}):
                return
            if attribute in getattr(found, "model_fields", {}):
                return
            found = getattr(found, attribute)
        return


@pytest.mark.parametrize("folder", ["benchmarks", "examples"])
def test_the_table_of_a_folder_names_each_of_its_files(folder):
    text = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE)
    assert len(named) == len(set(named))
    there = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
    assert set(named) == there - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page):
    if page.name == "CHANGELOG.md":
        return
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"\b((?:tests|src|benchmarks)/[\w./-]+\.(?:py|yaml|csv))\b", text)
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_columns_and_keys_are_all_described():
    import evoca
    from evoca.data.manifest.schema import _known as manifest_columns
    from evoca.runtime.tables import table_columns

    text = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`([\w.<>]+)`", text))
    labels = ["awe"]
    found = evoca.load().predict(ROOT / "examples" / "china.jpg").to_dict()
    keys = {key for key in found if not isinstance(found[key], dict)}
    keys |= {"probabilities.<emotion>", "polarity.label", "polarity.positive", "prior.name"}
    keys |= {"prior.frequencies.<emotion>", "affect.valence", "affect.arousal", "affect.scale"}
    columns = {name.replace("p_awe", "p_<emotion>") for name in table_columns(labels)}
    order = manifest_columns(("<emotion>",))
    assert {*columns, *keys, *order} <= described


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")), ids=str)
def test_notebooks_show_what_they_print_now(path):
    if "reproduce" in path.name:
        pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    spec = spec_from_file_location("notebooks", ROOT / "docs" / "notebooks.py")
    notebooks = module_from_spec(spec)
    spec.loader.exec_module(notebooks)
    shown = json.loads(path.read_text(encoding="utf-8"))
    again = notebooks.executed(json.loads(path.read_text(encoding="utf-8")))
    for before, now in zip(shown["cells"], again["cells"], strict=True):
        assert printed(before) == printed(now)
    assert sum(cell["cell_type"] == "code" for cell in shown["cells"]) >= 3


def printed(cell):
    outputs = cell.get("outputs", [])
    return [one.get("text") or one["data"]["text/plain"] for one in outputs]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("README.md", ("accuracy", "polarity_accuracy", "set_coverage")),
        ("docs/how-to/read-a-prediction.md", ("accuracy",)),
        ("docs/results.md", ("polarity_accuracy", "nll")),
        ("src/evoca/models/default/README.md", ("nll",)),
    ],
)
def test_a_figure_of_the_bundled_model_has_one_interval(page, names):
    """Names whose value no other figure of the page has."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in names:
        metric = evoca.load().card.metrics[name]
        numbers = (metric.value, *metric.ci95)
        plain = [f"{x:.3f}" for x in numbers]
        percent = [f"{100 * float(x):.1f}" for x in plain]
        value, *interval = percent if f"{percent[0]}%" in text else plain
        stated = re.findall(
            re.escape(value) + r"%?(?: \(| \[| \| | of the cases \(95% interval )"
            r"([\d.]+)(?: to |, )([\d.]+)",
            text,
        )
        assert set(stated) == {tuple(interval)}, name


@pytest.mark.parametrize(
    ("page", "after", "scale"),
    [
        ("README.md", "| figure | held out | left out | without looking |", 100),
        ("docs/results.md", "| | taught by FI alone, elsewhere | held out | left out |", 1),
    ],
)
def test_figures_by_source_are_those_of_the_bundled_model(page, after, scale):
    """Of held out and left out, each with its interval; a figure's digits are those rounded."""
    card = evoca.load().card
    metrics = list(card.metrics.values())
    for source in (*card.analysis.by_source, *card.analysis.left_out):
        metrics += source.figures.values()
    digits = 3 if scale == 1 else 1
    known = {
        tuple(f"{scale * round(x, 3):.{digits}f}" for x in (one.value, *(one.ci95 or ())))
        for one in metrics
    }
    table = (ROOT / page).read_text(encoding="utf-8").split(after, 1)[1].split("\n\n", 1)[0]
    stated = re.findall(r"\b(\d+\.\d+)%? \((\d+\.\d+) to (\d+\.\d+)\)", table)
    assert len(stated) >= 7
    assert set(stated) <= known
    pairs = re.findall(r"(0\.\d{3}); (0\.\d{3})", table)
    assert {number for pair in pairs for number in pair} <= {values[0] for values in known}


def test_roles_of_docstrings_are_links_or_code_on_the_page_of_python(tmp_path):
    pytest.importorskip("griffe", reason="needs the extra dev")
    spec = spec_from_file_location("api", ROOT / "docs" / "api.py")
    api = module_from_spec(spec)
    spec.loader.exec_module(api)
    text = (
        ":meth:`predict`, :func:`~evoca.load`, :attr:`Manifest.rejects`, :func:`other.place.load`"
    )
    assert api.linked(text, "Predictor") == (
        "[`predict`][evoca.Predictor.predict], [`load`][evoca.load], `Manifest.rejects`, "
        "`other.place.load`"
    )
    for module, names in api.API.items():
        import_module(module)
        assert len(set(names)) == len(names)
    ids = [f"{module}.{name}" for module, names in api.API.items() for name in names]
    page = tmp_path / "api.html"
    page.write_text("".join(f'<h3 id="{one}"></h3>\n' for one in ids))
    assert list(api.faults(tmp_path)) == []
    page.write_text(page.read_text() + '<h3 id="evoca.images.walk"></h3>\n<p>:func:<code>f</code>')
    first, second = api.faults(tmp_path)
    assert "a role: <p>:func:" in first
    assert second == "api.html: evoca.images.walk is described, which is not asked for"


def test_every_role_with_a_whole_path_leads_somewhere():
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    role = re.compile(r":(?:func|class|mod|meth|attr|data):`~?(evoca(?:\.\w+)+)`")
    lost = []
    for file in sorted((ROOT / "src").rglob("*.py")):
        names = set(role.findall(file.read_text(encoding="utf-8")))
        lost += [f"{file.name}: {name}" for name in sorted(names) if not found_in_python(name)]
    assert lost == []


def found_in_python(name):
    """Whether a dotted name is a module, or what one holds; fields of data classes too."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            fields = getattr(found, "__annotations__", {})
            if part in fields:
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False
