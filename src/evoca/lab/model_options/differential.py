"""Options of two networks trained apart whose vectors are joined."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from evoca.lab.backbone_record import Backbone
from evoca.lab.model_options.network import Network, Pretrained

__all__ = ["MOST_BETA", "Differential", "Form", "factors_of"]

Form: TypeAlias = Literal["convex", "amplify"]
MOST_BETA = 100.0
"""Of what the form ``amplify`` takes."""

Share = Annotated[float, Field(ge=0, le=1)]


class Differential(Network):
    """Two trunks, each with a classifier of its own, and what their vectors become.

    The vector is [g a X1, g (1 - a) X2, b S]: X1 and X2 are the trunks' averaged maps, S
    the probabilities of a network that still names objects.

    Attributes:
        system: its name; ``backbone`` and ``weights`` are the first trunk's.
        second: the second trunk.
        supplement: the network that names objects, with the classifier it was pretrained
            with; ``null`` for none.
        alpha: share of the first vector (rapolu2023, equation 1); ``null`` for both as
            they are.
        beta: factor of the probabilities; ``null`` for 1, and both vectors as they are.
        form: what beta does to the vectors: ``convex`` multiplies them by 1 - beta;
            ``amplify`` leaves them.
    """

    system: Literal["differential"]
    second: Pretrained
    supplement: Pretrained | None = None
    alpha: Share | None = None
    beta: Annotated[float, Field(ge=0, le=MOST_BETA)] | None = None
    form: Form = "convex"

    @model_validator(mode="after")
    def _beta_fits(self) -> Self:
        if self.beta is not None and self.supplement is None:
            raise ValueError("beta is a factor of what the supplement says: name a supplement")
        if self.beta is not None and self.beta > 1 and self.form == "convex":
            raise ValueError(f"beta {self.beta:g}: a share is at most 1; form amplify takes more")
        return self

    def networks(self) -> list[Pretrained]:
        """Return both trunks and the supplement."""
        return [self, self.second, *([] if self.supplement is None else [self.supplement])]

    @property
    def factors(self) -> tuple[float, float, float]:
        """What the first vector, the second and the probabilities are multiplied by."""
        return factors_of(self.alpha, self.beta, self.form)

    def in_words(self, backbone: Backbone) -> list[str]:
        """Say what is trained apart, and what is joined."""
        del backbone
        one, other, named = self.factors
        joined = f"{one:g} times the first's vector, {other:g} times the second's"
        lines = [
            f"Two networks on the same picture, {self.backbone} and {_told(self.second)}. The "
            "last map of each, averaged over space, into a layer of its own with one unit a "
            "label; while one of the two is trained, it answers alone."
        ]
        if self.supplement is not None:
            lines.append(
                f"A third, {_told(self.supplement)}, as it is: the probabilities of the objects "
                "it was pretrained on."
            )
            joined += f", {named:g} times the object probabilities"
        return [*lines, f"Then {joined}, side by side."]


def factors_of(
    alpha: float | None, beta: float | None, form: Form = "convex"
) -> tuple[float, float, float]:
    """Return what the first vector, the second and the probabilities are multiplied by.

    Args:
        alpha: 0..1, or ``None``; see :class:`Differential`.
        beta: 0..1, or ``None``; larger where the form is ``amplify``.
        form: of beta.

    >>> factors_of(0.75, None)
    (0.75, 0.25, 1.0)
    >>> factors_of(None, 0.25)
    (0.75, 0.75, 0.25)
    """
    one, other = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    if beta is None:
        return one, other, 1.0
    rest = 1 - beta if form == "convex" else 1.0
    return rest * one, rest * other, beta


def _told(network: Pretrained) -> str:
    return f"{network.backbone} (weights: {network.weights})"
