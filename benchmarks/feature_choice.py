"""How the default model's features were chosen, and how much that choice flatters its figure.

    python benchmarks/feature_choice.py --data FOLDER [--repeats 5] [--folds 5] [--only NAME]...
        [--out FILE]

Frozen features of EfficientNet-Lite0, Lite1 and Lite2, several stages and input sizes, each
with the head of the recipe ``default``: flat cross-validation, as when they were chosen, and
nested cross-validation, in which the inner folds choose the penalty and the temperature.

Then the choice itself is put to the test. In every training part the inner folds choose the
features too, by the least negative log-likelihood, and the held-out images are predicted from
those. What the features chosen on *all* images score above that is the optimism of having
chosen them there. The features are kept on disk (``EVOCA_CACHE``) and computed once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import EvocaError
from evoca.lab.config.recipe import Recipe, load_recipe
from evoca.lab.experiments.nested_cv import cross_validate, folds_of
from evoca.lab.experiments.preparation import prepare
from evoca.lab.features.cache import cache_folder
from evoca.lab.features.extract import cached_features
from evoca.lab.heads.factory import extractor_of, fitter_of
from evoca.metrics.bootstrap import mean_figure
from evoca.metrics.functional import nll
from evoca.metrics.result import Figure
from evoca.softmax import softmax

Floats = NDArray[np.float64]
Step = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Part:
    """Features of one backbone: its name, stages, side of the input and way of resizing."""

    backbone: str
    stages: str
    side: int
    resize: str = "squash"

    def recipe(self, repeats: int, folds: int) -> Recipe:
        """Return the recipe ``default`` with these features."""
        return load_recipe(
            "default",
            [
                f"model.backbone={self.backbone}",
                f"model.stages={self.stages}",
                f"preprocessing.height={self.side}",
                f"preprocessing.width={self.side}",
                f"preprocessing.resize={self.resize}",
                f"protocol.repeats={repeats}",
                f"protocol.folds={folds}",
                f"protocol.inner_folds={folds}",
            ],
        )


LITE0, LITE1, LITE2 = (f"efficientnet_lite{number}" for number in range(3))

CANDIDATES: Mapping[str, tuple[Part, ...]] = {
    "lite0-last-260": (Part(LITE0, "last", 260),),
    "lite2-last-260": (Part(LITE2, "last", 260),),
    "lite2-last-320": (Part(LITE2, "last", 320),),
    "lite0-all-320": (Part(LITE0, "all", 320),),
    "lite1-all-320": (Part(LITE1, "all", 320),),
    "lite2-all-260": (Part(LITE2, "all", 260),),
    "lite2-all-320": (Part(LITE2, "all", 320),),
    "lite2-all-320-cover": (Part(LITE2, "all", 320, "cover"),),
    "lite2-all-384": (Part(LITE2, "all", 384),),
    "lite0+lite2-all-320": (Part(LITE0, "all", 320), Part(LITE2, "all", 320)),
    "lite1+lite2-all-320": (Part(LITE1, "all", 320), Part(LITE2, "all", 320)),
}

AFFORDABLE = tuple(
    name
    for name, parts in CANDIDATES.items()
    if len(parts) == 1 and all(part.side <= 320 for part in parts)
)
"""One backbone and at most 320 pixels: what the time allowed, among which one was taken."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One candidate.

    Attributes:
        flat_right: (R, n), whether the held-out prediction of flat cross-validation is right.
        flat_nll: mean over images and repeats, nats.
        right: (R, n), the same of nested cross-validation.
        fold: (R, n), in which an image was held out.
        inner_nll: (R, F), of the training part's own inner folds: what chooses.
    """

    flat_right: NDArray[np.bool_]
    flat_nll: float
    right: NDArray[np.bool_]
    fold: NDArray[np.int_]
    inner_nll: Floats


def features_of(parts: Sequence[Part], images: LabelledImages, step: Step) -> NDArray[np.float32]:
    """Return the features of all parts side by side, float32 (n, D)."""
    found = []
    for part in parts:
        recipe = part.recipe(repeats=1, folds=2)  # neither has a part in the features
        trunk = extractor_of(recipe)
        found.append(cached_features(trunk, images, recipe.preprocessing, cache_folder(), step))
    return np.concatenate(found, axis=1)


def measure(features: NDArray[np.float32], images: LabelledImages, recipe: Recipe) -> Measured:
    """Cross-validate the head on some features, flat and nested."""
    protocol, truth, groups = recipe.protocol, images.truth, images.groups
    fitter = fitter_of(recipe, images.labels)
    grid = fitter.candidates
    logits = np.empty((protocol.repeats, len(grid), len(truth), len(images.labels)))
    nested, inner = [], []
    for repeat in range(protocol.repeats):
        seed = protocol.seed + repeat
        fold = folds_of(truth, groups, protocol.folds, seed)
        for number in range(protocol.folds):
            inside, outside = fold != number, fold == number
            for i, head in enumerate(fitter.path(features[inside], truth[inside], grid)):
                logits[repeat, i, outside] = head.logits(features[outside])
        own = protocol.model_copy(update={"repeats": 1, "seed": seed})
        nested.append(cross_validate(features, truth, groups, fitter, own))
        inner.append([chosen.nll for chosen in nested[-1].choices])
    losses = np.array([[nll(truth, softmax(z)).mean() for z in run] for run in logits]).mean(axis=0)
    best = int(np.argmin(losses))
    return Measured(
        logits[:, best].argmax(axis=2) == truth,
        float(losses[best]),
        np.stack([found.probabilities[0].argmax(axis=1) == truth for found in nested]),
        np.stack([found.fold[0] for found in nested]),
        np.array(inner),
    )


@dataclass(frozen=True)
class Choice:
    """What choosing among some candidates gives, and how much it flatters.

    Attributes:
        among: names of the candidates.
        winner: the one with the least flat NLL on all images.
        of_winner: its nested accuracy: what would be reported of it.
        nested: accuracy where the inner folds of every training part choose.
        optimism: the first less the second, paired by image.
        chosen: name to how many of the training parts chose it.
    """

    among: tuple[str, ...]
    winner: str
    of_winner: Figure
    nested: Figure
    optimism: Figure
    chosen: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        figures = {"of_winner": self.of_winner, "nested": self.nested, "optimism": self.optimism}
        return {
            "among": list(self.among),
            "winner": self.winner,
            **{name: figure.to_dict() for name, figure in figures.items()},
            "chosen": dict(self.chosen),
        }


def choose(
    measured: Mapping[str, Measured], among: Sequence[str], groups: NDArray[np.int64]
) -> Choice:
    """Let the inner folds choose the features, and compare with those chosen on all images."""
    own = [measured[name] for name in among]
    inner = np.stack([one.inner_nll for one in own])  # (candidates, repeats, folds)
    best = inner.argmin(axis=0)
    repeats, folds = best.shape
    right = np.empty(own[0].right.shape, dtype=np.bool_)
    for repeat in range(repeats):
        for number in range(folds):
            held_out = own[0].fold[repeat] == number
            right[repeat, held_out] = own[best[repeat, number]].right[repeat, held_out]
    winner = min(range(len(own)), key=lambda i: own[i].flat_nll)
    fixed, nested = own[winner].right.mean(axis=0), right.mean(axis=0)
    counts = Counter(among[i] for i in best.ravel())
    return Choice(
        tuple(among),
        among[winner],
        mean_figure(fixed, groups),
        mean_figure(nested, groups),
        mean_figure(fixed - nested, groups),
        dict(counts.most_common()),
    )


def percent(figure: Figure) -> str:
    """Return a share in percent with its interval."""
    low, high = figure.ci95
    return f"{figure.value:.1%} ({low:.1%} to {high:.1%})"


def points(figure: Figure) -> str:
    """Return a difference of shares in points with its interval."""
    low, high = figure.ci95
    return f"{100 * figure.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def show(
    measured: Mapping[str, Measured], choices: Sequence[Choice], groups: NDArray[np.int64]
) -> None:
    """Print the table of candidates, then what choosing among them gives."""
    console = Console()
    table = Table("features", "flat accuracy", "flat NLL", "nested accuracy (95% interval)")
    for name, one in measured.items():
        nested = percent(mean_figure(one.right.mean(axis=0), groups))
        table.add_row(name, f"{one.flat_right.mean():.3f}", f"{one.flat_nll:.3f}", nested)
    console.print(table)
    for choice in choices:
        chosen = ", ".join(f"{name} {count}" for name, count in choice.chosen.items())
        console.print(
            f"\nAmong {len(choice.among)} candidates ({', '.join(choice.among)}), on all images "
            f"the least flat NLL has {choice.winner}: {percent(choice.of_winner)} nested.\n"
            f"Chosen by the inner folds of each training part: {percent(choice.nested)} "
            f"(chosen: {chosen}).\n"
            f"Optimism of choosing on all images: {points(choice.optimism)} points."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="labelled images")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5, help="outer ones, and inner ones")
    parser.add_argument("--only", action="append", choices=list(CANDIDATES), default=[])
    parser.add_argument("--out", type=Path, help="a JSON file of the same figures")
    given = parser.parse_args(arguments)
    names = tuple(given.only or CANDIDATES)
    try:
        prepared = prepare(load_labelled(given.data))
    except EvocaError as error:
        print(f"feature_choice: {error}", file=sys.stderr)
        return 2
    images, measured = prepared.images, {}
    with Progress(console=Console(stderr=True)) as progress:

        def step(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda done: progress.advance(task, done)

        advance = step("candidates", len(names))
        for name in names:
            parts = CANDIDATES[name]
            features = features_of(parts, images, step)
            recipe = parts[0].recipe(given.repeats, given.folds)
            measured[name] = measure(features, images, recipe)
            advance(1)
    affordable = tuple(name for name in names if name in AFFORDABLE)
    sets = [among for among in dict.fromkeys((affordable, names)) if among]
    choices = [choose(measured, among, images.groups) for among in sets]
    show(measured, choices, images.groups)
    if given.out is not None:
        found = {
            "images": len(images),
            "candidates": {
                name: {
                    "flat_accuracy": float(one.flat_right.mean()),
                    "flat_nll": one.flat_nll,
                    "nested_accuracy": mean_figure(one.right.mean(axis=0), images.groups).to_dict(),
                }
                for name, one in measured.items()
            },
            "choices": [choice.to_dict() for choice in choices],
        }
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
