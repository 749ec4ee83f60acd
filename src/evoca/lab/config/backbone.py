"""The record of a pretrained network and of one set of weights for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from evoca.errors import did_you_mean
from evoca.lab.config.base import Packaged, RecipeError, is_file_name
from evoca.plugins import plugins
from evoca.strict import Strict

__all__ = [
    "STAGES",
    "Backbone",
    "Library",
    "Stages",
    "Weights",
    "backbone_names",
    "find_backbone",
    "libraries",
]

STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
"""Every backbone has these five, from the input upwards; the papers' L0 to L4."""

_Path = Annotated[str, Field(min_length=1)]
_Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Library:
    """What records may state of the backbones that a library builds.

    Attributes:
        options: whether its architectures take options.
        classes: whether a classifier of another number of classes than 1000 is allowed.
        publishes: whether weights for its architectures are published.
        revisions: whether its hub's weights have revisions, which a record may pin.
        one_size: whether its networks take pictures of one size alone.
        extra: that installs it; ``None`` where the extra ``train`` does.
    """

    options: bool = False
    classes: bool = False
    publishes: bool = True
    revisions: bool = False
    one_size: bool = False
    extra: str | None = None


libraries: dict[str, Library] = {
    "timm": Library(classes=True),
    "torchvision": Library(classes=True),
    "open_clip": Library(extra="baselines"),
    "evoca": Library(options=True, publishes=False),
    "transformers": Library(options=True, revisions=True, one_size=True, extra="caption"),
}
"""What is known of each library, by the name that records call it."""


class Weights(Strict):
    """Where a set of weights comes from; with neither hub nor package, from a user's file.

    Attributes:
        hub: their name in the library.
        revision: of the hub, where the library is ``transformers``; its newest if omitted.
        package: import name of a package that carries them.
        file: their path in that package.
        sha256: of the file.
        origin: whose weights a user's file may hold, in words, where no library has them.
    """

    hub: str | None = None
    revision: str | None = None
    package: str | None = None
    file: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    origin: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.package is None) != (self.file is None):
            raise ValueError("package and file go together")
        if self.package is not None and (self.hub is not None or self.sha256 is None):
            raise ValueError("a package needs its file's sha256, and no hub")
        return self

    def __str__(self) -> str:
        yours = f"a file of yours: {self.origin}" if self.origin else "a file of yours"
        return self.hub or self.package or yours


class Stages(Strict):
    """The modules of each stage, applied one after the other, by their path."""

    stem: Annotated[tuple[_Path, ...], Field(min_length=1)]
    stage1: Annotated[tuple[_Path, ...], Field(min_length=1)]
    stage2: Annotated[tuple[_Path, ...], Field(min_length=1)]
    stage3: Annotated[tuple[_Path, ...], Field(min_length=1)]
    stage4: Annotated[tuple[_Path, ...], Field(min_length=1)]

    def of(self, stage: str) -> tuple[str, ...]:
        """Return the paths of a stage in :data:`STAGES`."""
        paths: tuple[str, ...] = getattr(self, stage)
        return paths


