"""Run directories: the files of a training, a cross-validation or an evaluation.

``run.json`` has the description, ``predictions.csv`` the predictions, ``metrics.json``
the figures, ``history.csv`` the epochs. Needs no PyTorch.
"""

from evoca.runs.directory import find_runs, new_run, read_json, write_json
from evoca.runs.predictions import Predictions, read_predictions, write_predictions
from evoca.runs.result import Result
from evoca.runs.run import Run, finished_run, read_run, read_runs

__all__ = [
    "Predictions",
    "Result",
    "Run",
    "find_runs",
    "finished_run",
    "new_run",
    "read_json",
    "read_predictions",
    "read_run",
    "read_runs",
    "write_json",
    "write_predictions",
]
