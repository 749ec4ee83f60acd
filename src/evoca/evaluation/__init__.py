"""Systems evaluated on labelled images: one, or every system on every data set.

A system is a model bundle or a table of predictions. Needs no PyTorch.
"""

from evoca.evaluation.evaluate import Evaluation, evaluate_system, write_evaluation
from evoca.evaluation.selection import Options
from evoca.evaluation.systems import System, model_system, open_system, table_system

__all__ = [
    "Evaluation",
    "Options",
    "System",
    "evaluate_system",
    "model_system",
    "open_system",
    "table_system",
    "write_evaluation",
]
