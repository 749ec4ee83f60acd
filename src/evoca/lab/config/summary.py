"""A recipe's summary: a sentence filled in from its values, with stand-ins and changes.

A summary may name ``{backbone}``, and any other network by its key, ``{size}`` of the
pictures and ``{rate}`` of the first step. They are filled in last, once the profile and the
settings of the command line are applied: otherwise a summary would
name the paper's network where another stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from evoca.papers import published_system

if TYPE_CHECKING:
    from evoca.lab.config.recipe import Recipe

__all__ = [
    "GENERATED",
    "Changes",
    "changed_keys",
    "described",
    "rate_in_words",
    "same_recipe",
    "without_folders",
]

# Keys that a summary only states through a name that is filled in.
_NEVER_SAID = {"rate", "epochs", "batch_size", "filter", "jpeg_min_scale"}
# What a setting may change without changing what is trained.
_UNSAID = {"name", "summary", "paper", "published", "protocol", "search", "left_open"}
_RECORDED = {"profile", "stand_ins"}
_FILES = (".safetensors", ".yaml", ".yml")
GENERATED = ("Changed by ", " is a stand-in for ")
"""How the sentences are known that are made here."""
_SIZE = re.compile(r"\d+ x \d+")


@dataclass(frozen=True)
class Changes:
    """What was changed since the summary was written, but for a profile.

    Attributes:
        overrides: the settings, ``KEY=VALUE``.
        file: name of a file that extends what the summary describes.
        keys: dotted keys of what is different there.
    """

    overrides: Sequence[str] = ()
    file: str = ""
    keys: Sequence[str] = ()


def changed_keys(before: Recipe, after: Recipe) -> list[str]:
    """Return the dotted keys in which two recipes differ, those of words left out."""
    return [
        key
        for key in _differences(before.model_dump(mode="json"), after.model_dump(mode="json"))
        if key.partition(".")[0] not in _UNSAID | _RECORDED
    ]


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        parts: Iterable[tuple[str, Any, Any]] = (
            (key, before.get(key), after.get(key)) for key in before | after
        )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        parts = ((str(i), old, new) for i, (old, new) in enumerate(zip(before, after, strict=True)))
    else:
        if before != after:
            yield path
        return
    for key, old, new in parts:
        yield from _differences(old, new, f"{path}.{key}" if path else key)


def described(recipe: Recipe, before: Recipe, changed: Changes) -> Recipe:
    """Return a recipe with its summary filled in and its stand-ins recorded.

    Args:
        recipe: as it will be trained.
        before: as the summary describes it: without profile, settings, and what a file
            without a summary of its own changes.
        changed: what was changed since.
    """
    stand_ins = _stand_ins(recipe, before)
    summary = _filled(recipe.summary, recipe)
    new = {key: title for key, title in stand_ins.items() if before.stand_ins.get(key) != title}
    changes = _changes_in_words(recipe, before, changed)
    keys = [*changed.keys, *(text.partition("=")[0] for text in changed.overrides)]
    if any(_may_be_untrue(key, recipe, before) for key in keys):
        # A sentence that the changes make untrue cannot come first.
        stated = [f"{changes} Without that: {summary}", _stand_ins_in_words(recipe, new)]
    else:
        stated = [summary, _stand_ins_in_words(recipe, new), changes]
    return recipe.model_copy(
        update={"summary": " ".join(filter(None, stated)), "stand_ins": stand_ins}
    )


def same_recipe(recipe: Recipe, other: Recipe) -> bool:
    """Whether two recipes differ in nothing, or in words alone, such as those of a version."""
    words = {"summary", "stand_ins", "left_open"}
    return recipe.model_dump(exclude=words) == other.model_dump(exclude=words)


def rate_in_words(number: float) -> str:
    """Return 1e-4 for 0.0001, as papers print rates."""
    if number >= 0.01:
        return f"{number:g}"
    digits, exponent = f"{number:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _titles(recipe: Recipe) -> dict[str, str]:
    """Return the name in texts of each of a recipe's networks, by its key."""
    return {key: recipe.record_of(own).called for key, own in recipe.model.slots().items()}


def _stand_ins(recipe: Recipe, before: Recipe) -> dict[str, str]:
    meant = _titles(before) | before.stand_ins
    own = _titles(recipe)
    return {
        key: meant[key]
        for key in own
        if key in meant and meant[key] != own[key] and not _is_reading(key, recipe, before)
    }


