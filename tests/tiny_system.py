"""A small real system and drawn pictures, for tests of the runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.emotions import MIKELS8
from evoca.images.preprocess import Preprocessing
from evoca.lab.config.base import apply_setting
from evoca.lab.config.recipe import Recipe
from evoca.lab.config.step import (
    Colour,
    Crop,
    Erase,
    Mirror,
    Optimiser,
    Rotate,
    Schedule,
    Step,
    Stop,
)
from evoca.lab.training import Task
from evoca.lab.training.checkpoint import Identity

SIDE = 32
# A residual network of 0.4 million parameters that timm keeps for tests.
RESNET = {
    "extends": "resnet50",
    "name": "test_resnet",
    "architecture": "test_resnet",
    "weights": {},
    "tops": [["layer4"], ["layer3"], ["layer2"], ["layer1"]],
    "channel_dropout": ["layer4.*.conv2"],
}
PREPROCESSING = Preprocessing(height=SIDE, width=SIDE)


class Output(NamedTuple):
    logits: Tensor


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, image: Tensor) -> Tensor:
        pixels = image.float().permute(0, 3, 1, 2) / 127.5 - 1
        return torch.relu(self.norm(self.conv(pixels)))


class Stage(nn.Sequential):
    def __init__(self, drop: float) -> None:
        super().__init__(
            nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(drop)
        )


class Pool(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


class Head(nn.Module):
    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(drop)
        self.linear = nn.Linear(16, 8)

    def forward(self, features: Tensor) -> Output:
        return Output(self.linear(self.drop(features)))


class TinySystem(nn.Module):
    """A stem, a stage, a pool and a head; batch normalisation and dropout included."""

    def __init__(self, seed: int = 0, drop: float = 0.2) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem, self.stage1, self.pool, self.head = Stem(), Stage(drop), Pool(), Head(drop)

    def chain(self) -> list[nn.Module]:
        return [self.stem, self.stage1, self.pool, self.head]

    def parts(self) -> dict[str, list[nn.Module]]:
        return {
            "stem": [self.stem],
            "stage1": [self.stage1],
            "backbone": [self.stem, self.stage1],
            "head": [self.head],
        }

    def forward(self, image: Tensor) -> Output:
        return self.head(self.pool(self.stage1(self.stem(image))))


def write_resnet(folder: Path) -> Path:
    """Write the record of a small residual network, which a recipe takes as its backbone."""
    file = folder / "test_resnet.yaml"
    file.write_text(yaml.safe_dump(RESNET))
    return file


def draw_pictures(folder: Path, each: int = 6, split: str = "train", seed: int = 0) -> None:
    """Pictures that differ by emotion in their colour, on noise."""
    rng = np.random.default_rng(seed)
    for i, emotion in enumerate(MIKELS8):
        place = folder / split / emotion
        place.mkdir(parents=True)
        for j in range(each):
            noise = rng.integers(0, 60, (40, 40, 3))
            colour = np.array([(i & 1) * 160, (i >> 1 & 1) * 160, (i >> 2) * 160])
            Image.fromarray((noise + colour).astype(np.uint8)).save(place / f"{j}.png")


def drawn_task(folder: Path, *steps: Step, seed: int = 0, each: int = 6) -> Task:
    """A task on drawn pictures, made where they are not there yet."""
    if not folder.exists():
        draw_pictures(folder, each)
        draw_pictures(folder, 2, "val", seed=1)
    data = load_labelled(folder)
    return task_of(data.in_split("train"), data.in_split("val"), *steps, seed=seed)


def task_of(
    train: LabelledImages, validation: LabelledImages | None, *steps: Step, seed: int = 0
) -> Task:
    return Task(steps, PREPROCESSING, train, validation, seed, Identity("recipe", "data"))


STEPS = {
    # Everything that draws at random or remembers something between batches.
    "resume": (
        Step(
            name="head",
            trainable=("head",),
            rate=1e-2,
            epochs=2,
            batch_size=8,
            augmentation=(Mirror(kind="mirror"),),
        ),
        Step(
            name="all",
            optimiser=Optimiser(kind="adamw", weight_decay=1e-2),
            rate=1e-3,
            rates={"head": 1e-2},
            schedule=Schedule(kind="cosine", warmup_epochs=1.5),
            epochs=4,
            batch_size=8,
            sampling="weighted",
            augmentation=(
                Crop(kind="crop"),
                Rotate(kind="rotate"),
                Colour(kind="colour"),
                Erase(kind="erase"),
            ),
            mixup=0.4,
            clip=1.0,
            stop=Stop(patience=4),
        ),
    ),
    # The same in any number of processes: no dropout, no statistics of a batch.
    "ddp": (
        Step(name="head", trainable=("head",), rate=1e-2, epochs=3, batch_size=14),
        Step(
            name="again",
            trainable=("head",),
            optimiser=Optimiser(kind="sgd", momentum=0.9, nesterov=True),
            rate=1e-2,
            epochs=2,
            batch_size=14,
            stop=Stop(metric="accuracy"),
        ),
    ),
}


def tiny_recipe(*changes: str) -> Recipe:
    """A recipe of the tiny system, with settings changed as on the command line."""
    content = {
        "name": "tiny",
        "summary": "A tiny system.",
        "model": {"system": "classifier", "backbone": "tiny"},
        "preprocessing": {"height": SIDE, "width": SIDE},
        "protocol": {"folds": 3, "repeats": 1, "validation": 0.25},
        "steps": [
            {"name": "head", "trainable": ["head"], "rate": 1e-2, "epochs": 1, "batch_size": 8},
            {"name": "all", "rate": 2e-2, "epochs": 12, "batch_size": 8, "stop": {"patience": 12}},
        ],
    }
    for change in changes:
        apply_setting(content, change)
    return Recipe.model_validate(content)


def build_tiny(recipe: Recipe, labels: Sequence[str], seed: int) -> TinySystem:
    return TinySystem(seed)