class Backbone(Strict):
    """A network and one set of weights for it.

    Attributes:
        name: how recipes call it.
        title: what texts call it, such as ``ResNet-101``; its name if omitted.
        reading_of: the backbone that this one is another reading of: the same network, fed
            as a paper's text may also be read.
        library: that builds it, one of :data:`libraries`; ``evoca`` for networks of our own,
            which have no published weights; ``transformers`` for the vision tower of a
            captioner; ``open_clip`` for one that has a text tower beside it.
        architecture: what the library calls it.
        options: of the architecture, where the library is ``evoca`` or ``transformers``.
        layout: ``chain``: modules that pass a map on; ``tokens``: a transformer,
            whose map is its patch tokens.
        weights: where they come from.
        size: side of the pictures it was trained on, in pixels.
        mean: per channel, in the channels' order and range.
        std: likewise.
        channels: the order the weights were learnt with.
        range: of the largest pixel value: 1 or 255.
        pool: how its map becomes a vector unless a recipe states otherwise: ``mean`` over
            space, ``flatten``, or the class ``token``.
        stages: the modules of each of the five stages. What stands in none is left out.
        names: module to the name that recipes call it by, such as ``conv5_4``.
        tops: what staged unfreezing frees first, second, third and fourth: modules from the
            top down, anywhere in the stages; recipes call them ``top1`` to ``top4``.
        dense: fully connected layers of the network after its last map is flattened, each
            followed by a ReLU; for systems that end in them, others leave them out.
        maps: modules whose maps the fast path joins; the ends of the stages if empty.
        channel_dropout: patterns of the modules of the last stage before which dropout of
            whole channels goes: the last convolution of each block. They take maps
            (N, C, h, w) or tokens (N, L, C).
        classes: of the classifier that the weights were learnt with, where it is not the
            library's 1000; for systems that keep it, others leave it out.
        licence: of the weights.
        paper: where the architecture comes from.
    """

    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\w.-]+$")]
    title: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    reading_of: str | None = None
    library: str = "timm"
    architecture: str
    options: dict[str, Any] = Field(default_factory=dict)
    layout: Literal["chain", "tokens"] = "chain"
    weights: Weights
    size: Annotated[int, Field(ge=16, le=1024)]
    mean: _Channels
    std: _Channels
    channels: Literal["rgb", "bgr"] = "rgb"
    range: Literal[1, 255] = 1
    pool: Literal["mean", "flatten", "token"] = "mean"
    stages: Stages
    names: dict[str, str] = Field(default_factory=dict)
    tops: Annotated[tuple[tuple[_Path, ...], ...], Field(min_length=4, max_length=4)]
    dense: tuple[_Path, ...] = ()
    maps: tuple[_Path, ...] = ()
    channel_dropout: tuple[_Path, ...] = ()
    classes: Annotated[int, Field(ge=2, le=100_000)] | None = None
    licence: str
    paper: str

    @field_validator("library")
    @classmethod
    def _known_library(cls, library: str) -> str:
        if library not in libraries:
            plugins("evoca.libraries")  # each registers its facts and its adapter
        if library not in libraries:
            raise ValueError(f"{library!r} is none of {', '.join(libraries)}")
        return library

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        paths = [path for stage in STAGES for path in self.stages.of(stage)]
        for path in (*self.names, *self.maps):
            if path not in paths:
                raise ValueError(f"{path} stands in no stage")
        if self.pool == "token" and self.layout != "tokens":
            raise ValueError("pool token needs the layout tokens")
        if min(self.std) <= 0:
            raise ValueError("std is above 0")
        if self.options and not self.facts.options:
            raise ValueError(f"options: {self.library} takes none here")
        if self.classes is not None and not self.facts.classes:
            raise ValueError(f"classes: {self.library} takes none here")
        return self

    @property
    def facts(self) -> Library:
        """The facts of its library."""
        return libraries[self.library]

    @property
    def called(self) -> str:
        """Its name in texts."""
        return self.title or self.name

    @property
    def source(self) -> str:
        """Where the weights come from, in words."""
        if self.weights.hub is not None:
            return f"{self.library} {self.weights.hub}"
        unpublished = not self.facts.publishes and self.weights.origin is None
        return "none are published" if unpublished else str(self.weights)

    def enlarges_to(self, requested: int | None) -> int | None:
        """Return the side that smaller pictures are enlarged to, in pixels; ``None`` for none.

        Args:
            requested: side that a recipe asks for; a captioner has one of its own.
        """
        return self.size if self.facts.one_size else requested

    def child(self, path: str) -> str:
        """Return the name of a module inside its stage.

        >>> find_backbone("vgg19").child("features.34")
        'conv5_4'
        """
        return self.names.get(path, path.replace(".", "_"))


_PACKAGED = Packaged("backbones", "backbone", Backbone)


def backbone_names() -> list[str]:
    """Return the names of the backbones inside the package, sorted."""
    return _PACKAGED.names()


def find_backbone(name: str) -> Backbone:
    """Return a backbone by its name, by what its library calls it, or from a file.

    >>> find_backbone("tf_efficientnet_lite0").name
    'efficientnet_lite0'

    Raises:
        RecipeError: there is none, or the file does not hold together.
    """
    names = backbone_names()
    if name not in names and not is_file_name(name):
        records = (find_backbone(known) for known in names)
        same = [record for record in records if record.architecture == name]
        if not same:
            raise RecipeError(f"unknown backbone {name}{did_you_mean(name, names)}")
        return same[0]
    return _PACKAGED.load(name)
