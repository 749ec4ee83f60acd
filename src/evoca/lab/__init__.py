"""From labelled images to a model bundle. Needs the extra ``train``.

>>> from evoca import lab
>>> [name for name in lab.__all__ if callable(getattr(lab, name))]
['RunOptions', 'cross_validate', 'export_bundle', 'load_recipe', 'train']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoca.lab.config.recipe import load_recipe
    from evoca.lab.experiments.run import cross_validate, train
    from evoca.lab.export import export_bundle
    from evoca.lab.training.machine import RunOptions

__all__ = ["RunOptions", "cross_validate", "export_bundle", "load_recipe", "train"]

_HOMES = {
    "RunOptions": "evoca.lab.training.machine",
    "cross_validate": "evoca.lab.experiments.run",
    "export_bundle": "evoca.lab.export",
    "load_recipe": "evoca.lab.config.recipe",
    "train": "evoca.lab.experiments.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: reading a recipe needs no PyTorch."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
