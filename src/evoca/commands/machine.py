"""Options of the machine that train a recipe, as the command line has them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Machine"]


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
