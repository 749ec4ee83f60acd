"""The fields and properties that the options of every family of systems have."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import Field, field_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.step import Step
from evoca.strict import Strict

if TYPE_CHECKING:
    from evoca.lab.config.prompts import Prompts

__all__ = ["Dropout", "Features", "Network", "Options", "Pretrained", "TrainedBy"]

Dropout = Annotated[float, Field(ge=0, lt=1)]
TrainedBy: TypeAlias = Literal["steps", "head", "nothing"]


class Pretrained(Strict):
    """A backbone, and where its weights come from.

    Attributes:
        backbone: a name, or the path of a backbone's ``.yaml`` file.
        weights: ``recorded``: those the backbone names; ``random``; the path of a
            ``.safetensors`` file with the names of the library; or, of a captioner, a
            folder in the form of ``save_pretrained``, with a ``/`` at its end.
    """

    backbone: str
    weights: str = "recorded"

    @field_validator("weights")
    @classmethod
    def _known_source(cls, weights: str) -> str:
        if weights not in {"recorded", "random"} and not weights.endswith((".safetensors", "/")):
            raise ValueError(
                f"{weights}: neither recorded, nor random, nor a .safetensors file, nor a "
                "captioner's folder with a / at its end"
            )
        return weights

    def leaves_out(self) -> tuple[str, ...]:
        """Return the paths of the modules that are left out of the network."""
        return ()


class Features(NamedTuple):
    """What a frozen backbone computes for each image.

    Attributes:
        stages: ``last`` uses the final map; ``all`` joins the maps of all stages.
        pool: the ``mean`` of maps, the class ``token``, or the ``embedding`` beside which a
            text tower learnt.
    """

    stages: Literal["last", "all"]
    pool: Literal["mean", "token", "embedding"]


class Options(Strict):
    """The options of a family of systems, and what the rest of the lab reads of it.

    A family has fields of its own and ``system``, its name in recipes.

    Attributes:
        trained_by: ``steps``; a ``head`` fitted on features that stay as they are; or
            ``nothing``.
        takes_svm: whether a support vector machine may take the place of its own layer after
            its steps.
    """

    if TYPE_CHECKING:  # each family declares its own, so that runs keep their order of keys
        system: str
    trained_by: ClassVar[TrainedBy] = "steps"
    takes_svm: ClassVar[bool] = True

    def slots(self) -> dict[str, Pretrained]:
        """Return every pretrained network that it is built on by its key, its backbone first."""
        return {}

    def networks(self) -> list[Pretrained]:
        """Return every pretrained network that it is built on, its backbone first."""
        return list(self.slots().values())

    @abstractmethod
    def section(self, record_of: Callable[[Pretrained], Backbone]) -> tuple[str, list[str]]:
        """Return the heading and the sentences that explain it, for ``evoca recipes show``.

        Args:
            record_of: finds the record of a network.
        """

    def check_steps(self, steps: Sequence[Step], *, head: bool) -> None:
        """Refuse steps that do not train what the system predicts.

        Args:
            steps: of the recipe.
            head: whether a head is fitted after them.

        Raises:
            ValueError: with the name of the step.
        """
        for step in steps:
            if step.affect_weight and not self.predicts_affect():
                raise ValueError(
                    f"step {step.name}: affect_weight: a {self.system} predicts no valence "
                    "and arousal; a multi_task does"
                )

    def check_files(self) -> None:
        """Check the files that the options name, beside those of networks.

        Raises:
            RecipeError: one is not there or cannot be used.
        """

    def predicts_emotions(self) -> bool:
        """Whether it has labels to learn."""
        return True

    def predicts_affect(self) -> bool:
        """Whether it predicts valence and arousal."""
        return self.rating_scale() is not None

    def rating_scale(self) -> tuple[float, float] | None:
        """Return the lowest and highest valence and arousal; ``None`` if it predicts none."""
        return None

    def enlarged_side(self) -> int | None:
        """Return the side in pixels that smaller pictures are brought to; ``None`` for none."""
        return None

    def frozen_features(self) -> Features | None:
        """Return what is computed once by a frozen backbone; ``None`` where none is frozen."""
        return None

    def extras(self) -> tuple[str, ...]:
        """Return the extras that it needs beside ``train`` and those of its backbones."""
        return ()

    def hub_names(self) -> tuple[str, ...]:
        """Return the names of what a hub has to give, beside its backbones' weights."""
        return ()

    def visual_words(self) -> int | None:
        """Return the size of the dictionary that its features are counted by, if there is one."""
        return None

    def sentences(self) -> Prompts | None:
        """Return the sentences that images are compared with; ``None`` where there are none.

        Raises:
            RecipeError: they cannot be read.
        """
        return None

    def has_exact_map(self) -> bool:
        """Whether its evidence map adds up to its logits exactly."""
        return False

    def no_bundle(self) -> str | None:
        """Return why it cannot become a bundle; ``None`` where it can."""
        return None


class Network(Pretrained, Options):
    """What every system built on a backbone has.

    Attributes:
        without: paths of modules to leave out, such as a residual block that a file of
            weights lacks.
    """

    without: tuple[str, ...] = ()

    def leaves_out(self) -> tuple[str, ...]:
        """Return the paths of the modules that are left out of the network."""
        return self.without

    def slots(self) -> dict[str, Pretrained]:
        """Return every pretrained network that it is built on by its key, its backbone first."""
        found: dict[str, Pretrained] = {"backbone": self}
        for key in type(self).model_fields:
            value = getattr(self, key)
            several = value if isinstance(value, tuple) else ()
            found |= {key: value} if isinstance(value, Pretrained) else {}
            found |= {
                f"{key}.{number}": own
                for number, own in enumerate(several)
                if isinstance(own, Pretrained)
            }
        return found

    def section(self, record_of: Callable[[Pretrained], Backbone]) -> tuple[str, list[str]]:
        """Return the heading and the sentences that explain it."""
        return "Network", self.in_words(record_of(self))

    @abstractmethod
    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on the network, for ``evoca recipes show``."""
