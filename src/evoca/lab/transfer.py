"""A recipe trained on each of several data sets, to be evaluated on the others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError
from evoca.evaluation import Row, model_system
from evoca.images import printable_name
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.finished import TRAINING, difference
from evoca.lab.experiments.run import recipe_of, train
from evoca.lab.export import export_bundle
from evoca.lab.training.machine import RunOptions
from evoca.runs import read_run
from evoca.runs.evaluated_on import EvaluatedOn, evaluated_on
from evoca.runs.provenance import code_version
from evoca.runtime.predictor import load

__all__ = ["trained_rows"]

_PROTOCOLS = {
    EvaluatedOn.FOLDS: "cross-validated",
    EvaluatedOn.PLAIN_FOLDS: "cross-validated",
    EvaluatedOn.TEST: "tested",
    EvaluatedOn.VALIDATION: "validation",
}


def trained_rows(
    recipe: Recipe | str | Path,
    columns: Mapping[str, LabelledImages],
    out: str | Path | None = None,
    *,
    settings: str | Sequence[str] = (),
    profile: str | Path | None = None,
    options: RunOptions | None = None,
) -> list[Row]:
    """Return a row of the matrix for each data set: the recipe, trained and exported on it.

    An example that runs stands in ``docs/recipes.md`` under "Searching settings".

    Args:
        recipe: as for :func:`evoca.lab.train`.
        columns: name to labelled images, see :func:`evoca.evaluation.named_data`.
        out: folder for a run and a bundle of each; what is there is not trained again. Nothing
            is stored if omitted.
        settings: as for :func:`evoca.lab.train`.
        profile: as for :func:`evoca.lab.train`.
        options: where and how to run.

    Raises:
        EvocaError: the recipe or the data cannot be used.
        DataError: ``out`` holds a training on other data, with other settings or by another
            version of Evoca.
        KeyboardInterrupt: stopped on request, after saving.
    """
    chosen, options = recipe_of(recipe, settings, profile), options or RunOptions()
    with _folder(out) as folder:
        return [_row(chosen, name, data, folder, options) for name, data in columns.items()]


def _row(recipe: Recipe, name: str, data: LabelledImages, folder: Path, options: RunOptions) -> Row:
    place = folder / f"{recipe.name}--trained-on--{name.replace('/', '_')}"
    run, bundle = place / "run", place / "bundle"
    if not (run / "run.json").is_file():
        train(recipe, data, run, options=options, resume=True, data_name=name)
    if not (bundle / "model.json").is_file():
        export_bundle(run, bundle)
    done = read_run(run)
    other = difference(done.description, recipe, data, TRAINING)
    if other or done.description.get("code") != dict(code_version()):
        raise DataError(
            f"{printable_name(place)}: trained on other data, with other settings or by "
            "another version of Evoca; remove it or name another --out"
        )
    return Row(
        f"{recipe.name} from {name}",
        model_system(load(bundle)),
        learnt_from=data.take(data.split != "test"),
        measured={name: done.metrics},
        protocol=_PROTOCOLS[evaluated_on(done.description["split"]) or EvaluatedOn.FOLDS],
    )


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """Yield the folder that trainings go to: the user's, or one that is removed after."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="evoca-matrix-") as folder:
        yield Path(folder)
