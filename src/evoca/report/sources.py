"""What a report of runs is made from: robustness test, images and models, named or found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import DataError
from evoca.runs import Run
from evoca.runs.robustness import ROBUSTNESS_FILE, RobustnessResult, read_robustness
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.predictor import Predictor, load
from evoca.words import counted

__all__ = ["images_of", "models_of", "robustness_of"]

_DEFAULT = "default"


def robustness_of(runs: Sequence[Run], file: Path | None) -> RobustnessResult | None:
    """Return the named robustness test, which must be of one run; ``None`` where none is named.

    Raises:
        DataError: it cannot be read, there are several runs, or one is there twice.
    """
    if file is not None and len(runs) > 1:
        raise DataError(
            f"--probe {file}: whose is it, of {counted(len(runs), 'run')}? Put each file into its "
            f"run directory as {ROBUSTNESS_FILE}: evoca probe MODEL --data DATA --out RUN does"
        )
    found = None if file is None else read_robustness(file)
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise DataError("the same run is named twice: a page shows each run once")
    return found


def images_of(runs: Sequence[Run], data: Path | None, *, wanted: bool) -> LabelledImages | None:
    """Return the images of a named place, or of the place that the first run records.

    Args:
        runs: at least one.
        data: a manifest or a folder; ``None`` where none is named.
        wanted: whether to look at the place that the run records.

    Returns:
        ``None`` where no image is wanted, or the recorded place is not there.

    Raises:
        DataError: the images cannot be read.
    """
    if data is not None:
        return load_labelled(data, require_files=False)
    recorded = runs[0].description.get("data")
    location = recorded.get("location") if isinstance(recorded, dict) else None
    if wanted and isinstance(location, str) and Path(location).exists():
        return load_labelled(location, require_files=False)
    return None


def models_of(runs: Sequence[Run], model: str | None) -> list[Predictor | None]:
    """Return the model of each run's evidence maps: the named one, else the bundled one.

    Args:
        runs: at least one.
        model: a bundle; ``None`` for the bundled one, where it is of the run's recipe.

    Raises:
        DataError: the labels of the named model are those of no run.
        BundleError: it cannot be opened.
    """
    if model is not None:
        named = load(model)
        fitting = [
            named if set(run.predictions.labels) == set(named.labels) else None for run in runs
        ]
        if all(one is None for one in fitting):
            raise DataError(f"{model}: its labels are not those of any run, so no map fits")
        return fitting
    bundled = bundled_models()[_DEFAULT]
    card = read_bundle(bundled).card
    own = [run.recipe in (card.provenance.recipe, card.name) for run in runs]
    default = load(bundled) if any(own) else None
    return [default if one else None for one in own]
