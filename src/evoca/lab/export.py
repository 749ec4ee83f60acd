"""A trained run to a model bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from evoca import __version__
from evoca.cards import render_card
from evoca.errors import EvocaError
from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models import Pretrained
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.results import shareable
from evoca.lab.experiments.run_files import Split, Training, read_head, read_training
from evoca.lab.heads.base import FittedHead
from evoca.lab.heads.factory import network_of
from evoca.lab.heads.joint import JointHead
from evoca.lab.heads.linear import AdditiveClassifier, LinearHead
from evoca.lab.heads.svm import SvmClassifier, SvmMachine, VectorOf
from evoca.lab.heads.visual_words import BagOfWords, WordsHead
from evoca.lab.models import StagedSystem, build_system
from evoca.lab.models.onnx_export import export_system, parity
from evoca.lab.training.checkpoint import load_weights
from evoca.runs import new_run
from evoca.runtime.bundle import Bundle, read_bundle
from evoca.runtime.card import (
    FORMAT_VERSION,
    AffectIntervals,
    CardPrior,
    Licence,
    ModelCard,
    Provenance,
)
from evoca.runtime.fixture import write_fixture
from evoca.runtime.operating_point import PriorLike, operating_point

__all__ = ["PARITY", "export_bundle"]

PARITY = 1e-3
"""The largest difference allowed between PyTorch and ONNX Runtime, in any output."""

_LONGEST = 80
"""Characters of a bundle's name before the version: a card takes 100 in all."""

_LEARNT_TERMS = (
    "The head was learnt from research photographs that were shared for research; use the "
    "weights for research and evaluation, and check the terms of the photographs before any "
    "other use."
)


def export_bundle(run: str | Path, out: str | Path, prior: PriorLike | None = None) -> Bundle:
    """Return the bundle exported from a run.

    An example that runs stands in ``docs/recipes.md`` under "From Python".

    Args:
        run: a directory that ``evoca train`` wrote.
        out: the bundle directory; appears only when it is complete and has been checked.
        prior: class frequencies that its predictions are to be given for, as for
            :func:`evoca.load`; those it was trained under if omitted.

    Returns:
        The bundle, read back.

    Raises:
        EvocaError: the run is incomplete, its network is no plain graph, or PyTorch and
            ONNX Runtime differ by more than :data:`PARITY`.
    """
    run, out = Path(run), Path(out)
    training = read_training(run)
    recipe, labels = training.description.recipe, training.description.labels
    if reason := recipe.model.no_bundle():
        raise EvocaError(f"{recipe.name} cannot be exported: {reason}")
    system = _trained_system(recipe, len(labels), run / "checkpoints" / "last")
    height, width = recipe.preprocessing.height, recipe.preprocessing.width
    with new_run(out) as folder:
        file = folder / "model.onnx"
        export_system(system, height, width, file)
        _check_parity(system, file, height, width)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        card = _card(training, system, digest)
        card = card if prior is None else _under(card, prior)
        card = write_fixture(Bundle(folder, card))
        (folder / "model.json").write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "README.md").write_text(render_card(card), "utf-8")
    return read_bundle(out)


def _under(card: ModelCard, prior: PriorLike) -> ModelCard:
    """Return a card whose model's probabilities are given for other class frequencies.

    Raises:
        PriorError: it is no prior of the model's labels.
    """
    point = operating_point(card, prior)
    if point.prior is None:
        return card
    asked = CardPrior(
        name=point.prior.name,
        frequencies=dict(point.prior.frequencies),
        source=point.prior.source,
    )
    return card.model_copy(update={"prior": asked, "set_threshold": point.threshold})


def _trained_system(
    recipe: Recipe, labels: int, folder: Path
) -> AdditiveClassifier | SvmClassifier | StagedSystem:
    """Return a recipe's system with its trained weights.

    Raises:
        EvocaError: the weights are missing, damaged or not this recipe's.
    """
    if not recipe.steps:
        network, fitted = network_of(recipe), read_head(folder)
        head: FittedHead = fitted
        if isinstance(fitted, WordsHead):
            network, head = BagOfWords(network, fitted.words), fitted.head
        if isinstance(head, SvmMachine):
            return SvmClassifier(network, head).eval()
        affect = None
        if isinstance(fitted, JointHead):
            head, affect = fitted.emotions, fitted.affect
        return AdditiveClassifier(
            network, cast("LinearHead", head), additive=recipe.additive_probe, affect=affect
        ).eval()
    system = build_system(recipe, [""] * labels, weights="random", seed=0)
    file = folder / "weights.safetensors"
    try:
        system.load_state_dict(load_weights(file))
    except RuntimeError as error:
        raise EvocaError(f"{file}: not the weights of {recipe.name}") from error
    system = system.eval().for_export()
    if recipe.head is None:
        return system
    return SvmClassifier(VectorOf(system), cast("SvmMachine", read_head(folder))).eval()


