"""What a search tried, as a table that fits a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evoca.documents import Table
from evoca.lab.config.search import short, short_names

if TYPE_CHECKING:
    from evoca.lab.experiments.search import Trial

__all__ = ["trials_table"]


def trials_table(trials: Sequence[Trial], metric: str) -> Table:
    """Give a row a trial, in their order: its value, then its settings.

    Args:
        trials: at least one, all with the same settings' keys.
        metric: what the value is, on validation images.
    """
    keys = list(trials[0].settings)
    rows = tuple(
        (
            "failed" if trial.value is None else f"{trial.value:.4f}",
            *(short(trial.settings[key]) for key in keys),
        )
        for trial in trials
    )
    return Table((f"validation {metric}", *short_names(keys)), rows)
