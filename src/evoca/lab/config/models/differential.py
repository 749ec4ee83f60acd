"""Options of networks trained apart whose vectors are joined."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Network, Pretrained
from evoca.lab.config.step import Step

__all__ = ["MOST_BETA", "ORDINALS", "Differential", "Form", "factors_of"]

Form: TypeAlias = Literal["convex", "amplify"]
MOST_BETA = 100.0
"""Of what the form ``amplify`` takes."""

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
"""What steps call the networks, and begin the names of their parts with."""

_NUMBERS = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")
_SUM_TOLERANCE = 1e-3

Share = Annotated[float, Field(ge=0, le=1)]


class Differential(Network):
    """Two or more trunks, each with a classifier of its own, and what their vectors become.

    The vector is [g s1 X1, g s2 X2, ..., b S, c B]: X1, X2 and on are the trunks' averaged
    maps, S the probabilities of a network that still names objects, B those of one that names
    scenes.

    Attributes:
        system: its name; ``backbone`` and ``weights`` are the first trunk's.
        second: the second trunk.
        more: the third trunk and on; rapolu2023 has two, and proposes more.
        supplement: the network that names objects, with the classifier it was pretrained
            with; ``null`` for none.
        background: the network that names the scene around them, such as one of Places365,
            likewise as it is; ``null`` for none.
        alpha: share of the first of two vectors (rapolu2023, equation 1); ``null`` for all as
            they are, or as ``shares`` has them.
        shares: of each trunk's vector, of sum 1: equation 1 for any number; in place of alpha.
        beta: factor of the objects' probabilities; ``null`` for 1, and the vectors as they are.
        gamma: factor of the scenes' probabilities.
        form: what beta does to the vectors: ``convex`` multiplies them by 1 - beta;
            ``amplify`` leaves them.
    """

    system: Literal["differential"]
    second: Pretrained
    more: Annotated[tuple[Pretrained, ...], Field(max_length=len(ORDINALS) - 2)] = ()
    supplement: Pretrained | None = None
    background: Pretrained | None = None
    alpha: Share | None = None
    shares: tuple[Share, ...] | None = None
    beta: Annotated[float, Field(ge=0, le=MOST_BETA)] | None = None
    gamma: Annotated[float, Field(ge=0, le=MOST_BETA)] = 1.0
    form: Form = "convex"

    @model_validator(mode="after")
    def _beta_fits(self) -> Self:
        if self.beta is not None and self.supplement is None:
            raise ValueError("beta is a factor of the supplement's output: name a supplement")
        if self.beta is not None and self.beta > 1 and self.form == "convex":
            raise ValueError(f"beta {self.beta:g}: a share is at most 1; form amplify takes more")
        if self.gamma != 1 and self.background is None:
            raise ValueError("gamma is a factor of the background's output: name a background")
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        count = len(self.trunks())
        if self.alpha is not None and count > 2:
            raise ValueError(f"alpha is the share of the first of two; for {count}, give shares")
        if self.shares is None:
            return self
        if self.alpha is not None:
            raise ValueError("alpha and shares set the same: give one of them")
        if len(self.shares) != count or abs(sum(self.shares) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"shares: {count} numbers, one per network, of sum 1")
        return self

    def check_steps(self, steps: Sequence[Step], *, head: bool) -> None:
        """Refuse steps after which the layer on all networks is not trained.

        While one of the networks alone is trained, it predicts: a training that ended there
        would be measured by that network, and exported with a layer never trained.
        """
        super().check_steps(steps, head=head)
        if head or not steps:
            return
        last = steps[-1]
        if not any(name == "all" or fnmatchcase("head", name) for name in last.trainable):
            raise ValueError(
                f"step {last.name}: the last step of a differential system trains head, the "
                "layer on all networks; or give the recipe a head of kind svm"
            )

    def trunks(self) -> tuple[Pretrained, ...]:
        """Return the networks that are trained, in order."""
        return (self, self.second, *self.more)

    @property
    def factors(self) -> tuple[float, ...]:
        """The factor of each vector, then of the probabilities that there are."""
        shares: tuple[float, ...] = self.shares or (1.0,) * len(self.trunks())
        if self.alpha is not None:
            shares = (self.alpha, 1 - self.alpha)
        rest = 1 - self.beta if self.beta is not None and self.form == "convex" else 1.0
        named = [] if self.supplement is None else [1.0 if self.beta is None else self.beta]
        scenes = [] if self.background is None else [self.gamma]
        return (*(rest * share for share in shares), *named, *scenes)

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on what is trained apart, and what is joined."""
        del backbone
        trunks = self.trunks()
        names = [self.backbone, *map(_stated, trunks[1:])]
        lines = [
            f"{_NUMBERS[len(trunks)]} networks on the same picture, {_listed(names)}. The last map "
            "of each, averaged over space, into a layer of its own with one unit per label; while "
            "one of them is trained, it predicts alone."
        ]
        what = [f"the {name}'s vector" for name in ORDINALS[: len(trunks)]]
        if self.supplement is not None:
            lines.append(
                f"Another, {_stated(self.supplement)}, as it is: the probabilities of the objects "
                "it was pretrained on."
            )
            what.append("the object probabilities")
        if self.background is not None:
            lines.append(
                f"Another, {_stated(self.background)}, as it is: the probabilities of the scenes "
                "it was pretrained on."
            )
            what.append("the scene probabilities")
        joined = [f"{factor:g} times {own}" for factor, own in zip(self.factors, what, strict=True)]
        return [*lines, f"Then {', '.join(joined)}, side by side."]


def factors_of(
    alpha: float | None, beta: float | None, form: Form = "convex"
) -> tuple[float, float, float]:
    """Return what the first of two vectors, the second and the objects are multiplied by.

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


def _stated(network: Pretrained) -> str:
    return f"{network.backbone} (weights: {network.weights})"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
