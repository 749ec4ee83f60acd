"""What a step minimises, as data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evoca.lab.layered import Strict

__all__ = [
    "ClassBalanced",
    "CrossEntropy",
    "Divergence",
    "EarthMover",
    "LogitAdjusted",
    "Loss",
    "MultiHot",
    "PolarityAware",
    "WheelAware",
]

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CrossEntropy(Strict):
    """Cross-entropy with label smoothing (Szegedy et al. 2016, section 7).

    Attributes:
        smoothing: share of the target spread evenly over the labels.
    """

    kind: Literal["cross_entropy"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ClassBalanced(Strict):
    """Cross-entropy weighted by the effective number of samples (Cui et al. 2019, eq. 2).

    Attributes:
        beta: 0 weighs all classes alike; towards 1 by inverse frequency.
        smoothing: as in cross-entropy.
    """

    kind: Literal["class_balanced"]
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.999
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class LogitAdjusted(Strict):
    """Cross-entropy of logits + tau log(prior) (Menon et al. 2021, equation 10).

    Attributes:
        tau: 1 is consistent for the balanced error.
        smoothing: as in cross-entropy.
    """

    kind: Literal["logit_adjusted"]
    tau: NotNegative = 1.0
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Divergence(Strict):
    """Kullback-Leibler divergence from the viewers' distribution to the predicted one."""

    kind: Literal["kl"]


class EarthMover(Strict):
    """Earth mover's distance around Mikels' wheel from the viewers' distribution.

    The least work of moving one distribution onto the other, in steps around the circle of
    eight (Rabin et al. 2011, "Transportation distances on the circle", equation 12).
    """

    kind: Literal["emd"]


class MultiHot(Strict):
    """Binary cross-entropy a label: several emotions may hold at once.

    Attributes:
        threshold: a label holds where the viewers' share is at or above it; the top
            label always does.
    """

    kind: Literal["multi_hot"]
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.25


class PolarityAware(Strict):
    """Cross-entropy over labels plus cross-entropy over the two polarities.

    Attributes:
        weight: of the second; what a wrong polarity costs beyond a wrong emotion.
        smoothing: as in cross-entropy.
    """

    kind: Literal["polarity"]
    weight: NotNegative = 1.0
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class WheelAware(Strict):
    """Cross-entropy plus the earth mover's distance around Mikels' wheel.

    Attributes:
        weight: of the distance, which is 0 to 4 steps.
        smoothing: as in cross-entropy; the distance uses the target as it is.
    """

    kind: Literal["wheel"]
    weight: NotNegative = 0.25
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


Loss = Annotated[
    CrossEntropy
    | ClassBalanced
    | LogitAdjusted
    | Divergence
    | EarthMover
    | MultiHot
    | PolarityAware
    | WheelAware,
    Field(discriminator="kind"),
]
"""What a step minimises, by name, with its options."""
