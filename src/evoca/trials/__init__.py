"""Systems evaluated on labelled images: one, or every system on every data set.

A system is a model bundle or a table of predictions. Needs no PyTorch.
"""

from evoca.trials.options import Options
from evoca.trials.systems import System, model_system, open_system, table_system
from evoca.trials.trial import Trial, run_trial, write_trial

__all__ = [
    "Options",
    "System",
    "Trial",
    "model_system",
    "open_system",
    "run_trial",
    "table_system",
    "write_trial",
]
