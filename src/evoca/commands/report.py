"""``evoca report``: what runs found, as one HTML page. Needs the extra ``eval``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.commands.progress import steps
from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import DataError, MissingExtraError
from evoca.runs import Run, read_run
from evoca.runs.robustness import PROBE_FILE, Probe, read_probe
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.predictor import Predictor, load
from evoca.terminal import clean, console_for

if TYPE_CHECKING:
    from evoca.report.image_traits import LookFor

__all__ = ["report"]

_DEFAULT = "default"


def report(
    folders: Sequence[Path],
    out: Path,
    *,
    data: Path | None,
    model: str | None,
    images: bool,
    look_for: LookFor,
    max_images: int,
    probe: Path | None,
) -> None:
    """Write the page and say where it is.

    Raises:
        EvocaError: a run, the data or the model cannot be used; Jinja is missing.
    """
    try:
        from evoca.report import build_report
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evoca"):
            raise
        raise MissingExtraError("evoca report", "eval", "jinja2") from error
    if out.is_dir() or out.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{out}: name a file that ends in .html")
    runs = [read_run(folder) for folder in folders]
    probed = _probe(runs, probe)
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise DataError("the same run is named twice: a page tells of each run once")
    labelled = _data(runs, data, images=images)
    pictured = images and labelled is not None
    models = _models(runs, model) if pictured else [None] * len(runs)
    with steps() as step:
        built = build_report(
            runs,
            out,
            labelled,
            step,
            models=models,
            images=pictured,
            look_for=look_for,
            most_images=max_images,
            probe=probed,
            left_out=not images,
        )
    for note in built.notes:
        print(f"evoca: {clean(note)}", file=sys.stderr)
    shown = f"{built.images:,} images" if built.images else "no images"
    console_for().print(f"{clean(str(out))}: {built.size / 1e6:.1f} MB, {shown}", soft_wrap=True)


def _probe(runs: Sequence[Run], file: Path | None) -> Probe | None:
    """Read the named probe, which must be of one run."""
    if file is None:
        return None
    if len(runs) > 1:
        raise DataError(
            f"--probe {file}: whose is it, of {len(runs)} runs? Put each probe into its run "
            f"directory as {PROBE_FILE}: evoca probe MODEL --data DATA --out RUN does"
        )
    return read_probe(file)


def _data(runs: Sequence[Run], data: Path | None, *, images: bool) -> LabelledImages | None:
    """Read where the images are: as told, or where the first run says they were."""
    if data is not None:
        return load_labelled(data, require_files=False)
    if not images:
        return None
    recorded = runs[0].description.get("data")
    location = recorded.get("location") if isinstance(recorded, dict) else None
    if isinstance(location, str) and Path(location).exists():
        return load_labelled(location, require_files=False)
    print(
        "evoca: the page holds no images: name the manifest or folder with --data (or say "
        "--no-images)",
        file=sys.stderr,
    )
    return None


def _models(runs: Sequence[Run], model: str | None) -> list[Predictor | None]:
    """Choose whose evidence maps each run shows: the named model's, else the bundled one's."""
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
