"""What every part of ``model.json`` is built on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Metric", "Strict"]


class Strict(BaseModel):
    """Unknown keys are errors; a card never changes; every number is finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Metric(Strict):
    """A measured figure with its 95% confidence interval.

    Attributes:
        value: the figure.
        ci95: the low and high end of its interval.
    """

    value: float
    ci95: tuple[float, float]
