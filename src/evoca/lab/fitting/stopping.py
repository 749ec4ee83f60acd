"""Early stopping: when a step has stopped to improve, and which epoch was its best."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from evoca.lab.config.step import Stop

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """How a step has fared so far.

    Attributes:
        best: the best value of the metric; ``None`` before the first epoch.
        best_epoch: when it was reached; -1 before the first epoch.
        waited: epochs since.
    """

    best: float | None = None
    best_epoch: int = -1
    waited: int = 0

    def after(self, epoch: int, value: float, stop: Stop) -> Progress:
        """Take in the validation value of one more epoch."""
        if not math.isfinite(value):
            return replace(self, waited=self.waited + 1)
        gain = 0.0 if self.best is None else value - self.best
        if stop.metric == "loss":
            gain = -gain
        if self.best is None or gain > stop.min_change:
            return Progress(best=value, best_epoch=epoch)
        return replace(self, waited=self.waited + 1)

    def is_over(self, stop: Stop) -> bool:
        """Whether patience has run out."""
        return self.waited >= stop.patience
