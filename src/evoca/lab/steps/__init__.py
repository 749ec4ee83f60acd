"""Training as data: a recipe lists its steps, and each says all that decides it.

A step trains some parts of a system with a fresh optimiser; the next one goes on from
its weights. Published schedules are lists of steps: the seven of sreenivas2018, the two
of najid2018's ensemble.
"""

from evoca.lab.steps.augmentation import Augmentation, Colour, Crop, Erase, Mirror, Rotate
from evoca.lab.steps.loss import (
    ClassBalanced,
    CrossEntropy,
    Divergence,
    EarthMover,
    LogitAdjusted,
    Loss,
    MultiHot,
    PolarityAware,
    WheelAware,
)
from evoca.lab.steps.step import Optimiser, Schedule, Step, Stop

__all__ = [
    "Augmentation",
    "ClassBalanced",
    "Colour",
    "Crop",
    "CrossEntropy",
    "Divergence",
    "EarthMover",
    "Erase",
    "LogitAdjusted",
    "Loss",
    "Mirror",
    "MultiHot",
    "Optimiser",
    "PolarityAware",
    "Rotate",
    "Schedule",
    "Step",
    "Stop",
    "WheelAware",
]
