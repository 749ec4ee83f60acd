"""Additions to the card of a finished bundle: evaluations on other images, and cautions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evoca.cards.analysis import source_scores
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.metrics.functional import kl
from evoca.runs import Run, read_run
from evoca.runtime.card import (
    FORMAT_VERSION,
    Analysis,
    Elsewhere,
    Metric,
    ModelCard,
    SourceScores,
)

__all__ = ["elsewhere_of", "with_cautions", "with_elsewhere", "with_left_out"]

_LONGEST = 1000
_FIGURES = ("accuracy", "balanced_accuracy", "ece", "nll", "kl", "set_coverage", "set_size")


def elsewhere_of(card: ModelCard, data: str, run: Run) -> Elsewhere:
    """Return the part of a card on an evaluation of its model.

    Args:
        card: of the model.
        data: what the images are, in words.
        run: that ``evoca evaluate --out`` wrote.

    Raises:
        DataError: not an evaluation, one of another model, or one without such figures.
    """
    where = printable_name(run.path)
    if run.description.get("kind") != "evaluation":
        raise DataError(f"{where}: not an evaluation: give what evoca evaluate --out wrote")
    system = run.description.get("system")
    known = system if isinstance(system, dict) else {}
    if known.get("sha256") != card.sha256 or known.get("temperature") != card.temperature:
        raise DataError(f"{where}: not an evaluation of {card.name}: its file is another")
    figures = {
        name: Metric(value=run.metrics[name]["value"], ci95=tuple(run.metrics[name]["ci95"]))
        for name in _FIGURES
        if run.metrics.get(name)
    }
    if not figures:
        raise DataError(f"{where}: none of the figures {', '.join(_FIGURES)} was measured")
    return Elsewhere(
        data=data,
        labels=run.report.labels,
        images=max(run.report.labelled, run.report.distributions) or run.report.n,
        seen=int(run.metrics.get("training_images") or 0),
        figures=figures,
        without_looking=_without_looking(run),
    )


def _without_looking(run: Run) -> dict[str, float]:
    """Return the figures of constant predictions: the commonest label, and equal shares."""
    predictions, found = run.predictions, {}
    truth = predictions.truth[predictions.truth >= 0]
    if len(truth):
        found["accuracy"] = float(np.bincount(truth).max() / len(truth))
    if predictions.distribution is not None:
        voted = predictions.distribution[np.isfinite(predictions.distribution).all(axis=1)]
        if len(voted):
            equal = np.full_like(voted, 1 / voted.shape[1])
            found["kl"] = float(kl(voted, equal).mean())
    return found


def with_elsewhere(card: ModelCard, evaluations: Mapping[str, str]) -> ModelCard:
    """Return the card with these evaluations in place of its own.

    Args:
        card: of the model.
        evaluations: what the images are, in words, to the run directory.

    Raises:
        EvocaError: as for :func:`elsewhere_of`, or no such run directory.
    """
    found = tuple(elsewhere_of(card, data, read_run(run)) for data, run in evaluations.items())
    analysis = (card.analysis or Analysis()).model_copy(update={"elsewhere": found})
    return card.model_copy(update={"analysis": analysis, "format_version": FORMAT_VERSION})


def with_left_out(card: ModelCard, runs: Sequence[str]) -> ModelCard:
    """Return the card with these sources' figures in place of its own, each left out in turn.

    Args:
        card: of a model that learnt from several sources.
        runs: directories that ``evoca crossval --leave-out SOURCE --out`` wrote, with the
            model's recipe.

    Raises:
        EvocaError: no such run directory, or one of another kind or recipe.
    """
    found: list[SourceScores] = []
    for path in runs:
        run = read_run(path)
        recipe = run.description.get("recipe")
        if "left_out" not in run.description or not isinstance(recipe, dict):
            raise DataError(
                f"{printable_name(run.path)}: no source was left out: give what evoca crossval "
                "--leave-out SOURCE --out wrote"
            )
        if recipe.get("name") != card.provenance.recipe:
            raise DataError(
                f"{printable_name(run.path)}: of the recipe {recipe.get('name')}, and the model is "
                f"of {card.provenance.recipe}"
            )
        found += source_scores(run)
    analysis = (card.analysis or Analysis()).model_copy(update={"left_out": tuple(found)})
    return card.model_copy(update={"analysis": analysis, "format_version": FORMAT_VERSION})


def with_cautions(card: ModelCard, sentences: Sequence[str]) -> ModelCard:
    """Return the card with these cautions about its figures in place of its own.

    Raises:
        DataError: an empty sentence, or one of more than 1,000 characters.
    """
    if bad := [one for one in sentences if not 0 < len(one.strip()) <= _LONGEST]:
        raise DataError(f"a caution of {len(bad[0]):,} characters: 1 to {_LONGEST:,} are allowed")
    analysis = (card.analysis or Analysis()).model_copy(
        update={"cautions": tuple(one.strip() for one in sentences)}
    )
    return card.model_copy(update={"analysis": analysis, "format_version": FORMAT_VERSION})
