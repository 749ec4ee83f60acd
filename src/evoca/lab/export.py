"""A trained run to a model bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from evoca import __version__
from evoca.cards import render_card
from evoca.cards.analysis import analysis_of
from evoca.errors import EvocaError
from evoca.lab.backbones import BACKBONES, load_backbone
from evoca.lab.onnx_export import export_onnx, parity
from evoca.lab.recipe import Recipe
from evoca.lab.run import read_head
from evoca.lab.system import AdditiveClassifier
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
    head = read_head(run / "checkpoints" / "last")
    backbone = load_backbone(recipe.model.backbone, stages=recipe.model.stages)
    system = AdditiveClassifier(backbone, head).eval()
    height, width = recipe.preprocessing.height, recipe.preprocessing.width
    with new_run(out) as folder:
        file = folder / "model.onnx"
        export_onnx(system, height, width, file)
        _check_parity(system, file, height, width)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        card = _card(run, description, recipe, head.bias.tolist(), digest)
        (folder / "model.json").write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "README.md").write_text(render_card(card), "utf-8")
    return read_bundle(out)


def _check_parity(system: AdditiveClassifier, file: Path, height: int, width: int) -> None:
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
    run: Path, description: dict[str, Any], recipe: Recipe, bias: list[float], digest: str
) -> ModelCard:
    metrics = read_json(run / "metrics.json")
    spec = BACKBONES[recipe.model.backbone]
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
        evidence_kind="additive",
        evidence_bias=tuple(bias),
        deletion_test=DeletionTest.model_validate(read_json(run / "deletion_test.json")),
        provenance=Provenance(
            recipe=recipe.name,
            backbones=(f"{spec.architecture} ({spec.licence}, {spec.package})",),
            data=f"{data['images']} labelled photographs: {data['name']}",
            images=data["images"],
            fingerprint=data["fingerprint"],
            protocol=(
                f"{split['repeats']} x {split['folds']}-fold nested cross-validation, "
                "stratified, grouped by duplicates; intervals from 1,000 bootstrap draws"
            ),
            evoca_version=description["evoca_version"],
        ),
        metrics={key: Metric.model_validate(metrics[key]) for key in _HEADLINE},
        per_emotion={
            label: {key: float(figures[key]) for key in _PER_EMOTION}
            for label, figures in metrics["per_emotion"].items()
        },
        analysis=analysis_of(read_run(run)),
        licence=Licence(code="MIT", weights=_WEIGHTS_TERMS.format(licence=spec.licence)),
        training_images=tuple(description["training_images"]),
        sha256=digest,
    )
