"""Differences between a run's recipe and the packaged recipe that it follows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from pathlib import PurePath
from typing import Any

from evoca.papers.differences import Difference
from evoca.papers.recipes import mapping

__all__ = ["changes_of"]

_SECTIONS = ("model", "backbones", "preprocessing", "merge", "head", "steps", "protocol")
_OF_MEASURING = {"folds", "inner_folds", "repeats", "seed", "coverage"}
"""Entries of ``protocol`` on how it is measured, which are compared elsewhere."""
_STEPS = "steps"
_WORDS = {"batch_size": "batch size", "system": "kind of system"}

_Path = tuple[str, ...]


def changes_of(
    recorded: Mapping[str, Any],
    packaged: Mapping[str, Any],
    *,
    partly: bool = False,
    swept: Collection[str] = (),
) -> tuple[Difference, ...]:
    """Return every setting of a recipe that is not as in the package, in words.

    Args:
        recorded: the recipe of a run.
        packaged: the recipe of the package, with every default.
        partly: whether ``recorded`` may lack settings, which then are not compared.
        swept: last parts of the keys that the published figure was measured at. The figure was
            chosen by them, so they are no difference.
    """
    ours, theirs = dict(_units(recorded)), dict(_units(packaged))
    lost = _steps_lost(recorded, packaged)
    found: list[tuple[str, str, str, str]] = []
    for path in dict.fromkeys((*theirs, *ours)):
        here, there = ours.get(path), theirs.get(path)
        if here == there or path[-1] in swept or (partly and path not in ours):
            continue
        step, rest = (path[1], path[2:]) if path[0] == _STEPS else ("", path[1:])
        if step not in lost:
            found.append((step, _name(path[0], rest), *_pair(here, there)))
    profile = _profile(recorded.get("profile"), packaged.get("profile"))
    ordered = list(_named_steps(recorded)) == list(_named_steps(packaged))
    lists = _lists(recorded, packaged)
    steps = [] if ordered else [Difference(_STEPS, *lists, "recipe")]
    return (*profile, *steps, *_joined(found, len(_named_steps(recorded))))


def _profile(here: object, there: object) -> list[Difference]:
    if here == there:
        return []
    return [Difference("profile", str(here or "none"), str(there or "none"), "recipe")]


def _units(recipe: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    """Yield every setting with its path; a section with a kind is one setting."""
    for section in _SECTIONS:
        if section in recipe:
            yield from _leaves(_prepared(section, recipe), (section,))


def _prepared(section: str, recipe: Mapping[str, Any]) -> Any:
    """Return a section of a recipe in the form in which it is compared."""
    content = recipe[section]
    if section == _STEPS:
        return _named_steps(recipe)
    if section == "backbones":
        return [mapping(record).get("name") for record in content or ()]
    if not isinstance(content, Mapping):
        return content
    if section == "preprocessing":
        size = f"{content.get('width')} x {content.get('height')}"
        return {"size": size, **{k: v for k, v in content.items() if k not in {"width", "height"}}}
    if section == "protocol":
        return {key: value for key, value in content.items() if key not in _OF_MEASURING}
    return content


def _leaves(content: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    if not isinstance(content, Mapping) or "kind" in content:
        yield path, content
        return
    for key, value in content.items():
        if key == "name" and path[0] == _STEPS:
            continue
        yield from _leaves(value, (*path, str(key)))


def _named_steps(recipe: Mapping[str, Any]) -> dict[str, Any]:
    steps = recipe.get(_STEPS)
    if not isinstance(steps, list | tuple):
        return {}
    known = [step for step in steps if isinstance(step, Mapping)]
    return {str(step.get("name", number)): step for number, step in enumerate(known, start=1)}


def _steps_lost(recorded: Mapping[str, Any], packaged: Mapping[str, Any]) -> set[str]:
    """Return the names of steps that only one of the two recipes has."""
    return set(_named_steps(recorded)) ^ set(_named_steps(packaged))


def _lists(recorded: Mapping[str, Any], packaged: Mapping[str, Any]) -> tuple[str, str]:
    ours, theirs = (", ".join(_named_steps(one)) or "none" for one in (recorded, packaged))
    return ours, theirs


def _name(section: str, rest: _Path) -> str:
    words = [_WORDS.get(part, part.replace("_", " ")) for part in rest]
    if section == _STEPS and rest[0] == "rates":
        return f"rate of {' '.join(rest[1:])}"
    if section == "preprocessing":
        return f"input {' '.join(words)}"
    if section == "protocol":
        return f"share of {' '.join(words)} images"
    return " ".join(words) or {"backbones": "backbones of its own"}.get(section, section)


def _pair(here: Any, there: Any) -> tuple[str, str]:
    """Return both values in words; if both have a kind, only the options that differ."""
    if not isinstance(here, Mapping) or not isinstance(there, Mapping):
        return _value(here), _value(there)
    keys = [key for key in (*there, *here) if key != "kind" and here.get(key) != there.get(key)]
    shown = list(dict.fromkeys(keys))
    return _options(here, shown), _options(there, shown)


def _options(content: Mapping[str, Any], keys: list[str]) -> str:
    own = [f"{key.replace('_', ' ')} {_value(content[key])}" for key in keys if key in content]
    return ", ".join([str(content["kind"]), *own] if "kind" in content else own)


def _value(value: Any) -> str:
    if value is None or value == [] or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return _options(value, [key for key in value if key != "kind"])
    if isinstance(value, list | tuple):
        return ", ".join(f"({_value(v)})" if isinstance(v, Mapping) else _value(v) for v in value)
    text = str(value)
    return PurePath(text).name if text.endswith((".safetensors", "/")) else text


def _joined(found: list[tuple[str, str, str, str]], steps: int) -> Iterator[Difference]:
    """Yield the differences, with those that several steps share joined into one."""

    def change(entry: tuple[str, str, str, str]) -> tuple[str, str, str]:
        return entry[1:]

    order = {change(entry): i for i, entry in reversed(list(enumerate(found)))}
    for (what, here, there), group in groupby(
        sorted(found, key=lambda entry: order[change(entry)]), key=change
    ):
        names = [step for step, *_ in group if step]
        many = "steps" if len(names) > 1 else "step"
        where = f" of {many} {', '.join(names)}" if names and len(names) < steps else ""
        yield Difference(f"{what}{where}", here, there, "recipe")
