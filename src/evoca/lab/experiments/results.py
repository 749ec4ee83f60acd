"""Figures of a training or a cross-validation, the same for every way of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.backbone import Backbone
from evoca.lab.config.base import RecipeError
from evoca.lab.config.recipe import Recipe, load_recipe, recipe_names
from evoca.lab.config.summary import without_folders
from evoca.metrics.conformal import prediction_sets
from evoca.runs import Predictions
from evoca.runs.result import Result, score

__all__ = ["PackagedRecipes", "RepeatedPredictions", "result_of", "shareable"]


@dataclass(frozen=True)
class RepeatedPredictions:
    """Predictions of n images that were not learnt from, in R repeats.

    Attributes:
        probabilities: (R, n, K), calibrated.
        fold: (R, n), the fold an image was held out in; -1 where there are no folds.
        threshold: (R, n), of each image's prediction set.
        temperature: (R, n), that its probabilities were computed with.
        affect: (R, n, 2), predicted valence and arousal; ``None`` without.
    """

    probabilities: NDArray[np.float64]
    fold: NDArray[np.int_]
    threshold: NDArray[np.float64]
    temperature: NDArray[np.float64]
    affect: NDArray[np.float64] | None = None

    @classmethod
    def once(
        cls,
        probabilities: NDArray[np.float64],
        *,
        threshold: float,
        temperature: float,
        affect: NDArray[np.float64] | None = None,
    ) -> RepeatedPredictions:
        """Return the predictions (n, K), and of ratings (n, 2), of one model."""
        shape = (1, len(probabilities))
        return cls(
            probabilities[None],
            np.full(shape, -1, dtype=np.int64),
            np.full(shape, threshold),
            np.full(shape, temperature),
            None if affect is None else affect[None],
        )

    def in_set(self) -> NDArray[np.bool_]:
        """Return the labels in each image's prediction set, (R, n, K)."""
        own = self.threshold[..., None]
        return np.stack(
            [prediction_sets(p, t) for p, t in zip(self.probabilities, own, strict=True)]
        )


def result_of(
    images: LabelledImages,
    predictions: RepeatedPredictions,
    coverage: float,
    *,
    notes: tuple[str, ...] = (),
    chose: bool = False,
) -> Result:
    """Return the scores of predictions of held-out images.

    Args:
        images: n of them, in groups.
        predictions: of these images.
        coverage: that prediction sets state, 0..1.
        notes: for the reader; those of the scores follow.
        chose: whether temperature and threshold were chosen on these very images; a
            comparison with others would then flatter the model.
    """
    scored = Predictions(
        images=images.names,
        groups=images.group_names(),
        truth=images.truth,
        labels=images.labels,
        probabilities=predictions.probabilities,
        fold=predictions.fold,
        in_set=predictions.in_set(),
        distribution=images.distribution,
        agreement=images.agreement,
        rated=None if predictions.affect is None else images.affect,
        predicted_affect=predictions.affect,
        hashes=images.file_hashes(),
    )
    found = score(scored, images.groups, predictions.temperature, coverage, chose=chose)
    return replace(found, notes=(*notes, *found.notes))


class PackagedRecipes:
    """The recipes inside the package, with every default filled in."""

    def recipe(self, name: str) -> dict[str, Any] | None:
        """Return the content of a packaged recipe; ``None`` where there is none of the name."""
        if name not in recipe_names():
            return None
        return load_recipe(name).model_dump(mode="json")

    def completed(self, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the recipe that a run records, with every default filled in.

        Weights from a file count as recorded where a backbone's record asks for a file.

        Args:
            recorded: of this version, or of an earlier one that had fewer keys.

        Returns:
            ``None`` where this version does not understand it.
        """
        try:
            recipe = Recipe.model_validate(recorded)
            content = recipe.model_dump(mode="json")
            known = {own.backbone: recipe.record_of(own) for own in recipe.model.networks()}
        except (ValidationError, RecipeError):
            return None
        for part in (content["model"], *content["model"].values()):
            if isinstance(part, dict) and _as_asked(part, known):
                part["weights"] = "recorded"
        return content


def _as_asked(network: Mapping[str, Any], known: Mapping[str, Backbone]) -> bool:
    """Whether a network's weights are a file, and its record has no weights but a user's."""
    record = known.get(network.get("backbone", ""))
    if record is None or str(network.get("weights")) in {"recorded", "random"}:
        return False
    return record.weights.origin is not None and record.weights.hub is None


def shareable(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe for a bundle: all that decides the model, files by their names.

    Folders of the user's machine are private.
    """
    whole = recipe.model_dump(mode="json", exclude={"left_open", "search"})
    return {key: _named(value) for key, value in whole.items()}


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    return without_folders(value) if isinstance(value, str) else value
