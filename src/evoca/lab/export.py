"""A trained run to a model bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from evoca import __version__
from evoca.cards import render_card
from evoca.cards.analysis import analysis_of
from evoca.errors import EvocaError
from evoca.lab.backbones import load_probe
from evoca.lab.fitting.state import load_weights
from evoca.lab.model_options import LinearProbe
from evoca.lab.onnx_export import export_system, parity
from evoca.lab.recipe import Recipe
from evoca.lab.run import read_head
from evoca.lab.systems import StagedSystem, build_system
from evoca.lab.systems.linear_probe import AdditiveClassifier
from evoca.runs import new_run, read_json, read_run
from evoca.runtime.bundle import Bundle, read_bundle
from evoca.runtime.card import (
    FORMAT_VERSION,
    DeletionTest,
    Licence,
    Metric,
    ModelCard,
    Provenance,
)

__all__ = ["PARITY", "export_bundle"]

PARITY = 1e-3
"""The largest difference allowed between PyTorch and ONNX Runtime, in any output."""

_WEIGHTS_TERMS = (
    "The head was learnt from research photographs that were shared for research; use the "
    "weights for research and evaluation, and check the terms of the photographs before any "
    "other use. The backbone is {licence}."
)


def export_bundle(run: Path, out: Path) -> Bundle:
    """Export a run of a trained recipe.

    Args:
        run: a directory that ``evoca train`` wrote.
        out: the bundle directory; appears only when it is complete and has been checked.

    Returns:
        The bundle, read back.

    Raises:
        EvocaError: the run is incomplete, or PyTorch and ONNX Runtime differ by more
            than :data:`PARITY`.
    """
    description = read_json(run / "run.json")
    if "chosen" not in description:
        raise EvocaError(f"{run}: a cross-validation, not a training: nothing to export")
    try:
        recipe = Recipe.model_validate(description["recipe"])
    except ValidationError as error:
        raise EvocaError(f"{run / 'run.json'}: the recipe is not valid any more") from error
    labels = description.get("labels")
    if not isinstance(labels, list):
        raise EvocaError(f"{run / 'run.json'}: names no labels")
    system = _trained_system(recipe, len(labels), run / "checkpoints" / "last")
    height, width = recipe.preprocessing.height, recipe.preprocessing.width
    with new_run(out) as folder:
        file = folder / "model.onnx"
        export_system(system, height, width, file)
        _check_parity(system, file, height, width)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        card = _card(run, description, recipe, system.evidence_bias, digest)
        (folder / "model.json").write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "README.md").write_text(render_card(card), "utf-8")
    return read_bundle(out)


def _trained_system(recipe: Recipe, labels: int, folder: Path) -> AdditiveClassifier | StagedSystem:
    """Build a recipe's system with what was learnt.

    Raises:
        EvocaError: the weights are missing, damaged or not this recipe's.
    """
    if isinstance(recipe.model, LinearProbe):
        return AdditiveClassifier(load_probe(recipe), read_head(folder)).eval()
    system = build_system(recipe, [""] * labels, weights="random", seed=0)
    file = folder / "weights.safetensors"
    try:
        system.load_state_dict(load_weights(file))
    except RuntimeError as error:
        raise EvocaError(f"{file}: not the weights of {recipe.name}") from error
    return system.eval()


def _check_parity(system: nn.Module, file: Path, height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, height, width, 3), dtype=np.uint8)
    for output, difference in parity(system, file, torch.from_numpy(pixels)).items():
        if not difference <= PARITY:
            raise EvocaError(f"{output} of PyTorch and ONNX Runtime differ by {difference:g}")


_HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "polarity_accuracy",
    "ece",
    "nll",
    "brier",
    "set_coverage",
    "set_size",
)


_PER_EMOTION = ("precision", "recall", "f1", "support")


def _card(
    run: Path, description: dict[str, Any], recipe: Recipe, bias: Tensor | None, digest: str
) -> ModelCard:
    metrics = read_json(run / "metrics.json")
    record = recipe.backbone
    chosen, data, split = description["chosen"], description["data"], description["split"]
    return ModelCard(
        format_version=FORMAT_VERSION,
        name=f"evoca-{recipe.name}-{__version__}",
        summary=recipe.summary,
        labels=tuple(description["labels"]),
        taxonomy="mikels8",
        preprocessing=recipe.preprocessing,
        temperature=chosen["temperature"],
        set_threshold=chosen["set_threshold"],
        set_coverage=recipe.protocol.coverage,
        evidence_kind=None if bias is None else "additive",
        evidence_bias=None if bias is None else tuple(bias.tolist()),
        deletion_test=_deletion_test(run),
        provenance=Provenance(
            recipe=recipe.name,
            backbones=(_backbone_in_words(recipe),),
            data=f"{data['images']} labelled photographs: {data['name']}",
            images=data["images"],
            fingerprint=data["fingerprint"],
            protocol=_protocol_in_words(split),
            evoca_version=description["evoca_version"],
        ),
        metrics={k: Metric.model_validate(metrics[k]) for k in _HEADLINE if metrics.get(k)},
        per_emotion={
            label: {key: float(figures[key]) for key in _PER_EMOTION}
            for label, figures in metrics["per_emotion"].items()
        },
        analysis=analysis_of(read_run(run)),
        licence=Licence(code="MIT", weights=_WEIGHTS_TERMS.format(licence=record.licence)),
        training_images=tuple(description["training_images"]),
        sha256=digest,
    )


def _deletion_test(run: Path) -> DeletionTest | None:
    file = run / "deletion_test.json"
    return DeletionTest.model_validate(read_json(file)) if file.is_file() else None


def _backbone_in_words(recipe: Recipe) -> str:
    record, weights = recipe.backbone, recipe.model.weights
    if weights == "random":
        return f"{record.architecture} (no pretrained weights)"
    source = str(record.weights) if weights == "recorded" else Path(weights).name
    return f"{record.architecture} ({record.licence}, {source})"


def _protocol_in_words(split: Mapping[str, Any]) -> str:
    intervals = "intervals from 1,000 bootstrap draws"
    if "folds" in split:
        return (
            f"{split['repeats']} x {split['folds']}-fold nested cross-validation, stratified, "
            f"grouped by duplicates; {intervals}"
        )
    sizes = f"{split['train']} images to train, {split['validation']} to choose"
    if split["test"]:
        sizes += f", {split['test']} to test"
    return f"trained once: {sizes}; measured on {split['kind']}; {intervals}"
