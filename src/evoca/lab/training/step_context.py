"""The parts of a step of training that do not change while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.step import Step
from evoca.lab.training.checkpoint import Identity
from evoca.lab.training.data import Inputs, StepLoader
from evoca.lab.training.freezing import System
from evoca.lab.training.interrupts import Interrupts
from evoca.lab.training.losses import Criterion
from evoca.lab.training.machine import RunOptions
from evoca.progress import Advance

__all__ = ["Interrupted", "Job", "TrainingError", "Validation"]


class TrainingError(EvocaError):
    """A training that went wrong by itself, such as a loss that is no number."""


class Interrupted(Exception):  # noqa: N818 - not an error: the state has been saved
    """The training was asked to stop, and has saved its state."""


@dataclass(frozen=True)
class Validation:
    """Images that may choose.

    Attributes:
        batches: their inputs, in order.
        targets: float32 (n, K), or (n, K + 2) with valence and arousal.
    """

    batches: Callable[[], Iterable[Inputs]]
    targets: Tensor


@dataclass(frozen=True)
class Job:
    """The parts of a step that do not change while it runs.

    Attributes:
        system: the whole network.
        network: what is run on the inputs: the system, or its end on cached features.
        step: what to do.
        seed: of the training.
        loader: training batches.
        validation: ``None`` where there is none.
        criterion: the loss on predictions.
        labels: K.
        folder: of the run.
        identity: for checkpoints.
        options: how to run.
        interrupts: requests to stop.
        advance: called with 1 after each batch.
    """

    system: System
    network: nn.Module
    step: Step
    seed: int
    loader: StepLoader
    validation: Validation | None
    criterion: Criterion
    labels: int
    folder: Path
    identity: Identity
    options: RunOptions
    interrupts: Interrupts
    advance: Advance

    @property
    def on_cached_features(self) -> bool:
        """Whether outputs of frozen layers are read, and only the layers after them are run."""
        return self.network is not cast("nn.Module", self.system)

    @property
    def checkpoint(self) -> Path:
        """The file of the saved state."""
        return self.folder / "checkpoints" / "resume.pt"
