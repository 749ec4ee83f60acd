"""The base of trained systems: a trunk, named parts, and their registration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self, TypeAlias, TypeVar, cast

from torch import Tensor, nn

from evoca.lab.backbones import Pool, Trunk, build_trunk
from evoca.lab.config.models import Network, Options, Pretrained
from evoca.lab.config.recipe import Recipe

__all__ = [
    "OUTPUT_NAMES",
    "Builder",
    "EvidenceKind",
    "Pool",
    "StagedSystem",
    "Surroundings",
    "SystemOutputs",
    "builders",
    "registered",
]

EvidenceKind: TypeAlias = Literal["additive", "relevance", "attention"]
"""The kinds of evidence that a bundle may state."""

OUTPUT_NAMES = ("logits", "evidence", "embedding", "affect")
"""Those that a bundle may have, in its order."""


class SystemOutputs(NamedTuple):
    """Outputs for N images and K labels.

    Attributes:
        logits: (N, K).
        evidence: (N, K, h, w) whose spatial mean, plus a bias, is the logit, where it is
            additive; (N, 1, h, w), the weights of the places, where it is attention;
            ``None`` in training, and where a system has no map.
        embedding: (N, D); ``None`` in training.
        branch_logits: (N, B, K), of each branch of a system that has branches.
        affect: (N, 2), valence and arousal on the scale that the system's options declare.
    """

    logits: Tensor
    evidence: Tensor | None = None
    embedding: Tensor | None = None
    branch_logits: Tensor | None = None
    affect: Tensor | None = None


class StagedSystem(nn.Module, ABC):
    """A trunk of five stages with something on it; see :class:`evoca.lab.training.freezing.System`.

    Called with uint8 (N, H, W, 3), RGB, 0..255; normalisation is the trunk's.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    @abstractmethod
    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the modules of the parts beyond the trunk; one is called ``head``."""

    @abstractmethod
    def chain(self) -> list[nn.Module]:
        """Return modules that compute the logits, each on the output of the one before."""

    @property
    def evidence_bias(self) -> Tensor | None:
        """The bias to add to the mean of the evidence; ``None`` where there is none."""
        return None

    @property
    def evidence_kind(self) -> EvidenceKind | None:
        """The kind of the evidence; ``None`` where there is none."""
        return None if self.evidence_bias is None else "additive"

    def trunks(self) -> list[Trunk]:
        """Return every trunk, all of one backbone: a stage is a part of each of them."""
        return [self.trunk]

    def for_export(self) -> Self:
        """Return the system as it is exported: the same function, maybe a simpler graph."""
        return self

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the modules of each part, from the input upwards."""
        first, *others = (trunk.parts() for trunk in self.trunks())
        shared = {
            name: [*modules, *(module for other in others for module in other[name])]
            for name, modules in first.items()
        }
        return {**shared, **self.own_parts()}

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return the outputs of images; systems with an evidence map override it."""
        value: Any = image
        for module in self.chain():
            value = module(value)
        return cast("SystemOutputs", value)


@dataclass(frozen=True)
class Surroundings:
    """The context that a system is built for.

    Attributes:
        recipe: its recipe.
        labels: how many.
        weights: ``recorded``, ``random`` or a file, in place of the recipe's own.
    """

    recipe: Recipe
    labels: int
    weights: str | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return self.recipe.preprocessing.height, self.recipe.preprocessing.width

    def weights_of(self, options: Pretrained) -> str:
        """Return where the weights of a network come from."""
        return self.weights or options.weights

    def starts_at_random(self, options: Network) -> bool:
        """Return whether a backbone of these options has no pretrained weights."""
        return self.weights_of(options) == "random"

    def trunk(
        self,
        options: Pretrained,
        *,
        channel_dropout: float = 0.0,
        enlarge: int | None = None,
        dense: bool = False,
    ) -> Trunk:
        """Return the backbone of some options, with its fully connected layers if requested.

        Raises:
            EvocaError: its weights cannot be had, or pictures are larger than they are to
                be enlarged to.
        """
        return build_trunk(
            self.recipe.record_of(options),
            size=self.size,
            weights=self.weights_of(options),
            without=options.leaves_out(),
            channel_dropout=channel_dropout,
            enlarge=enlarge,
            dense=dense,
        )


O = TypeVar("O", bound=Options)  # noqa: E741
Builder = Callable[[O, Surroundings], StagedSystem]

builders: dict[type[Options], Builder[Any]] = {}
"""How each family of systems is built, by the class of its options."""


def registered(options: type[O]) -> Callable[[Builder[O]], Builder[O]]:
    """Return a decorator that registers a function as the builder of some options."""

    def register(builder: Builder[O]) -> Builder[O]:
        builders[options] = builder
        return builder

    return register
