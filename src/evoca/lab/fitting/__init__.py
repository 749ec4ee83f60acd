"""The runner: takes a system through the steps of a recipe, on Lightning."""

from evoca.lab.fitting.fit import Fitted, Task, fit
from evoca.lab.fitting.options import RunOptions

__all__ = ["Fitted", "RunOptions", "Task", "fit"]
