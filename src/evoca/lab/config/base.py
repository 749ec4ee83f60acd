"""YAML files that extend one another, and settings changed from outside.

Recipes and backbones share one format: a file may state ``extends: NAME`` and then holds
only what differs. Mappings are merged key by key; anything else is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from evoca.errors import EvocaError, OptionError, did_you_mean, listed
from evoca.strict import plain_reason

__all__ = [
    "Packaged",
    "RecipeError",
    "SettingError",
    "apply_setting",
    "as_settings",
    "explain",
    "is_file_name",
]

_SUFFIXES = (".yaml", ".yml")
_DEEPEST = 10
_RECORDED = {"profile", "stand_ins"}
EVERY = "*"
"""As a part of a setting's key: every entry of a list."""

M = TypeVar("M", bound=BaseModel)


class RecipeError(EvocaError, ValueError):
    """A recipe, or a backbone, that does not exist or does not hold together."""


class SettingError(OptionError, RecipeError):
    """A setting that does not fit."""

    def __init__(self, setting: str, cause: str) -> None:
        super().__init__({"settings": setting}, cause)


class _NoPlaceError(ValueError):
    """A key that leads nowhere."""


def is_file_name(name: str) -> bool:
    """Whether a name is meant as a path: it ends in ``.yaml`` or ``.yml``."""
    return name.endswith(_SUFFIXES)


@dataclass(frozen=True)
class Packaged(Generic[M]):
    """The YAML files of one kind that ship with the package, and files of a user's own.

    A name is that of a file in the package's folder, without its ending; or a path that ends
    in ``.yaml`` or ``.yml``.

    Attributes:
        folder: name of the folder in the package.
        what: the kind, for messages.
        model: what a file holds.
    """

    folder: str
    what: str
    model: type[M]

    @property
    def _path(self) -> Path:
        return Path(str(resources.files("evoca") / self.folder))

    def names(self) -> list[str]:
        """Return the names of those in the package, sorted."""
        return sorted(path.stem for path in self._path.glob("[!_]*.yaml"))

    def load(self, name: str) -> M:
        """Return a file and all that it extends, validated.

        Raises:
            RecipeError: no such file, not YAML, files that extend each other in a circle, or
                content that does not hold together.
        """
        return self.validated(name, self.read(name))

    def read(self, name: str) -> dict[str, Any]:
        """Return the content of a file and all that it extends.

        Returns:
            The merged content, and ``set`` applied.

        Raises:
            RecipeError: no such file, not YAML, or files that extend each other in a circle.
        """
        return _read(name, Path(), self._path, self.what, _DEEPEST)

    def is_whole(self, name: str) -> bool:
        """Whether a name is that of a user's file that extends no other."""
        return is_file_name(name) and "extends" not in _parse(Path(name), self.what)

    def read_described(self, name: str) -> dict[str, Any]:
        """Return a file's content as :meth:`read` does, up to the layer its summary describes.

        Returns:
            The content of the file itself where it has a summary, else of the nearest that it
            extends and that has one.

        Raises:
            RecipeError: as above.
        """
        beside = Path()
        while is_file_name(name):
            content = _parse(beside / name, self.what)
            parent = content.get("extends")
            if "summary" in content or not isinstance(parent, str):
                break
            beside, name = (beside / name).parent, parent
        return _read(name, beside, self._path, self.what, _DEEPEST)

    def validated(self, name: str, content: dict[str, Any]) -> M:
        """Return a content as a validated model.

        Raises:
            RecipeError: it does not hold together; names the file and the key.
        """
        try:
            return self.model.model_validate(content)
        except ValidationError as error:
            raise RecipeError(f"{name}: {explain(error, content, self.model)}") from error


def _read(name: str, beside: Path, folder: Path, what: str, depth: int) -> dict[str, Any]:
    if depth == 0:
        raise RecipeError(f"{name}: extends more than {_DEEPEST} files, or itself")
    path = beside / name if is_file_name(name) else folder / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in folder.glob("[!_]*.yaml")]
        raise RecipeError(f"{name}: no such {what}{did_you_mean(name, sorted(known))}")
    content = _parse(path, what)
    parent = content.pop("extends", None)
    settings = content.pop("set", {})
    if parent is not None:
        if not isinstance(parent, str):
            raise RecipeError(f"{path}: extends: the name of a {what}, or a file")
        if written := sorted(_RECORDED & content.keys()):
            raise RecipeError(
                f"{path}: {written[0]}: recorded where a profile was applied, which this does "
                "not do: give the profile with --profile"
            )
        content = _merged(_read(parent, path.parent, folder, what, depth - 1), content)
    if not isinstance(settings, dict):
        raise RecipeError(f"{path}: set: a mapping of dotted keys to values")
    for key, value in settings.items():
        try:
            _put(content, str(key), value)
        except _NoPlaceError as error:
            raise RecipeError(f"{path}: set: {key}: {error}") from error
    return content


