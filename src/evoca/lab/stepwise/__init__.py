"""Train and cross-validate recipes that list their steps."""

from evoca.lab.stepwise.crossval import crossval_steps
from evoca.lab.stepwise.fold import Build, Tune
from evoca.lab.stepwise.train import train_steps
from evoca.lab.training.checkpoint import identity_of

__all__ = ["Build", "Tune", "crossval_steps", "identity_of", "train_steps"]
