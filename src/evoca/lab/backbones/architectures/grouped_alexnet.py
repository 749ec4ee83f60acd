"""The convolutions and hidden layers of AlexNet as it was first published.

Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks:
sections 3.2 to 3.5. The network of two halves, which Krizhevsky 2014 (torchvision's
``alexnet``) joined into one with fewer channels.
"""

from __future__ import annotations

import math
from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from evoca.strict import Strict

__all__ = ["GroupedAlexNet", "GroupedAlexNetOptions"]

_NEIGHBOURS = 5
_PUBLISHED_WIDTH = 96


class GroupedAlexNetOptions(Strict):
    """What decides the network.

    Attributes:
        width: channels of the first convolution; 96 in the paper. The others and the
            hidden layers keep their ratio to it.
        groups: halves that are joined only in the third convolution; 1 joins them everywhere.
        k: of the response normalisation (section 3.3); 2 in the paper.
        alpha: of the response normalisation, for each of five neighbours.
        beta: of the response normalisation.
    """

    width: Annotated[int, Field(ge=6, le=1536, multiple_of=6)] = 96
    groups: Annotated[int, Field(ge=1, le=2)] = 2
    k: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0)] = 1e-4
    beta: Annotated[float, Field(ge=0)] = 0.75


class GroupedAlexNet(nn.Module):
    """Five convolutions, 3 x 3 max-pooling of stride 2 after the first, second and fifth.

    Pictures of 227 x 227 become maps of 55, 27, 13 and 6 cells a side, without padding in
    the first layer. Pooling rounds up, as the first implementations do: at 227 nothing is
    to be rounded, and smaller pictures keep a map. ``fc6`` and ``fc7`` take 6 x 6 cells.
    Weights start as the paper states (section 5): normal of deviation 0.01, biases of the
    second, fourth and fifth convolution and of the hidden layers 1, others 0; after the
    first layer, the deviation of a narrower network is larger, so that its sums spread alike.
    """

    def __init__(self, options: GroupedAlexNetOptions) -> None:
        super().__init__()
        unit, groups = options.width // 6, options.groups
        first, second, third, fifth = 6 * unit, 16 * unit, 24 * unit, 16 * unit
        hidden = 256 * unit
        self.conv1 = nn.Conv2d(3, first, 11, 4)
        self.conv2 = nn.Conv2d(first, second, 5, 1, 2, groups=groups)
        self.conv3 = nn.Conv2d(second, third, 3, 1, 1)
        self.conv4 = nn.Conv2d(third, third, 3, 1, 1, groups=groups)
        self.conv5 = nn.Conv2d(third, fifth, 3, 1, 1, groups=groups)
        self.norm1, self.norm2 = (
            # PyTorch divides alpha by the number of neighbours.
            nn.LocalResponseNorm(
                _NEIGHBOURS, alpha=options.alpha * _NEIGHBOURS, beta=options.beta, k=options.k
            )
            for _ in range(2)
        )
        self.relu1, self.relu2, self.relu3, self.relu4, self.relu5 = (nn.ReLU() for _ in range(5))
        self.pool1, self.pool2, self.pool5 = (nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(3))
        self.fc6 = nn.Linear(fifth * 6 * 6, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self._start(self.conv1, 0.01, 0.0)
        spread = 0.01 * math.sqrt(_PUBLISHED_WIDTH / options.width)
        self._start(self.conv3, spread, 0.0)
        for layer in (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7):
            self._start(layer, spread, 1.0)

    @staticmethod
    def _start(layer: nn.Conv2d | nn.Linear, spread: float, bias: float) -> None:
        nn.init.normal_(layer.weight, std=spread)
        nn.init.constant_(cast("nn.Parameter", layer.bias), bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return fc7's activations (N, D) of normalised pixels (N, 3, 227, 227)."""
        x = self.pool1(self.norm1(self.relu1(self.conv1(pixels))))
        x = self.pool2(self.norm2(self.relu2(self.conv2(x))))
        x = self.relu4(self.conv4(self.relu3(self.conv3(x))))
        x = self.pool5(self.relu5(self.conv5(x))).flatten(1)
        return cast("Tensor", self.fc7(self.fc6(x).relu()).relu())