def _parse(path: Path, what: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RecipeError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a {what} is a mapping of keys to values")
    return content


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def as_settings(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return settings that may be given as one text.

    >>> as_settings("protocol.folds=2"), as_settings(["a=1", "b=2"])
    (('protocol.folds=2',), ('a=1', 'b=2'))

    Raises:
        SettingError: one is no text.
    """
    settings = (given,) if isinstance(given, str) else tuple(given)
    for setting in settings:
        if not isinstance(setting, str):
            raise SettingError(str(setting), "write a text, such as 'protocol.repeats=5'")
    return settings


def apply_setting(content: dict[str, Any], override: str) -> None:
    """Change one value of a content, as ``--set`` does.

    Args:
        content: of a file; changed in place.
        override: ``KEY=VALUE``; the key is dotted, names an entry of a list by its number
            or its ``name``, or all of them by ``*``; the value is YAML.

    Raises:
        SettingError: no such place, or no YAML.
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise SettingError(override, "write KEY=VALUE, such as protocol.repeats=5")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingError(override, "the value is not valid YAML") from error
    try:
        _put(content, key, parsed)
    except _NoPlaceError as error:
        raise SettingError(override, str(error)) from error


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    places: list[Any] = [content]
    for parent in parents:
        places = [inner for place in places for inner in _inside(place, parent)]
    for place in places:
        for position in _positions(place, last):
            place[position] = value


def _inside(place: Any, key: str) -> list[Any]:
    if isinstance(place, dict):
        place.setdefault(key, {})
    found = [place[position] for position in _positions(place, key)]
    if not all(isinstance(inner, dict | list) for inner in found):
        raise _NoPlaceError(f"{key} is not a group of keys")
    return found


def _positions(place: Any, key: str) -> Sequence[Any]:
    if isinstance(place, dict):
        return [key]
    if key == EVERY:
        return range(len(place))
    if key.isdecimal() and int(key) < len(place):
        return [int(key)]
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in place]
    if key in names:
        return [names.index(key)]
    known = ", ".join(str(name) for name in names if name is not None)
    raise _NoPlaceError(
        f"{key} is neither the number of an entry, 0 to {len(place) - 1}, nor a name"
        + (f" ({known})" if known else "")
    )


def explain(error: ValidationError, content: Any, schema: type[BaseModel]) -> str:
    """Return in a line what is wrong first: where, and the nearest key to an unknown one.

    Args:
        error: of validating the content.
        content: as it was read.
        schema: that it does not fit.
    """
    errors = error.errors(include_url=False)
    # A misspelt key is also missing; the unknown key is the better hint.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = ".".join(_path(first["loc"], content, missing=first["type"] == "missing"))
    if first["type"] == "extra_forbidden":
        key, known = str(first["loc"][-1]), _places(schema)
        if key in known:
            return f"unknown key {place}; did you mean {listed(known[key][:3], 'or')}?"
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        hint = listed(known[near[0]][:3], "or") if near else ""
        return f"unknown key {place}" + (f"; did you mean {hint}?" if near else "")
    message = plain_reason(first)
    return f"{place}: {message}" if place else message


def _path(loc: Sequence[int | str], content: Any, *, missing: bool) -> list[str]:
    """Return the keys of a path, without the names of variants."""
    path = []
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            if not (last and missing):
                continue
        path.append(str(part))
    return path


def _places(schema: type[BaseModel]) -> dict[str, list[str]]:
    """Return every key of a schema with the dotted places where it may stand, nearest first."""
    document = schema.model_json_schema()
    found: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()

    def search(part: Mapping[str, Any], place: str) -> None:
        reference = part.get("$ref")
        if reference is not None:
            name = str(reference).rsplit("/", 1)[-1]
            if (place, name) not in seen and place.count(".") < 4:
                seen.add((place, name))
                search(document["$defs"][name], place)
        for inner in (*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())):
            search(inner, place)
        for kind in ("items", "additionalProperties"):
            if isinstance(part.get(kind), Mapping):
                search(part[kind], f"{place}{EVERY}.")
        for inner in part.get("prefixItems", ()):
            search(inner, f"{place}{EVERY}.")
        for key, inner in part.get("properties", {}).items():
            places = found.setdefault(key, [])
            if place + key not in places:
                places.append(place + key)
            search(inner, f"{place}{key}.")

    search(document, "")
    return {key: sorted(places, key=lambda one: one.count(".")) for key, places in found.items()}
