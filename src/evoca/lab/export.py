"""A trained run to a model bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from evoca import __version__
from evoca.cards import render_card
from evoca.errors import EvocaError
from evoca.lab.backbones import BACKBONES, load_backbone
from evoca.lab.onnx_export import export_onnx, parity
from evoca.lab.run import read_head
from evoca.lab.system import AdditiveClassifier
from evoca.lab.trained import Training, read_training
from evoca.runs import new_run
from evoca.runtime.bundle import Bundle, read_bundle
from evoca.runtime.card import FORMAT_VERSION, Licence, ModelCard, Provenance

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
    training = read_training(run)
    recipe = training.description.recipe
    head = read_head(run / "checkpoints" / "last")
    backbone = load_backbone(recipe.model.backbone, stages=recipe.model.stages)
    system = AdditiveClassifier(backbone, head).eval()
    height, width = recipe.preprocessing.height, recipe.preprocessing.width
    with new_run(out) as folder:
        file = folder / "model.onnx"
        export_onnx(system, height, width, file)
        _check_parity(system, file, height, width)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        card = _card(training, head.bias.tolist(), digest)
        (folder / "model.json").write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "README.md").write_text(render_card(card), "utf-8")
    return read_bundle(out)


def _check_parity(system: AdditiveClassifier, file: Path, height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, height, width, 3), dtype=np.uint8)
    for output, difference in parity(system, file, torch.from_numpy(pixels)).items():
        if not difference <= PARITY:
            raise EvocaError(f"{output} of PyTorch and ONNX Runtime differ by {difference:g}")


def _card(training: Training, bias: list[float], digest: str) -> ModelCard:
    run, figures = training.description, training.figures
    recipe, data, split = run.recipe, run.data, run.split
    spec = BACKBONES[recipe.model.backbone]
    return ModelCard(
        format_version=FORMAT_VERSION,
        name=f"evoca-{recipe.name}-{__version__}",
        summary=recipe.summary,
        labels=run.labels,
        taxonomy=run.taxonomy,
        preprocessing=recipe.preprocessing,
        temperature=run.chosen.temperature,
        set_threshold=run.chosen.set_threshold,
        set_coverage=recipe.protocol.coverage,
        evidence_kind="additive",
        evidence_bias=tuple(bias),
        deletion_test=training.deletion,
        provenance=Provenance(
            recipe=recipe.name,
            backbones=(f"{spec.architecture} ({spec.licence}, {spec.package})",),
            data=f"{data.images} labelled photographs: {data.name}",
            images=data.images,
            fingerprint=data.fingerprint,
            protocol=(
                f"{split.repeats} x {split.folds}-fold nested cross-validation, "
                "stratified, grouped by duplicates; intervals from 1,000 bootstrap draws"
            ),
            evoca_version=run.evoca_version,
        ),
        metrics=figures.headline,
        per_emotion={label: own.model_dump() for label, own in figures.per_emotion.items()},
        analysis=training.analysis,
        licence=Licence(code="MIT", weights=_WEIGHTS_TERMS.format(licence=spec.licence)),
        training_images=run.training_images,
        sha256=digest,
    )
