"""A package beside Evoca that adds one part of every kind, installed and used by the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import numpy as np

from evoca.metrics.bootstrap import mean_figure
from tiny_system import draw_pictures

ENTRY_POINTS = """
[evoca.readers]
pairs = outside.reader
[evoca.libraries]
outside = outside.library
[evoca.systems]
tiny = outside.options:Tiny
[evoca.networks]
tiny = outside.network
[evoca.commands]
hello = outside.hello
[evoca.papers]
outside = outside.papers
[evoca.engines]
counting = outside.engine:Counting
"""

FILES = {
    "__init__.py": "",
    "reader.py": '''
        from evoca.data.readers import Row, reader

        @reader("pairs", files_required=False)
        def read(source):
            """Pairs: a line an image, its name and its emotion."""
            for number, line in enumerate(source.read_text().splitlines(), start=1):
                name, emotion = line.split()
                yield Row(source.name, number, {"image": name, "emotion": emotion})
    ''',
    "library.py": '''
        from torch import nn
        from evoca.lab.backbones.library import Adapter, adapter_for
        from evoca.lab.config.backbone import Library

        @adapter_for("outside", Library(publishes=False))
        class Outside(Adapter):
            """Five convolutions."""

            def create(self, record):
                widths = [3, 8, 8, 8, 8, 8]
                return nn.Sequential(
                    *(nn.Conv2d(a, b, 3, 2, 1) for a, b in zip(widths, widths[1:]))
                )
    ''',
    "options.py": """
        from typing import Literal
        from evoca.lab.config.models.base import Network

        class Tiny(Network):
            system: Literal["tiny"]
            scale: float = 1.0

            def in_words(self, backbone):
                return [f"The mean of the last map, times {self.scale:g}; one layer."]
    """,
    "network.py": """
        from torch import nn
        from evoca.lab.models.base import Pool, StagedSystem, SystemOutputs, registered
        from outside.options import Tiny

        class Head(nn.Module):
            def __init__(self, width, labels, scale):
                super().__init__()
                self.layer, self.scale = nn.Linear(width, labels), scale

            def forward(self, x):
                return SystemOutputs(self.layer(x * self.scale))

        class TinySystem(StagedSystem):
            def __init__(self, trunk, head):
                super().__init__(trunk)
                self.pool, self.head = Pool(trunk, "mean"), head

            def own_parts(self):
                return {"head": [self.head]}

            def chain(self):
                return [*self.trunk.stages(), self.pool, self.head]

        @registered(Tiny)
        def build(options, around):
            trunk = around.trunk(options)
            width = trunk.shapes(*around.size)[-1][0]
            return TinySystem(trunk, Head(width, around.labels, options.scale))
    """,
    "hello.py": '''
        from evoca.commands.exits import command, command_app

        app = command_app()

        @command(app)
        def hello(name: str) -> None:
            """Greet."""
            print(f"hello {name}")
    ''',
    "engine.py": """
        from evoca.runtime.engines.onnxruntime import OrtSession

        class Counting(OrtSession):
            runs = 0

            def run(self, batch):
                Counting.runs += len(batch)
                return super().run(batch)
    """,
    "papers/__init__.py": "",
    "papers/outside2026.yaml": """
        key: outside2026
        title: A paper of another package
        authors: [Nobody]
        year: 2026
        venue: nowhere
        read: true
        source: this test
        data:
          - {key: own, name: Own, rule: Drawn., ratios: {train: 0.8, test: 0.2}}
        systems:
          - name: tiny-five
            summary: Five convolutions.
            backbones: [five]
            pretrained: false
            figures:
              - {metric: accuracy, value: 0.5, data: own, part: test, where: table 1}
    """,
}

BACKBONE = """
name: five
library: outside
architecture: five
weights: {}
size: 32
mean: [0.5, 0.5, 0.5]
std: [0.25, 0.25, 0.25]
stages: {stem: ["0"], stage1: ["1"], stage2: ["2"], stage3: ["3"], stage4: ["4"]}
tops: [["4"], ["3"], ["2"], ["1"]]
licence: none
paper: none
"""

RECIPE = """
name: tiny-five
summary: "{backbone}, and one layer."
published: tiny-five
paper: outside2026
model: {system: tiny, backbone: five.yaml, weights: random, scale: 2}
preprocessing: {height: 32, width: 32}
steps: [{name: all, trainable: [all], epochs: 1, rate: 0.01, batch_size: 8}]
protocol: {validation: 0.34}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, its entry points, and drawn pictures."""
    place = tmp_path_factory.mktemp("outside")
    for name, text in FILES.items():
        file = place / "site" / "outside" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).strip() + "\n")
    about = place / "site" / "outside-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    (place / "five.yaml").write_text(BACKBONE)
    (place / "tiny.yaml").write_text(RECIPE)
    draw_pictures(place / "data", 6)
    return place


def python(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(place / "site"), os.environ.get("PYTHONPATH", "")])
    cache = str(place / "cache")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": paths, "EVOCA_CACHE": cache},
        capture_output=True,
        text=True,
        timeout=300,
    )


def evoca(place: Path, *arguments: str) -> str:
    done = python(place, "-c", "from evoca.cli import main; main()", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_command(place: Path) -> None:
    assert evoca(place, "hello", "there") == "hello there\n"
    assert "hello" in evoca(place, "--help")


def test_a_reader(place: Path) -> None:
    (place / "pairs.txt").write_text("a.jpg awe\nb.jpg fear\n")
    evoca(place, "data", "build", "pairs", "pairs.txt", "--out", "m.csv")
    assert "a.jpg" in (place / "m.csv").read_text()


def test_a_backbone_of_another_library_a_system_and_a_paper(place: Path) -> None:
    shown = evoca(place, "recipes", "show", "tiny.yaml")
    assert "The mean of the last map, times 2; one layer." in shown
    evoca(place, "train", "tiny.yaml", "--data", "data", "--out", "run", "--workers", "0")
    beside = json.loads(evoca(place, "reproduce", "run", "--format", "json"))
    (own,) = (one for one in beside["systems"] if one["system"] == "tiny-five")
    assert [figure["published"] for run in own["runs"] for figure in run["figures"]] == [0.5]
    evoca(place, "export", "run", "--out", "bundle")
    picture = next((place / "data").rglob("*.png"))
    found = evoca(place, "predict", str(picture), "--model", "bundle", "--format", "json")
    assert sum(json.loads(found)[0]["probabilities"].values()) == pytest.approx(1)


def test_an_engine(place: Path) -> None:
    script = (
        "import numpy, evoca\n"
        "from outside.engine import Counting\n"
        "model = evoca.load(engine='counting')\n"
        "model.predict(numpy.zeros((8, 8, 3), 'uint8'))\n"
        "assert Counting.runs == 1, Counting.runs\n"
        "try: evoca.load(engine='none')\n"
        "except evoca.EvocaError as error: print(error)\n"
    )
    done = python(place, "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "engine none: no such engine; known are onnxruntime, openvino, onnxruntime-cuda, "
        "onnxruntime-coreml, onnxruntime-directml and counting\n"
    )


def test_a_metric_of_ones_own_has_an_interval() -> None:
    """A metric is a function of arrays; those of the package take it from there."""
    truth, likely = np.arange(64) % 8, np.arange(64) % 8
    likely[::4] = 0
    within_one = (np.abs(truth - likely) <= 1).astype(float)
    found = mean_figure(within_one, share=True)
    assert found.ci95[0] < found.value < found.ci95[1]
    assert found.value == within_one.mean()


def test_a_package_that_cannot_be_loaded_is_one_line(place: Path) -> None:
    about = place / "site" / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[evoca.readers]\nlost = not_there:reader\n")
    script = "from evoca.cli import main; main()"
    done = python(place, "-c", script, "data", "build", "pairs", "pairs.txt", "--out", "n.csv")
    assert done.returncode == 1
    assert done.stderr == (
        "evoca: broken: lost of evoca.readers cannot be loaded (No module named 'not_there'): "
        "mend or remove that package\n"
    )
