"""Options of the machine that train a recipe, as the command line has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evoca.errors import EvocaError

if TYPE_CHECKING:
    from evoca.lab.recipe import Recipe

__all__ = ["Machine", "require_meant"]


@dataclass(frozen=True)
class Machine:
    """Where and how to run, as the command line has it; see ``RunOptions``."""

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    deterministic: bool = False
    cache: bool = True

    def not_for_a_fitted_head(self) -> str:
        """Name the options that mean nothing to a recipe without steps; empty where none do.

        Its features are computed by ONNX Runtime on the CPU, in full precision and alike in
        every run, and its head is fitted there.
        """
        given = {
            "accelerator": self.accelerator not in {"auto", "cpu"},
            "devices": self.devices != 1,
            "nodes": self.nodes != 1,
            "strategy": self.strategy != "auto",
            "precision": self.precision not in {"auto", "32", "32-true"},
        }
        return ", ".join(f"--{name} {getattr(self, name)}" for name, own in given.items() if own)


def require_meant(recipe: Recipe, machine: Machine) -> None:
    """Refuse options of the machine that a recipe has no use for.

    Raises:
        EvocaError: names them.
    """
    if not recipe.steps and (options := machine.not_for_a_fitted_head()):
        raise EvocaError(
            f"{options}: {recipe.name} has no steps to train: its features are computed on the "
            "CPU in full precision, and its head is fitted there; leave this out"
        )
