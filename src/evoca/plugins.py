"""Parts that other installed packages add, by entry points of the groups ``evoca.*``.

Installing a package is trusting it: what it offers is imported when Evoca looks for parts
of that kind, and never before.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from importlib import import_module
from types import MappingProxyType
from typing import Any

from evoca.errors import EvocaError, first_line

__all__ = ["object_at", "plugin_names", "plugins"]


@cache
def plugins(group: str) -> Mapping[str, Any]:
    """Return what packages offer in a group, imported, by name.

    Args:
        group: such as ``evoca.readers``.

    Raises:
        EvocaError: one cannot be imported; its package and the cause are named.
    """
    from importlib.metadata import entry_points  # later: it takes 10 ms of every start

    found = {}
    for point in entry_points(group=group):
        try:
            found[point.name] = point.load()
        except Exception as error:  # whatever the code of another package raises
            package = "another package" if point.dist is None else point.dist.name
            raise EvocaError(
                f"{package}: {point.name} of {group} cannot be loaded ({first_line(error)}): mend "
                "or remove that package"
            ) from error
    return MappingProxyType(found)


def plugin_names(group: str) -> Mapping[str, str]:
    """Return what packages offer in a group without importing it: name to ``module:object``."""
    from importlib.metadata import entry_points

    return MappingProxyType({point.name: point.value for point in entry_points(group=group)})


def object_at(reference: str) -> Any:
    """Return what ``module:object`` names, imported, such as a value of :func:`plugin_names`.

    Raises:
        Exception: whatever the code of the module raises.

    >>> object_at("math:tau") > 6
    True
    """
    module, _, path = reference.partition("[")[0].strip().partition(":")  # [: extras of a value
    return reduce(getattr, path.split("."), import_module(module))
