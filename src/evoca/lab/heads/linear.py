"""Linear heads: a path of logistic regressions, and the network with one that is exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evoca.lab.heads.base import Features, Truth
from evoca.lab.heads.logistic import LinearLayer, fit_logistic_path
from evoca.lab.models.base import EvidenceKind, SystemOutputs

__all__ = [
    "AdditiveClassifier",
    "AffectLayer",
    "GivenHead",
    "LinearFitter",
    "LinearHead",
    "fit_linear_path",
]


@dataclass(frozen=True)
class LinearHead(LinearLayer):
    """A linear layer on the raw averaged features, which becomes a network's head."""

    def classifier(self, network: nn.Module, *, additive: bool) -> AdditiveClassifier:
        """Return a network with this head, and its exact evidence map where it has one."""
        return AdditiveClassifier(network, self, additive=additive)


def fit_linear_path(
    features: Features,
    truth: NDArray[np.int_],
    c_grid: Sequence[float],
    *,
    standardise: bool = True,
) -> Iterator[LinearHead]:
    """Yield the heads of :func:`~evoca.lab.heads.logistic.fit_logistic_path`, one per penalty.

    Args:
        features: (N, D) averaged features.
        truth: (N,) class indices; every class 0..K-1 must occur.
        c_grid: inverse penalties.
        standardise: whether every feature counts alike; else by its own scale.
    """
    for layer in fit_logistic_path(features, truth, c_grid, standardise=standardise):
        yield LinearHead(layer.weight, layer.bias, layer.c)


class AffectLayer(Protocol):
    """A fitted linear layer for valence and arousal."""

    @property
    def weight(self) -> NDArray[np.float64]:
        """Its weights, (2, D)."""

    @property
    def bias(self) -> NDArray[np.float64]:
        """Its biases, (2,)."""

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and highest rating; predictions are cut there."""


class AdditiveClassifier(nn.Module):
    """A linear layer on globally averaged maps, with its exact evidence map.

    The logit is the mean over cells of the layer applied to each cell, plus the bias
    (class activation mapping, Zhou et al. 2016, equations 1 and 2), so each cell's value
    is its share in the logit and nothing is attributed twice or lost. A backbone that
    returns one vector per image has no such map.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: LinearHead,
        *,
        additive: bool = True,
        affect: AffectLayer | None = None,
    ) -> None:
        """Join a backbone and a head.

        Args:
            backbone: returns maps (N, C, h, w), or vectors as maps of one cell.
            head: fitted on their spatial means, or given.
            additive: whether the backbone's maps are maps.
            affect: a layer for valence and arousal on the same means.
        """
        super().__init__()
        self.backbone = backbone
        self.additive = additive
        self.affect_scale = None if affect is None else affect.scale
        if affect is not None:
            self.register_buffer("affect_weight", torch.tensor(affect.weight, dtype=torch.float32))
            self.register_buffer("affect_bias", torch.tensor(affect.bias, dtype=torch.float32))
        self.register_buffer("weight", torch.tensor(head.weight, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor(head.bias, dtype=torch.float32))

    @property
    def evidence_bias(self) -> Tensor | None:
        """The bias to add to the mean of the evidence; ``None`` where there is none."""
        return cast("Tensor", self.bias) if self.additive else None

    @property
    def evidence_kind(self) -> EvidenceKind | None:
        """The kind of the evidence; ``None`` where there is none."""
        return "additive" if self.additive else None

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return all outputs of uint8 images (N, H, W, 3)."""
        weight, bias = cast("Tensor", self.weight), cast("Tensor", self.bias)
        maps = self.backbone(image)
        embedding = maps.mean(dim=(2, 3))
        logits = nn.functional.linear(embedding, weight, bias)
        affect = self._affect(embedding)
        if not self.additive:
            return SystemOutputs(logits, None, embedding, affect=affect)
        evidence = nn.functional.conv2d(maps, weight[:, :, None, None])
        return SystemOutputs(logits, evidence, embedding, affect=affect)

    def _affect(self, embedding: Tensor) -> Tensor | None:
        if self.affect_scale is None:
            return None
        weight, bias = cast("Tensor", self.affect_weight), cast("Tensor", self.affect_bias)
        return nn.functional.linear(embedding, weight, bias).clamp(*self.affect_scale)


@dataclass(frozen=True)
class LinearFitter:
    """Multinomial logistic regression, by inverse penalty."""

    candidates: tuple[float, ...]

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[LinearHead]:
        """See :func:`fit_linear_path`."""
        return fit_linear_path(features, truth, candidates)


@dataclass(frozen=True)
class GivenHead:
    """A head that is not fitted: a zero-shot classifier's. Folds calibrate it alone."""

    head: LinearHead

    @property
    def candidates(self) -> tuple[float]:
        """The only candidate."""
        return (self.head.c,)

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[LinearHead]:
        """Yield the head, independent of the features."""
        del features, truth
        return (self.head for _ in candidates)
