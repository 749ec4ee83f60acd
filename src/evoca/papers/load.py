"""The papers of the package, read from their YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

from pydantic import ValidationError

from evoca.errors import EvocaError, did_you_mean
from evoca.papers.schema import Paper, PublishedSystem
from evoca.plugins import plugins
from evoca.strict import YamlError, parse_yaml, place_and_reason

__all__ = ["PaperError", "load_paper", "load_papers", "paper_of_system", "published_system"]

_ORDER = ("sreenivas2018", "agarwal2019", "najid2018", "rapolu2023", "jacobson2019")
"""The papers whose systems are the core of the project, in the order of the docs."""
_LAST = "field"


class PaperError(EvocaError, ValueError):
    """A paper that does not exist or is not consistent."""


@cache
def load_papers() -> Mapping[str, Paper]:
    """Return every paper by its key: the five implemented first, then those they cite.

    Packages that are entry points of the group ``evoca.papers`` may have more of them.

    Raises:
        PaperError: a file is damaged, or two papers have a system of one name.
    """
    found: dict[str, Paper] = {}
    added = [resources.files(package) for package in plugins("evoca.papers").values()]
    for file in (file for folder in (_folder(), *added) for file in folder.iterdir()):
        if file.name.endswith(".yaml"):
            paper = _parse(file.name, file.read_text(encoding="utf-8"))
            if paper.key in found:
                raise PaperError(f"{file.name}: two papers have the key {paper.key}")
            found[paper.key] = paper
    names = [system.name for paper in found.values() for system in paper.systems]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PaperError(f"systems described twice: {', '.join(twice)}")
    return MappingProxyType({key: found[key] for key in sorted(found, key=_rank)})


def _folder() -> Traversable:
    return resources.files("evoca") / "papers"


def _rank(key: str) -> tuple[int, str]:
    if key in _ORDER:
        return _ORDER.index(key), key
    return len(_ORDER) + (key == _LAST), key


def _parse(name: str, text: str) -> Paper:
    try:
        paper = Paper.model_validate(parse_yaml(text))
    except YamlError as error:
        raise PaperError(f"{name}: {error}") from error
    except ValidationError as error:
        raise PaperError(f"{name}: {place_and_reason(error)}") from error
    if f"{paper.key}.yaml" != name:
        raise PaperError(f"{name}: its key is {paper.key}; the file must be named after it")
    return paper


def load_paper(key: str) -> Paper:
    """Return one paper.

    Raises:
        PaperError: there is none of this key.
    """
    papers = load_papers()
    if key not in papers:
        raise PaperError(f"{key}: no such paper{did_you_mean(key, papers)}")
    return papers[key]


def paper_of_system(name: str) -> Paper | None:
    """Return the paper that describes the system of this name, if any does."""
    for paper in load_papers().values():
        if any(system.name == name for system in paper.systems):
            return paper
    return None


def published_system(name: str) -> PublishedSystem | None:
    """Return the published system of this name; recipes have the same names.

    >>> [figure.value for figure in published_system("agarwal2019-attention-alexnet").figures]
    [0.54]
    >>> published_system("my-own") is None
    True
    """
    paper = paper_of_system(name)
    if paper is None:
        return None
    return next(system for system in paper.systems if system.name == name)
