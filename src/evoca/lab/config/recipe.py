"""A recipe: everything that decides what a model becomes, validated strictly."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from evoca.errors import EvocaError, did_you_mean
from evoca.images.preprocess import Preprocessing
from evoca.lab.config.backbone import Backbone, find_backbone
from evoca.lab.config.base import (
    Packaged,
    RecipeError,
    SettingError,
    apply_setting,
    as_settings,
    is_file_name,
)
from evoca.lab.config.models import Model, Pretrained
from evoca.lab.config.profile import load_profile
from evoca.lab.config.search import Search, read_space
from evoca.lab.config.step import Step
from evoca.lab.config.summary import GENERATED, Changes, changed_keys, described
from evoca.strict import Strict

__all__ = [
    "AnyHead",
    "Head",
    "Protocol",
    "Recipe",
    "RecipeError",
    "Sources",
    "SvmHead",
    "load_recipe",
    "named_recipes",
    "recipe_names",
]

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Head(Strict):
    """The classifier on the averaged features: multinomial logistic regression.

    Attributes:
        kind: ``linear``, whose evidence map is exactly additive.
        c_grid: candidates for the inverse L2 penalty, on standardised features whose
            mean squared norm is 100; inner folds choose by likelihood.
        affect_grid: candidates for the penalty of a ridge regression of valence and arousal
            on the same features, where several sources are learnt from and any is rated;
            inner folds choose by squared error.
    """

    after_steps: ClassVar[bool] = False
    """Whether it is fitted on the vectors of a network that steps have trained."""

    kind: Literal["linear"] = "linear"
    c_grid: Annotated[tuple[_Positive, ...], Field(min_length=1)]
    affect_grid: Annotated[tuple[_Positive, ...], Field(min_length=1)] = (30, 100, 300, 1000)

    def in_words(self, *, after_steps: bool = False) -> str:
        """Return a sentence on what is fitted; empty after steps, which train its like."""
        if after_steps:
            return ""
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

    after_steps: ClassVar[bool] = True

    kind: Literal["svm"]
    c_grid: Annotated[tuple[_Positive, ...], Field(min_length=1)]
    gamma: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    standardise: bool = True

    def in_words(self, *, after_steps: bool = False) -> str:
        """Return a sentence on what is fitted, and what chooses."""
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
"""Any of them, distinguished by ``kind``."""


class Protocol(Strict):
    """How the recipe is measured and calibrated.

    Attributes:
        folds: outer folds, stratified and grouped.
        inner_folds: folds inside each training part that choose the penalty, the
            temperature and the set threshold.
        repeats: repetitions with other folds.
        seed: of the first repeat; repeat r uses seed + r.
        coverage: of the prediction sets.
        validation: share of the training images that is set aside to choose, where the
            data name no validation images.
    """

    folds: int = Field(default=5, ge=2)
    inner_folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=3, ge=1)
    seed: int = Field(default=0, ge=0)
    coverage: float = Field(default=0.9, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, le=0.5)


_Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
_Weights = Annotated[tuple[_Weight, ...], Field(min_length=1)]
_Rating = Annotated[float, Field(allow_inf_nan=False)]
_Scale = tuple[_Rating, _Rating]


class Sources(Strict):
    """How several sources of labelled images are learnt from together.

    Attributes:
        weights: candidates for what an image of any source but the first counts, an image of
            the first counting 1. Inner folds choose by the likelihood averaged over the
            sources; a recipe with steps takes a single one, which a search may try.
        by_name: candidates by a source's name, where they are to differ.
        scales: lowest and highest rating of valence and arousal by a source's name, where
            no reader states it.
        scale: that all ratings are brought to.
    """

    weights: _Weights = (0.3, 1.0)
    by_name: dict[str, _Weights] = Field(default_factory=dict)
    scales: dict[str, _Scale] = Field(default_factory=dict)
    scale: _Scale = (1.0, 9.0)

    @model_validator(mode="after")
    def _scales_rise(self) -> Self:
        for low, high in (self.scale, *self.scales.values()):
            if not low < high:
                raise ValueError("scales: the lowest rating, then the highest")
        return self

    def candidates(self, names: Sequence[str]) -> list[tuple[float, ...]]:
        """Return candidates for the weights of some sources, the first of them 1.

        Raises:
            RecipeError: a weight is given for a source that is none of them.
        """
        if unknown := sorted(set(self.by_name) - set(names[1:])):
            raise RecipeError(
                f"sources.by_name: no source but the first is called {unknown[0]}: they are "
                f"{', '.join(names[1:])}"
            )
        free = [name for name in names[1:] if name not in self.by_name]
        own = [self.by_name[name] for name in names[1:] if name in self.by_name]
        found = []
        for shared in self.weights if free else (1.0,):
            for chosen in product(*own):
                given = dict(zip([n for n in names[1:] if n in self.by_name], chosen, strict=True))
                found.append((1.0, *(given.get(name, shared) for name in names[1:])))
        return found


class Recipe(Strict):
    """A system that can be trained, cross-validated and exported.

    Attributes:
        name: its name on the command line.
        summary: one sentence; in a file it may name ``{backbone}`` and more, see
            :mod:`evoca.lab.config.summary`.
        paper: key of the paper it follows.
        published: name of the paper's system whose figures it is compared with.
        left_open: what the paper does not state, and what is done here, by topic.
        model: the network.
        backbones: records of backbones that the package does not have.
        preprocessing: how pictures become its input; copied into the bundle.
        head: the classifier on features that are not trained; or the one that takes the
            place of a network's own after its steps.
        steps: how any other network is trained.
        merge: groups of emotions that are one class each, such as ``[[anger, fear]]``.
        protocol: how it is measured and calibrated.
        sources: how several sources are learnt from together; without effect on one.
        search: settings to try, for ``evoca search``.
        profile: name of the profile that changed it; see :mod:`evoca.lab.config.profile`.
        stand_ins: key of a network that a profile or a setting replaced, such as
            ``backbone``, to what texts call the network that it stands in for.
    """

    name: str
    summary: str
    paper: str | None = None
    published: str | None = None
    left_open: dict[str, str] = Field(default_factory=dict)
    model: Model
    backbones: tuple[Backbone, ...] = ()
    preprocessing: Preprocessing
    head: AnyHead | None = None
    steps: tuple[Step, ...] = ()
    merge: tuple[tuple[str, ...], ...] = ()
    protocol: Protocol = Protocol()
    sources: Sources = Sources()
    search: Search | None = None
    profile: str | None = None
    stand_ins: dict[str, str] = Field(default_factory=dict)

    @field_validator("merge", mode="before")
    @classmethod
    def _groups_of_labels(cls, merge: Any) -> Any:
        groups = merge if isinstance(merge, list | tuple) else [merge]
        if not all(isinstance(group, list | tuple) and len(group) > 1 for group in groups):
            raise ValueError("groups of at least two emotions, such as [[anger, fear]]")
        labels = [label for group in groups for label in group]
        if twice := sorted({str(label) for label in labels if labels.count(label) > 1}):
            raise ValueError(f"{twice[0]} is there twice")
        return merge

    @model_validator(mode="after")
    def _trained_one_way(self) -> Self:
        system = self.model.system
        by, steps, head = self.model.trained_by, bool(self.steps), self.head
        if by == "nothing" and (head is not None or steps):
            raise ValueError(f"a {system} has neither a head nor steps")
        if by == "head" and (head is None or steps):
            raise ValueError(f"a {system} has a head and no steps")
        if by == "steps" and not steps:
            raise ValueError(f"a {system} needs steps to train")
        if by == "steps" and isinstance(head, Head):
            raise ValueError(f"a {system} learns its layer in its steps; a head after them is svm")
        if by == "steps" and head is not None and not self.model.takes_svm:
            raise ValueError(f"a {system} has no head of kind svm")
        names = [step.name for step in self.steps]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"steps: two are called {twice[0]}")
        return self

    @model_validator(mode="after")
    def _learns_what_it_predicts(self) -> Self:
        self.model.check_steps(self.steps, head=self.head is not None)
        return self

    @property
    def backbone(self) -> Backbone:
        """The record of its backbone: its own first, then the package's.

        Raises:
            RecipeError: there is none of this name, or the features need no network.
        """
        own = self.model.slots().get("backbone")
        if own is None:
            raise RecipeError(f"{self.name}: {self.model.system} has no backbone")
        return self.record_of(own)

    def record_of(self, network: Pretrained) -> Backbone:
        """Return the record of one of its networks: its own first, then the package's.

        Raises:
            RecipeError: there is none of this name.
        """
        own = [record for record in self.backbones if record.name == network.backbone]
        return own[0] if own else find_backbone(network.backbone)

    @property
    def from_scratch(self) -> bool:
        """Whether its backbone starts at random."""
        own = self.model.slots().get("backbone")
        return own is not None and own.weights == "random"

    @property
    def additive_probe(self) -> bool:
        """Whether a linear layer is fitted on averaged maps, so that its evidence map is exact."""
        return self.model.has_exact_map()

    def search_space(self, space: Search | str | Path | None = None) -> Search:
        """Return the settings to try on it: those of a file or a value, else its own.

        Raises:
            RecipeError: there are none, or a search could not score it.
            EvocaError: the file cannot be read.
        """
        space = self.search if space is None else space
        if space is None:
            raise RecipeError(f"{self.name}: names nothing to search: give a file with --space")
        if not self.steps:
            raise RecipeError(f"{self.name}: has no steps to train; its inner folds choose already")
        if self.head is not None:
            raise RecipeError(
                f"{self.name}: a search scores its steps, not the machine after them: search with "
                "--set head=null, or evoca sweep a cross-validation"
            )
        return space if isinstance(space, Search) else read_space(space)


_PACKAGED = Packaged("recipes", "recipe", Recipe)


def recipe_names() -> list[str]:
    """Return the names of the recipes inside the package, sorted."""
    return _PACKAGED.names()


def named_recipes(patterns: str | Sequence[str]) -> list[str]:
    """Return the packaged recipes that any pattern matches, sorted; all of them for none.

    >>> named_recipes("najid2018-resnet101-fc*")
    ['najid2018-resnet101-fc', 'najid2018-resnet101-fc-shuffle']

    Raises:
        EvocaError: a pattern matches none.
    """
    wanted = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    known = recipe_names()
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise EvocaError(f"--recipe {pattern}: no such recipe{did_you_mean(pattern, known)}")
    return [name for name in known if any(fnmatchcase(name, p) for p in wanted or ("*",))]


def load_recipe(
    name: str | Path, overrides: str | Sequence[str] = (), profile: str | Path | None = None
) -> Recipe:
    """Return a recipe by name, or from a ``.yaml`` file.

    >>> load_recipe("colour-svm", "protocol.folds=2").protocol.folds
    2

    Args:
        name: a name in :func:`recipe_names`, or the path of a file.
        overrides: one or several ``KEY=VALUE``, the key dotted, the value in YAML, such as
            ``model.backbone=efficientnet_lite0`` or ``steps.*.epochs=2``.
        profile: name or file of a profile, which is applied before the overrides.

    Raises:
        RecipeError: unknown name, unknown key (the nearest one is named), bad value, a key
            that records what was done, or a file that records a profile it does not follow.
    """
    name, settings = str(name), as_settings(overrides)
    profile = None if profile is None else str(profile)
    content = _PACKAGED.read(name)
    beside = Path(name).parent if is_file_name(name) else Path()
    own = _validated(name, content, beside)
    if _PACKAGED.is_whole(name):
        before, profiled = _written_down(name, own)
        if before is not own and _is_generated(own.summary, before, profiled):
            content["summary"] = before.summary
    else:
        before = profiled = _validated(name, _PACKAGED.read_described(name), beside)
    if profile is not None:
        content = load_profile(profile).changed(
            own.model_copy(update={"summary": content["summary"]})
        )
    for override in settings:
        _refuse_recorded(override)
        apply_setting(content, override)
    changes = Changes(settings, Path(name).name, changed_keys(profiled, own))
    return described(_validated(name, content, beside), before, changes)


def _written_down(name: str, own: Recipe) -> tuple[Recipe, Recipe]:
    """Return the recipe of the package that a whole file was made from, or the file's own.

    Returns:
        It as it is, and under the profile that the file records.

    Raises:
        RecipeError: the file does not follow the profile that it records.
    """
    known = own.name in recipe_names()
    before = _validated(own.name, _PACKAGED.read(own.name), Path()) if known else _copied(own)
    if own.profile is None:
        return before, before
    if not known:
        raise RecipeError(
            f"{name}: profile: records that one was applied to a recipe of the package, and none "
            f"is called {own.name}: leave it out, or give it with --profile"
        )
    under = _validated(own.name, load_profile(own.profile).changed(before), Path())
    changed = set(changed_keys(before, under))
    if undone := sorted(changed & set(changed_keys(under, own))):
        raise RecipeError(
            f"{name}: profile: {own.profile} gives another {undone[0]}: leave the profile out, or "
            "give it with --profile"
        )
    return before, under


def _copied(own: Recipe) -> Recipe:
    """Return the recipe of the package whose sentence a file has under another name, or its own.

    Only those of the same paper are compared, and those that stand for no paper.
    """
    for name in recipe_names():
        content = _PACKAGED.read(name)
        if content.get("paper") == own.paper:
            recipe = _validated(name, content, Path())
            if described(recipe, recipe, Changes()).summary == own.summary:
                return recipe
    return own


def _is_generated(summary: str, before: Recipe, profiled: Recipe) -> bool:
    """Whether a summary was generated from the package's, not written by the user."""
    written = described(profiled, before, Changes()).summary
    return summary == written or any(mark in summary for mark in GENERATED)


