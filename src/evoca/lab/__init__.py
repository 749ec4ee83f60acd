"""From labelled images to a model bundle. Needs the extra ``train``.

>>> from evoca import lab
>>> [name for name in lab.__all__ if callable(getattr(lab, name))]
['RunOptions', 'cross_validate', 'export_bundle', 'load_recipe', 'quantize_bundle', 'train']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.lab.config.recipe import load_recipe
    from evoca.lab.experiments.run import cross_validate, train
    from evoca.lab.export import export_bundle
    from evoca.lab.quantize import quantize_bundle
    from evoca.lab.training.machine import RunOptions

__all__ = [
    "RunOptions",
    "cross_validate",
    "export_bundle",
    "load_recipe",
    "quantize_bundle",
    "train",
]

_HOMES = {
    "RunOptions": "evoca.lab.training.machine",
    "cross_validate": "evoca.lab.experiments.run",
    "export_bundle": "evoca.lab.export",
    "load_recipe": "evoca.lab.config.recipe",
    "quantize_bundle": "evoca.lab.quantize",
    "train": "evoca.lab.experiments.run",
}

# Reading a recipe needs no PyTorch.
__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