def _is_reading(key: str, recipe: Recipe, before: Recipe) -> bool:
    """Whether a network is the one that is meant, fed as its paper may also be read."""
    own, meant = (one.model.slots().get(key) for one in (recipe, before))
    if own is None or meant is None:
        return False
    if recipe.record_of(own).reading_of == meant.backbone:
        return True
    system = published_system(before.published or "")
    return system is not None and own.backbone in system.readings.get(meant.backbone, ())


def _filled(template: str, recipe: Recipe) -> str:
    size = recipe.preprocessing
    known = _titles(recipe) | {"size": f"{size.width} x {size.height}"}
    if recipe.steps:
        known["rate"] = rate_in_words(recipe.steps[0].rate)
    text = re.sub(r"\{([a-z0-9.]+)\}", lambda m: known.get(m[1], m[0]), template)
    return text[:1].upper() + text[1:] if template.startswith("{") else text


def _stand_ins_in_words(recipe: Recipe, stand_ins: Mapping[str, str]) -> str:
    own = _titles(recipe)
    pairs = dict.fromkeys((own[key], meant) for key, meant in stand_ins.items())
    if not pairs:
        return ""
    text = ", ".join(f"{name}{GENERATED[1]}{meant}" for name, meant in pairs)
    return f"{text[0].upper()}{text[1:]}."


def _may_be_untrue(dotted: str, recipe: Recipe, before: Recipe) -> bool:
    """Whether a summary may state what is changed, and is not filled in with it."""
    key = dotted.split(".")
    if key[0] not in {"model", "preprocessing", "steps", "head", "merge"}:
        return False
    if key[-1] in _NEVER_SAID:
        return False
    if key[-1] == "weights":  # a file in place of recorded weights may hold the same
        return _starts(key, recipe) != _starts(key, before)
    if key[-1] in {"height", "width"}:
        return bool(_SIZE.search(before.summary))
    return not _is_filled_in(key, recipe, before)


def _starts(key: Sequence[str], recipe: Recipe) -> bool:
    """Whether the network whose weights a key names starts at random."""
    slot = ".".join(key[1:-1]) or "backbone"
    own = recipe.model.slots().get(slot)
    return own is not None and own.weights == "random"


def _is_filled_in(key: Sequence[str], recipe: Recipe, before: Recipe) -> bool:
    """Whether a key is of a network that the summary names by a name that is filled in.

    One that was filled in and written down is text like any other.
    """
    if key[-1] != "backbone" and key[-1] not in _titles(recipe):
        return False
    stated = before.summary.lower()
    return not any(title.lower() in stated for title in _titles(before).values())


def _changes_in_words(recipe: Recipe, before: Recipe, changed: Changes) -> str:
    """Return a sentence on changes after which the summary need not hold."""
    by = []
    unlike = recipe.model_copy(update={"profile": before.profile})
    if recipe.profile != before.profile and recipe.profile and not same_recipe(unlike, before):
        by.append(f"the profile {recipe.profile}")
    own = [key for key in changed.keys if not _is_filled_in(key.split("."), recipe, before)]
    if own:
        by.append(f"{changed.file} ({', '.join(own)})")
    keys = [(text, text.partition("=")[0].split(".")) for text in changed.overrides]
    settings = [
        _without_folders(text)
        for text, key in keys
        if key[0] not in _UNSAID and not _is_filled_in(key, recipe, before)
    ]
    if settings:
        by.append(f"--set {', '.join(settings)}")
    return f"{GENERATED[0]}{' and by '.join(by)}." if by else ""


def _without_folders(override: str) -> str:
    """Return a setting without the folders of the machine, for publication.

    >>> _without_folders("model.weights=../me/vgg.safetensors")
    'model.weights=vgg.safetensors'
    """
    key, equals, value = override.partition("=")
    return key + equals + without_folders(value)


def without_folders(value: str) -> str:
    """Return the name of a file or folder where a setting's value is the path of one.

    >>> without_folders("models/blip/"), without_folders("sentence-transformers/all-MiniLM-L6-v2")
    ('blip/', 'sentence-transformers/all-MiniLM-L6-v2')
    """
    if value.endswith("/"):
        return f"{PurePath(value).name}/"
    is_path = value.endswith(_FILES) or value.startswith(".") or Path(value).is_absolute()
    return PurePath(value).name if is_path else value