def _check_parity(system: nn.Module, file: Path, height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, height, width, 3), dtype=np.uint8)
    for output, difference in parity(system, file, torch.from_numpy(pixels)).items():
        if not difference <= PARITY:
            raise EvocaError(f"{output} of PyTorch and ONNX Runtime differ by {difference:g}")


def _card(
    training: Training,
    system: AdditiveClassifier | SvmClassifier | StagedSystem,
    digest: str,
) -> ModelCard:
    kind, bias = system.evidence_kind, system.evidence_bias
    run, figures = training.description, training.figures
    recipe, data = run.recipe, run.data
    # A head on frozen features has its own scale; a network's is in its options.
    scale = getattr(system, "affect_scale", None) or recipe.model.rating_scale()
    coverage, errors = recipe.protocol.coverage, run.chosen.affect_errors
    intervals = None
    if errors is not None:
        intervals = AffectIntervals(coverage=coverage, valence=errors[0], arousal=errors[1])
    return ModelCard(
        format_version=FORMAT_VERSION,
        name=_name(recipe, data.fingerprint),
        summary=recipe.summary,
        labels=run.labels,
        taxonomy=run.taxonomy,
        preprocessing=recipe.preprocessing,
        temperature=run.chosen.temperature,
        training_frequencies=run.training_frequencies,
        calibration=training.calibration,
        set_threshold=run.chosen.set_threshold,
        set_coverage=coverage,
        c=None if recipe.head is None else run.chosen.c,
        evidence_kind=kind,
        evidence_bias=None if bias is None else tuple(bias.tolist()),
        deletion_test=training.deletion,
        affect_range=scale,
        affect_intervals=intervals,
        provenance=Provenance(
            recipe=recipe.name,
            profile=recipe.profile,
            paper=recipe.paper,
            backbones=_backbones_in_words(recipe),
            data=f"{data.images} labelled photographs: {data.name}",
            images=data.images,
            fingerprint=data.fingerprint,
            protocol=_protocol_in_words(run.split),
            evoca_version=run.evoca_version,
            settings=shareable(recipe),
        ),
        metrics=figures.headline,
        per_emotion={
            label: own.model_dump(exclude_none=True) for label, own in figures.per_emotion.items()
        },
        analysis=training.analysis,
        licence=Licence(code="MIT", weights=_weights_terms(recipe)),
        training_images=run.training_images,
        training_perceptual_hashes=run.training_perceptual_hashes,
        validation_images=run.validation_images,
        validation_perceptual_hashes=run.validation_perceptual_hashes,
        sha256=digest,
    )


def _name(recipe: Recipe, fingerprint: str) -> str:
    """Return a bundle's name: its recipe, what changed its networks, and its training data."""
    networks = _networks(recipe)
    others = dict.fromkeys(networks[key].backbone for key in recipe.stand_ins if key in networks)
    changed = [recipe.profile] if recipe.profile is not None else [*others]
    return (
        "-".join(["evoca", recipe.name, *changed])[:_LONGEST] + f"-{__version__}-{fingerprint[:8]}"
    )


def _backbones_in_words(recipe: Recipe) -> tuple[str, ...]:
    return tuple(
        _in_words(network, recipe.record_of(network), recipe.stand_ins.get(key))
        for key, network in _networks(recipe).items()
    )


def _networks(recipe: Recipe) -> dict[str, Pretrained]:
    return recipe.model.slots()


def _in_words(network: Pretrained, record: Backbone, meant: str | None) -> str:
    stand_in = f", a stand-in for {meant}" if meant else ""
    if network.weights == "random":
        return f"{record.architecture} (no pretrained weights){stand_in}"
    recorded = network.weights == "recorded"
    source = str(record.weights) if recorded else Path(network.weights).name
    return f"{record.architecture} ({record.licence}, {source}){stand_in}"


def _weights_terms(recipe: Recipe) -> str:
    licences = {recipe.record_of(own).licence: None for own in _networks(recipe).values()}
    if not licences:
        return _LEARNT_TERMS
    return f"{_LEARNT_TERMS} The backbone is {', '.join(licences)}."


def _protocol_in_words(split: Split) -> str:
    intervals = "intervals from 1,000 bootstrap draws"
    if split.folds is not None:
        return (
            f"{split.repeats} x {split.folds}-fold nested cross-validation, stratified, "
            f"grouped by duplicates; {intervals}"
        )
    sizes = f"{split.train} images to train"
    if split.validation:
        sizes += f", {split.validation} to choose"
    elif split.inner_folds is not None:
        sizes += f", whose {split.inner_folds} inner folds choose"
    if split.test:
        sizes += f", {split.test} to test"
    return f"trained once: {sizes}; measured on {split.kind}; {intervals}"
