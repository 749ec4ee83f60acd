"""The section ``head`` of a recipe: what is fitted on features that are not trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from evoca.lab.layered import Strict

__all__ = ["AnyHead", "Head", "SvmHead"]

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Head(Strict):
    """The classifier on the averaged features: multinomial logistic regression.

    Attributes:
        kind: ``linear``, whose evidence map is exactly additive.
        c_grid: candidates for the inverse L2 penalty, on standardised features whose
            mean squared norm is 100; inner folds choose by likelihood.
    """

    kind: Literal["linear"] = "linear"
    c_grid: Annotated[tuple[_Positive, ...], Field(min_length=1)]

    def in_words(self) -> str:
        """Say what is fitted."""
        grid = ", ".join(f"{c:g}" for c in self.c_grid)
        return f"The linear layer alone is fitted; inner folds choose its penalty from {grid}."


class SvmHead(Strict):
    """The classifier on features: a support vector machine with Gaussian kernels.

    Attributes:
        kind: ``svm``.
        c_grid: candidates for C; inner folds choose by the likelihood of the calibrated
            decision values. After steps, the validation images do.
        gamma: of exp(-gamma |x - y|^2), times the number of features and their variance: 1
            is scikit-learn's ``scale``.
        standardise: whether every feature is given the mean 0 and the variance 1 first.
    """

    kind: Literal["svm"]
    c_grid: Annotated[tuple[_Positive, ...], Field(min_length=1)]
    gamma: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    standardise: bool = True

    def in_words(self, *, after_steps: bool = False) -> str:
        """Say what is fitted, and what chooses."""
        grid = ", ".join(f"{c:g}" for c in self.c_grid)
        features = "standardised features" if self.standardise else "features as they are"
        choosing = "validation images choose" if after_steps else "inner folds choose"
        return (
            f"A support vector machine with Gaussian kernels is fitted on {features}; {choosing} "
            f"its C from {grid}."
        )


def _head_kind(content: Any) -> str:
    own = content.get("kind") if isinstance(content, dict) else getattr(content, "kind", None)
    return "svm" if own == "svm" else "linear"


AnyHead: TypeAlias = Annotated[
    Annotated[Head, Tag("linear")] | Annotated[SvmHead, Tag("svm")], Discriminator(_head_kind)
]
"""Any of them, told apart by ``kind``."""
