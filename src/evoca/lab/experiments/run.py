"""The one door to training: any recipe, on any labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import EvocaError, OptionError
from evoca.lab.config.recipe import Recipe, load_recipe
from evoca.lab.experiments import probing
from evoca.lab.experiments.finetune import train_steps
from evoca.lab.experiments.finetune_cv import crossval_steps
from evoca.lab.experiments.finetune_fold import Tune
from evoca.lab.experiments.finished import CROSS_VALIDATION, TRAINING, difference
from evoca.lab.experiments.labelled import Data, labelled_images
from evoca.lab.experiments.probing_sources import evaluate_sources, train_sources
from evoca.lab.models import build_system
from evoca.lab.training.freezing import System
from evoca.lab.training.machine import RunOptions, require_available
from evoca.runs import Run, finished_run, new_run
from evoca.runs.result import Result

__all__ = ["build", "cross_validate", "recipe_of", "train", "unused_options"]


def train(
    recipe: Recipe | str | Path,
    data: Data,
    out: str | Path,
    *,
    settings: str | Sequence[str] = (),
    profile: str | Path | None = None,
    options: RunOptions | None = None,
    resume: bool = False,
    data_name: str | None = None,
    without_copies: bool = False,
) -> Result | None:
    """Return the scores of a recipe trained on labelled images, and write the run directory.

    Scores are of the test images where the data name some. Otherwise a recipe with steps is
    scored on its validation images, which have chosen, and records this; one without is
    cross-validated on what it is trained on.

    An example that runs stands in ``docs/recipes.md`` under "From Python".

    Args:
        recipe: a packaged recipe's name, a file, or a recipe.
        data: a manifest, a folder of class folders, or labelled images; or several of these,
            each of which teaches what its own vocabulary says about the labels of the first
            (see :mod:`evoca.data.teaching`).
        out: the run directory; unfinished work stays in it.
        settings: ``KEY=VALUE`` of a recipe that is named, one or several.
        profile: packaged changes for a smaller machine, of a recipe that is named.
        options: where and how to run.
        resume: go on with an unfinished run, and read a finished one; start where ``out``
            is fresh.
        data_name: what to call the data in the card; the folder's or file's own name if
            omitted.
        without_copies: score no image that has a copy among the training images.

    Returns:
        The scores; ``None`` in all but the first of several processes.

    Raises:
        EvocaError: the recipe, the data or the folder cannot be used, or ``out`` holds a
            finished run of something else.
        KeyboardInterrupt: stopped on request, after saving.
    """
    options = options or RunOptions()
    recipe, out = recipe_of(recipe, settings, profile), Path(out)
    images = labelled_images(data, options.say, recipe)
    _require_meant(recipe, options)
    if resume and (done := finished_run(out)) is not None:
        _require_same_copies(done, without_copies=without_copies)
        _require_same(done, recipe, images, TRAINING)
        return done.result
    if recipe.steps:
        return train_steps(
            recipe,
            build,
            images,
            out,
            options,
            resume=resume,
            data_name=data_name,
            without_copies=without_copies,
        )
    if images.teaching is not None:
        return train_sources(recipe, images, out, options, data_name=data_name)
    return probing.train(
        recipe,
        images,
        out,
        options.announce,
        say=options.say,
        data_name=data_name,
        cache=options.cache_folder,
        workers=options.workers,
        without_copies=without_copies,
        deletion=options.deletion_test,
    ).result


def cross_validate(
    recipe: Recipe | str | Path,
    data: Data,
    out: str | Path | None = None,
    *,
    settings: str | Sequence[str] = (),
    profile: str | Path | None = None,
    options: RunOptions | None = None,
    resume: bool = False,
    tune: Tune | None = None,
    leave_out: str | None = None,
) -> Result:
    """Return the scores of a cross-validation; all choices are made inside training parts.

    Folds, repeats and seed are the recipe's (``protocol``). Images of the split ``test`` stay
    unseen; near copies stay in one fold.

    An example that runs stands in ``docs/recipes.md`` under "From Python".

    Args:
        recipe: as for :func:`train`.
        data: as for :func:`train`.
        out: the run directory; nothing is stored if omitted.
        settings: as for :func:`train`.
        profile: as for :func:`train`.
        options: where and how to run.
        resume: go on with an unfinished run, and read a finished one.
        tune: chooses a fold's recipe from its training part alone, such as a search; for
            recipes with steps.
        leave_out: name of one of several sources, see :func:`evoca.data.sources.source_names`:
            it is predicted once, taught by all others, in place of folds.

    Raises:
        EvocaError: the recipe, the data or the folder cannot be used, or ``out`` holds a
            finished run of something else.
        KeyboardInterrupt: stopped on request, after saving.
    """
    options = options or RunOptions()
    recipe = recipe_of(recipe, settings, profile)
    images = labelled_images(data, options.say, recipe)
    if leave_out is not None and images.teaching is None:
        raise OptionError(
            {"leave_out": leave_out}, "leaves out one of several sources: give each as data"
        )
    out = None if out is None else Path(out)
    _require_meant(recipe, options)
    if resume and out is None:
        raise OptionError({"resume": ""}, "goes on with a run directory: name it with out")
    done = finished_run(out) if resume and out is not None and tune is None else None
    if done is not None:
        _require_same(done, recipe, images, CROSS_VALIDATION)
        return done.result
    if recipe.steps:
        return crossval_steps(
            recipe, build, images, out, options, resume=resume, tune=tune, leave_out=leave_out
        )
    if tune is not None:
        raise EvocaError(f"{recipe.name}: has no steps to train; its inner folds choose already")
    if images.teaching is not None:
        return evaluate_sources(recipe, images, options, out, leave_out=leave_out)
    if out is None:
        return _probed(recipe, images, options).result
    with new_run(out) as folder:
        found = _probed(recipe, images, options)
        probing.write_run(folder, recipe, found.prepared, found.result)
    return found.result


def _probed(recipe: Recipe, images: LabelledImages, options: RunOptions) -> probing.Evaluated:
    return probing.evaluate(
        recipe,
        images,
        options.announce,
        say=options.say,
        cache=options.cache_folder,
        workers=options.workers,
    )


def build(recipe: Recipe, labels: Sequence[str], seed: int) -> System:
    """Return a recipe's system with the pretrained weights it names."""
    return build_system(recipe, labels, seed=seed)