def _refuse_recorded(override: str) -> None:
    key = override.partition("=")[0].split(".")[0]
    if key in {"name", "profile", "stand_ins"}:
        how = ": give the profile with --profile" if key == "profile" else ""
        raise SettingError(override, f"{key} records what a recipe is, no setting{how}")


def _validated(name: str, content: dict[str, Any], beside: Path) -> Recipe:
    _take_in_backbones(content, beside)
    recipe = _PACKAGED.validated(name, content)
    # Missing files are reported now, not when the training starts.
    for network in recipe.model.networks():
        recipe.record_of(network)
    recipe.model.check_files()
    return recipe


def _take_in_backbones(content: dict[str, Any], beside: Path) -> None:
    """Copy the records of backbones' files into the recipe, so that a run is complete."""
    model = content.get("model")
    parts = [model, *model.values()] if isinstance(model, dict) else []
    parts += [own for part in parts if isinstance(part, list) for own in part]
    for part in parts:
        named = part.get("backbone") if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(named, str) or not is_file_name(named):
            continue
        near = beside / named
        record = find_backbone(str(near if near.is_file() else named))
        part["backbone"] = record.name
        others = [own for own in content.get("backbones", ()) if own["name"] != record.name]
        content["backbones"] = [*others, record.model_dump(mode="json")]
