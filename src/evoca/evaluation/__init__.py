"""Systems evaluated on labelled images: one, or every system on every data set.

A system is a model bundle or a table of predictions. Needs no PyTorch.
"""

from evoca.evaluation.evaluate import Evaluation, evaluate_system, write_evaluation
from evoca.evaluation.matrix import Matrix, Row, fill_matrix, model_rows, named_data
from evoca.evaluation.selection import Options
from evoca.evaluation.systems import System, model_system, open_system, table_system

__all__ = [
    "Evaluation",
    "Matrix",
    "Options",
    "Row",
    "System",
    "evaluate_system",
    "fill_matrix",
    "model_rows",
    "model_system",
    "named_data",
    "open_system",
    "table_system",
    "write_evaluation",
]
