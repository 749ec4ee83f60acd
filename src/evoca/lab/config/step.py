"""One step of training, as data: its loss, augmentation, rates and length."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from evoca.strict import Strict
from evoca.words import counted

__all__ = [
    "Augmentation",
    "ClassBalanced",
    "Colour",
    "Crop",
    "CrossEntropy",
    "Divergence",
    "EarthMover",
    "Erase",
    "LogitAdjusted",
    "Loss",
    "Mirror",
    "MultiHot",
    "Optimiser",
    "PolarityAware",
    "Rotate",
    "Schedule",
    "Step",
    "Stop",
    "WheelAware",
]


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
    """Binary cross-entropy per label: several emotions may hold at once.

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


Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, lt=1e38)]
"""A learning rate; a weight could not hold a larger number."""


class Optimiser(Strict):
    """The optimiser of a step.

    Attributes:
        kind: ``adam`` (Kingma & Ba 2015), ``adamw`` (Loshchilov & Hutter 2019), ``sgd``.
        momentum: of ``sgd``.
        nesterov: whether ``sgd`` uses Nesterov momentum; needs momentum.
        betas: of ``adam`` and ``adamw``.
        weight_decay: added to the gradient, or apart from it in ``adamw``.
        decay: ``all`` parameters, or only ``matrices`` (no biases, no normalisation).
    """

    kind: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False
    betas: tuple[
        Annotated[float, Field(ge=0, lt=1)],
        Annotated[float, Field(ge=0, lt=1)],
    ] = (0.9, 0.999)
    weight_decay: NotNegative = 0.0
    decay: Literal["all", "matrices"] = "all"

    @model_validator(mode="after")
    def _momentum_fits(self) -> Self:
        if self.kind != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(f"momentum and nesterov belong to sgd; {self.kind} has betas")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum above 0")
        return self


class Schedule(Strict):
    """How rates change within a step; every group's own rate is scaled alike.

    Attributes:
        kind: ``constant``, or ``cosine`` down to ``final`` (Loshchilov & Hutter 2017).
        warmup_epochs: the rate first rises linearly from nearly 0, in epochs, fractions
            included.
        final: what ``cosine`` ends at, as a share of the rate.
    """

    kind: Literal["constant", "cosine"] = "constant"
    warmup_epochs: NotNegative = 0.0
    final: Share = 0.0


class Stop(Strict):
    """When a step ends before its last epoch, and which epoch's weights it keeps.

    Attributes:
        metric: ``loss`` (lower is better), ``accuracy`` or ``balanced_accuracy``.
        patience: epochs without improvement before the step ends.
        min_change: what counts as improvement.
        keep: ``best`` epoch's weights go on to the next step, or the ``last`` one's.
        split: what is measured: ``val``. A test split measures; it never chooses.
    """

    metric: Literal["loss", "accuracy", "balanced_accuracy"] = "loss"
    patience: Annotated[int, Field(ge=1)] = 5
    min_change: NotNegative = 0.0
    keep: Literal["best", "last"] = "best"
    split: str = "val"

    @field_validator("split")
    @classmethod
    def _only_validation(cls, split: str) -> str:
        if split != "val":
            raise ValueError(
                f"a step cannot stop on the split {split!r}: only val may choose, so that "
                "test figures stay unseen"
            )
        return split


class Step(Strict):
    """One step of training.

    Attributes:
        name: for logs; unique within a recipe.
        trainable: patterns (``*`` and ``?``) of the parts that are trained, or ``all`` parts;
            all others are frozen, their batch normalisation in evaluation mode.
        optimiser: see :class:`Optimiser`.
        rate: the learning rate.
        rates: other rates by pattern of part; the last that matches a parameter counts.
        schedule: see :class:`Schedule`.
        epochs: passes over the training images, at most.
        batch_size: images per optimiser step, over all devices together.
        sampling: ``shuffle``: each image once per epoch; ``weighted``: as many draws with
            replacement, each class equally likely (najid2018, section III.A).
        augmentation: in order; empty for none.
        targets: ``label``: one label per image; ``distribution``: the viewers' shares,
            the label where an image has none.
        loss: see :data:`Loss`.
        objective: ``output``: the loss of the system's prediction; ``branches``: the sum of
            the losses of each branch's own prediction, for systems that have branches.
        affect_weight: of the squared error of valence and arousal, in the units of their
            scale, averaged over those that an image is rated on; above 0, an image may
            have ratings, a label or both, and each counts. 0 leaves ratings out.
        mixup: alpha of the Beta distribution that mixes pairs (Zhang et al. 2018); 0 is
            off.
        stop: early stopping on validation images; ``None`` for all epochs.
        clip: largest norm of the gradient; ``None`` for no limit.
    """

    name: Annotated[str, Field(min_length=1)]
    trainable: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)
    optimiser: Optimiser = Optimiser()
    rate: Rate
    rates: dict[str, Rate] = Field(default_factory=dict)
    schedule: Schedule = Schedule()
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)] = 32
    sampling: Literal["shuffle", "weighted"] = "shuffle"
    augmentation: tuple[Augmentation, ...] = ()
    targets: Literal["label", "distribution"] = "label"
    loss: Loss = CrossEntropy()
    objective: Literal["output", "branches"] = "output"
    affect_weight: NotNegative = 0.0
    mixup: NotNegative = 0.0
    stop: Stop | None = None
    clip: Positive | None = None

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.schedule.warmup_epochs > self.epochs:
            raise ValueError(
                f"step {self.name}: the warm-up of {self.schedule.warmup_epochs:g} epochs is "
                f"longer than its {counted(self.epochs, 'epoch')}"
            )
        return self

    @model_validator(mode="after")
    def _affect_fits(self) -> Self:
        if self.affect_weight and (self.sampling == "weighted" or self.objective == "branches"):
            raise ValueError(
                f"step {self.name}: an affect_weight goes with sampling: shuffle and objective: "
                "output, since an image that is only rated has no class and no branch"
            )
        return self


class Mirror(Strict):
    """Left and right exchanged.

    Attributes:
        p: how often.
    """

    kind: Literal["mirror"]
    p: Share = 0.5


class Crop(Strict):
    """A window of the input size at a random place of a larger picture.

    Attributes:
        zoom: pictures are first brought to this many times the input size. Nothing is
            resampled twice.
    """

    kind: Literal["crop"]
    zoom: Annotated[float, Field(gt=1, le=4)] = 1.15


class Rotate(Strict):
    """A turn by a random angle, corners filled with the picture's mean colour.

    Attributes:
        degrees: largest angle to either side.
    """

    kind: Literal["rotate"]
    degrees: Annotated[float, Field(gt=0, le=180)] = 10.0


class Colour(Strict):
    """Random brightness, contrast and saturation, each by a factor from 1 - x to 1 + x.

    Changing colours may change what a picture evokes: use it with care.
    """

    kind: Literal["colour"]
    brightness: Share = 0.2
    contrast: Share = 0.2
    saturation: Share = 0.2


class Erase(Strict):
    """A random rectangle replaced by the picture's mean colour (Zhong et al. 2020).

    Attributes:
        p: how often.
        largest: area of the largest rectangle, as a share of the picture.
    """

    kind: Literal["erase"]
    p: Share = 0.25
    largest: Annotated[float, Field(gt=0, le=0.9)] = 0.2


Augmentation = Annotated[Mirror | Crop | Rotate | Colour | Erase, Field(discriminator="kind")]
"""One change drawn anew for every image and epoch; a step applies its list in order."""
