"""Every recipe learns: its own graph and schedule, on a tiny set and a tiny network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("pytorch_lightning", reason="needs the extra train")
from torch import Tensor, nn  # noqa: E402

from evoca.data.manifest.labelled import LabelledImages, load_labelled  # noqa: E402
from evoca.images.sources import load_image  # noqa: E402
from evoca.lab.config.recipe import Recipe, load_recipe, recipe_names  # noqa: E402
from evoca.lab.experiments.operating_point import predict_logits  # noqa: E402
from evoca.lab.models import StagedSystem, build_system  # noqa: E402
from evoca.lab.training import (  # noqa: E402
    RunOptions,
    Task,
    fit,
)
from evoca.lab.training.checkpoint import Identity  # noqa: E402
from evoca.lab.training.freezing import trainable_parameters  # noqa: E402
from tiny_system import draw_pictures, write_resnet  # noqa: E402

# These have tests of their own: captioners and adapters need other extras and other backbones,
# valence and arousal other images.
APART = {"caption_text", "lora", "multi_task"}
TRAINED = [
    name
    for name, recipe in ((name, load_recipe(name)) for name in recipe_names())
    if recipe.steps
    and recipe.model.system not in APART
    and recipe.backbone.library != "transformers"
]
LEARNT = 0.95
# What the largest rate of a recipe becomes; all its rates are multiplied alike. Published
# rates are for pretrained networks and thousands of pictures an epoch.
LARGEST_RATE = {"adam": 3e-3, "adamw": 3e-3, "sgd": 3e-3}
SHOWN = 120  # about how often each picture is shown, since there cannot be more epochs
# A loss whose slopes are as steep near the aim as far from it.
LONGER = {"distribution-emd": 4}
# One layer on features that were drawn at random.
STEEPER = {"you2016-imagenet-cnn": 10}
SMALL = (
    "model.weights=random",
    "preprocessing.height=32",
    "preprocessing.width=32",
    "steps.*.batch_size=16",
)
# Hidden layers of 4096 are slow, and attention needs more than one place.
SMALL_STREAMS = (
    "model.hidden=[16, 16]",
    "preprocessing.height=64",
    "preprocessing.width=64",
)


@dataclass(frozen=True)
class Learnt:
    """A trained system, and its weights at the start of every step and at the end."""

    recipe: Recipe
    system: StagedSystem
    accuracy: float
    states: list[Mapping[str, Tensor]]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> Path:
    return write_resnet(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> LabelledImages:
    """Sixteen pictures, two an emotion."""
    folder = tmp_path_factory.mktemp("pictures") / "all"
    draw_pictures(folder, each=2)
    return load_labelled(folder)


def settle(system: StagedSystem, recipe: Recipe, images: LabelledImages) -> None:
    """Give batch normalisation the statistics that pretraining would have left."""
    pixels = [load_image(path, recipe.preprocessing).pixels for path in images.paths]
    norms = [module for module in system.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average
    with torch.no_grad():
        system.train()(torch.tensor(np.stack(pixels)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def rates_multiplied(recipe: Recipe, largest: Mapping[str, float]) -> list[str]:
    """Settings that bring the recipe's largest rate to what its optimiser is given."""
    rates = [rate for step in recipe.steps for rate in (step.rate, *step.rates.values())]
    factor = largest[recipe.steps[0].optimiser.kind] / max(rates)
    return [
        setting
        for number, step in enumerate(recipe.steps)
        for setting in (
            f"steps.{number}.rate={step.rate * factor}",
            *(f"steps.{number}.rates.{part}={r * factor}" for part, r in step.rates.items()),
        )
    ]


def tiny(name: str, backbone: Path | str, largest: Mapping[str, float]) -> Recipe:
    """The recipe on a tiny network, at rates that a tiny set is learnt with."""
    own = f"{{backbone: {backbone}, weights: random}}"
    families = {
        "streams": SMALL_STREAMS,
        "differential": (f"model.second={own}", f"model.supplement={own}"),
    }
    further = {
        "rapolu2023-differential-three": (f"model.more=[{own}]",),
        "rapolu2023-differential-background": (f"model.background={own}",),
    }
    family = (*families.get(load_recipe(name).model.system, ()), *further.get(name, ()))
    settings = [*SMALL, *family, f"model.backbone={backbone}"]
    recipe = load_recipe(name, settings)
    largest = {kind: rate * STEEPER.get(name, 1) for kind, rate in largest.items()}
    return load_recipe(name, [*settings, *rates_multiplied(recipe, largest)])


def different(names: Sequence[str]) -> list[str]:
    """Leave out recipes that differ from one before in what is made small here alone."""
    found = {}
    for name in names:
        recipe = tiny(name, "resnet50", LARGEST_RATE)
        what = recipe.model_dump_json(include={"model", "steps", "preprocessing"})
        found.setdefault(what, name)
    return list(found.values())


def learn(
    name: str,
    backbone: Path,
    images: LabelledImages,
    folder: Path,
    largest: Mapping[str, float] = LARGEST_RATE,
) -> Learnt:
    """Train a recipe; validation images, which may stop its steps, are the training ones."""
    recipe = tiny(name, backbone, largest)
    system = build_system(recipe, images.labels, seed=0)
    settle(system, recipe, images)
    shown = SHOWN * LONGER.get(name, 1)
    again = max(1, shown // sum(step.epochs for step in recipe.steps))
    repeated = images.take(np.tile(np.arange(len(images)), again))
    states: list[Mapping[str, Tensor]] = []

    def note(step: str, total: int):
        states.append({key: value.clone() for key, value in system.state_dict().items()})
        return lambda _: None

    options = RunOptions(accelerator="cpu", workers=0, tensorboard=False, announce=note)
    judges = images if any(step.stop for step in recipe.steps) else None
    task = Task(recipe.steps, recipe.preprocessing, repeated, judges, 0, Identity("", ""))
    fit(system, task, folder, options)
    note("end", 0)
    logits = predict_logits(system, recipe.steps[-1], images, recipe.preprocessing, options)
    return Learnt(recipe, system, float(np.mean(logits.argmax(axis=1) == images.truth)), states)


@pytest.mark.parametrize("name", different(TRAINED))
def test_a_recipe_fits_a_tiny_set_and_moves_only_what_a_step_trains(
    name, backbone, images, tmp_path
):
    learnt = learn(name, backbone, images, tmp_path)
    assert learnt.accuracy > LEARNT
    assert len(learnt.states) == len(learnt.recipe.steps) + 1
    for number, step in enumerate(learnt.recipe.steps):
        before, after = learnt.states[number : number + 2]
        trained = trainable_parameters(learnt.system, step)
        moved = {key for key in before if not torch.equal(before[key], after[key])}
        assert moved == trained | statistics_of(learnt.system, trained), step.name


def statistics_of(system: StagedSystem, trained: set[str]) -> set[str]:
    """Name what batch normalisation remembers, where it is trained."""
    return {
        f"{name}.{buffer}"
        for name, module in system.named_modules()
        if isinstance(module, nn.BatchNorm2d) and f"{name}.weight" in trained
        for buffer, _ in module.named_buffers()
    }


def test_without_a_rate_nothing_is_learnt(backbone, images, tmp_path):
    none = dict.fromkeys(LARGEST_RATE, 1e-9)
    assert learn("sreenivas2018-search", backbone, images, tmp_path, none).accuracy < LEARNT / 2
