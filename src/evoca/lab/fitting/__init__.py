"""The runner: takes a system through the steps of a recipe, on Lightning."""

from evoca.lab.fitting.fit import Fitted, fit
from evoca.lab.fitting.options import RunOptions

__all__ = ["Fitted", "RunOptions", "fit"]
