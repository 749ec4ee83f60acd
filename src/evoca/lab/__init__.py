"""From labelled images to a model bundle. Needs the extra ``train``.

>>> from evoca import lab
>>> [name for name in lab.__all__ if callable(getattr(lab, name))]
['RunOptions', 'cross_validate', 'cross_validate_recipes', 'cross_validate_search',
 'export_bundle', 'load_recipe', 'quantize_bundle', 'search', 'sweep', 'train', 'trained_rows']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.lab.config.recipe import load_recipe
    from evoca.lab.experiments.recipes import cross_validate_recipes
    from evoca.lab.experiments.run import cross_validate, train
    from evoca.lab.experiments.search import cross_validate_search, search
    from evoca.lab.experiments.sweep import sweep
    from evoca.lab.export import export_bundle
    from evoca.lab.quantize import quantize_bundle
    from evoca.lab.training.machine import RunOptions
    from evoca.lab.transfer import trained_rows

__all__ = [
    "RunOptions",
    "cross_validate",
    "cross_validate_recipes",
    "cross_validate_search",
    "export_bundle",
    "load_recipe",
    "quantize_bundle",
    "search",
    "sweep",
    "train",
    "trained_rows",
]

_HOMES = {
    "RunOptions": "evoca.lab.training.machine",
    "cross_validate": "evoca.lab.experiments.run",
    "cross_validate_recipes": "evoca.lab.experiments.recipes",
    "cross_validate_search": "evoca.lab.experiments.search",
    "export_bundle": "evoca.lab.export",
    "load_recipe": "evoca.lab.config.recipe",
    "quantize_bundle": "evoca.lab.quantize",
    "search": "evoca.lab.experiments.search",
    "sweep": "evoca.lab.experiments.sweep",
    "train": "evoca.lab.experiments.run",
    "trained_rows": "evoca.lab.transfer",
}

# Reading a recipe needs no PyTorch.
__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