def _require_same(run: Run, recipe: Recipe, data: LabelledImages, kind: str) -> None:
    """Refuse a finished run of something else than what is asked for now.

    Args:
        run: finished.
        recipe: asked for.
        data: asked for.
        kind: :data:`evoca.lab.experiments.finished.TRAINING` or ``CROSS_VALIDATION``.

    Raises:
        EvocaError: it is of another kind, recipe or settings, or of other images, splits or
            groups.
    """
    if other := difference(run.description, recipe, data, kind):
        raise EvocaError(f"{run.path}: a finished run of {other}; name another folder")


def _require_same_copies(run: Run, *, without_copies: bool) -> None:
    """Refuse a finished run that treated copies in another way than is asked for now."""
    about = run.description.get("split", {})
    if "train" in about and bool(about.get("without_copies")) != without_copies:
        how = "without" if about.get("without_copies") else "with"
        raise EvocaError(
            f"{run.path}: a finished run was evaluated {how} copies; name another folder"
        )


def unused_options(recipe: Recipe, options: RunOptions) -> dict[str, object]:
    """Return the options without effect on a recipe without steps, by name.

    Its features are computed by ONNX Runtime on the CPU, in full precision and the same in
    every run, and its head is fitted there.
    """
    if recipe.steps:
        return {}
    given = {
        "accelerator": options.accelerator not in {"auto", "cpu"},
        "devices": options.devices != 1,
        "nodes": options.nodes != 1,
        "strategy": options.strategy != "auto",
        "precision": options.precision not in {"auto", "32", "32-true"},
    }
    return {name: getattr(options, name) for name in given if given[name]}


def _require_meant(recipe: Recipe, options: RunOptions) -> None:
    """Refuse options of the machine that a recipe has no use for, or the machine has not."""
    if unused := unused_options(recipe, options):
        raise OptionError(
            unused,
            f"{recipe.name} has no steps to train: its features are computed on the CPU in full "
            "precision, and its head is fitted there; leave this out",
        )
    require_available(options)


def recipe_of(
    recipe: Recipe | str | Path, settings: str | Sequence[str], profile: str | Path | None
) -> Recipe:
    """Return the recipe that a caller names, with its settings; one that is built as it is.

    Raises:
        EvocaError: it cannot be read, or is built and given settings too.
    """
    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, settings, profile)
    if settings or profile:
        raise EvocaError("settings, profile: they change a recipe that is named, not one built")
    return recipe
