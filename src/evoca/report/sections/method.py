"""The method of a run in plain words, from ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evoca.report.run_predictions import ScoredRun
from evoca.words import counted

__all__ = ["Done", "lead", "what_was_done"]


@dataclass(frozen=True)
class Done:
    """The method behind the figures.

    Attributes:
        summary: what the recipe or model is; empty where not recorded.
        sentences: the protocol in plain words.
        facts: name and value, to repeat the run.
        settings: the whole of ``run.json``.
    """

    summary: str
    sentences: list[str]
    facts: list[tuple[str, str]]
    settings: str


def what_was_done(scored: ScoredRun) -> Done:
    """Return the method of a run; facts that ``run.json`` lacks are left out."""
    description = scored.run.description
    recipe = _mapping(description, "recipe")
    return Done(
        summary=str(recipe.get("summary", "")),
        sentences=[_data(scored), _protocol(scored), _intervals(scored)],
        facts=_facts(scored),
        settings=json.dumps(_shareable(description), indent=2, ensure_ascii=False),
    )


def lead(scored: ScoredRun) -> str:
    """Return the main result in a sentence or two."""
    n = len(scored.predictions)
    accuracy = scored.run.report.figures.get("accuracy")
    name = scored.run.recipe or "the model"
    if accuracy is None:
        return f"What {name} predicts of {counted(n, 'image')}."
    low, high = accuracy.ci95
    unseen = " it had not seen" if scored.held_out else ""
    return (
        f"On {counted(int(scored.labelled.sum()), 'image')}{unseen}, {name} names the true emotion "
        f"in {accuracy.value:.1%} ({low:.1%} to {high:.1%})."
    )


_HASHES = {
    "training_images",
    "training_perceptual_hashes",
    "validation_images",
    "validation_perceptual_hashes",
}


def _shareable(content: Any) -> Any:
    """Return the content without entries that must not be in the page."""
    if not isinstance(content, Mapping):
        return content
    return {
        key: _shareable(value)
        for key, value in content.items()
        # The location is a path of this machine; lists of hashes can have a line per image.
        if key != "location" and not (key in _HASHES and isinstance(value, list))
    }


def _data(scored: ScoredRun) -> str:
    n, labelled = len(scored.predictions), int(scored.labelled.sum())
    name = _mapping(scored.run.description, "data").get("name")
    labels = "" if labelled == n else f", {labelled:,} of them with one true emotion"
    votes = ""
    if scored.predictions.agreement is not None:
        votes = " How many viewers agreed with the label is known."
    return f"{counted(n, 'image')}{f' of {name}' if name else ''}{labels}.{votes}"


def _protocol(scored: ScoredRun) -> str:
    split = _mapping(scored.run.description, "split")
    folds, repeats = split.get("folds"), scored.predictions.repeats
    if folds and (scored.predictions.fold >= 0).all():
        times = "once" if repeats == 1 else f"{repeats} times, each with other folds"
        return (
            f"They were divided into {folds} folds; each fold was predicted by a model that "
            f"learnt from the others, {times}. So every prediction here is of an image that "
            "its model had not seen."
        )
    protocol = str(scored.run.description.get("protocol") or split.get("kind") or "")
    return f"Protocol: {protocol}." if protocol else "How the run was measured is not recorded."


def _intervals(scored: ScoredRun) -> str:
    report = scored.run.report
    return (
        f"Intervals hold 95% of {report.draws:,} bootstrap draws of {report.groups:,} independent "
        "groups of images. They are about the choice of images, not about another training."
    )


def _facts(scored: ScoredRun) -> list[tuple[str, str]]:
    description = scored.run.description
    recipe, data = _mapping(description, "recipe"), _mapping(description, "data")
    seeds, version = description.get("seeds"), description.get("evoca_version")
    facts = {
        "Recipe": recipe.get("name"),
        "Profile": recipe.get("profile"),
        "Model": description.get("model"),
        "Data": data.get("name"),
        "Fingerprint of the data": data.get("fingerprint"),
        "Fingerprint of the run": description.get("fingerprint"),
        "Split": _mapping(description, "split").get("kind"),
        "Seeds": ", ".join(map(str, seeds)) if isinstance(seeds, list) else None,
        "Emotions": ", ".join(scored.labels),
        "Version": f"Evoca {version}" if version else None,
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a part of ``run.json``, empty where it is missing or something else."""
    part = content.get(key)
    return part if isinstance(part, Mapping) else {}
