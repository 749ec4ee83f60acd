"""Train a model through the steps of a recipe, on Lightning."""

from evoca.lab.training.machine import RunOptions
from evoca.lab.training.trainer import Fitted, Task, fit

__all__ = ["Fitted", "RunOptions", "Task", "fit"]
