"""``evoca report``: what runs found, as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for
from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import DataError
from evoca.runs import Run, read_run
from evoca.runs.robustness import ROBUSTNESS_FILE, RobustnessResult, read_robustness
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.predictor import Predictor, load

__all__ = ["app", "report"]

app = command_app()


class LookForOption(StrEnum):
    """The traits that ``report`` groups pictures by."""

    COLOUR = "colour"
    FACES = "faces"
    TEXT = "text"


_DEFAULT = "default"


@command(
    app,
    long=True,
    examples=(
        "evoca report runs/first --out report.html",
        "evoca report runs/first runs/second --out report.html --no-images",
    ),
)
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Show these run directories.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Write this page.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="MANIFEST",
            help="Take images from this manifest, not from where the first run found them.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="Show the evidence maps of this bundle beside images."
        ),
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Hold small copies of the images.")
    ] = True,
    look_for: Annotated[
        LookForOption,
        typer.Option(
            "--look-for",
            help="Group pictures by this; text takes most of a second each (extra vision).",
        ),
    ] = LookForOption.FACES,
    max_images: Annotated[
        int, typer.Option("--max-images", min=1, metavar="N", help="Hold at most N images.")
    ] = 5000,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            metavar="FILE",
            help="Show what evoca probe wrote here, not probe.json of the run directory.",
        ),
    ] = None,
) -> None:
    """Write what runs found as one HTML page that opens offline."""
    from evoca.report import build_report

    if out.is_dir() or out.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{out}: name a file that ends in .html")
    opened = [read_run(folder) for folder in runs]
    tested = _robustness(opened, probe)
    if len({run.path.resolve() for run in opened}) < len(opened):
        raise DataError("the same run is named twice: a page shows each run once")
    labelled = _data(opened, data, images=images)
    pictured = images and labelled is not None
    models = _models(opened, model) if pictured else [None] * len(opened)
    with announcing() as announce:
        built = build_report(
            opened,
            out,
            labelled,
            announce,
            models=models,
            images=pictured,
            look_for=look_for.value,
            most_images=max_images,
            robustness=tested,
            left_out=not images,
        )
    for note in built.notes:
        print(f"evoca: {clean(note)}", file=sys.stderr)
    shown = f"{built.images:,} images" if built.images else "no images"
    console_for().print(f"{clean(str(out))}: {built.size / 1e6:.1f} MB, {shown}", soft_wrap=True)


def _robustness(runs: Sequence[Run], file: Path | None) -> RobustnessResult | None:
    """Return the named robustness test, which must be of one run."""
    if file is None:
        return None
    if len(runs) > 1:
        raise DataError(
            f"--probe {file}: whose is it, of {len(runs)} runs? Put each file into its run "
            f"directory as {ROBUSTNESS_FILE}: evoca probe MODEL --data DATA --out RUN does"
        )
    return read_robustness(file)


def _data(runs: Sequence[Run], data: Path | None, *, images: bool) -> LabelledImages | None:
    """Return the images from the named place, or from the place that the first run records."""
    if data is not None:
        return load_labelled(data, require_files=False)
    if not images:
        return None
    recorded = runs[0].description.get("data")
    location = recorded.get("location") if isinstance(recorded, dict) else None
    if isinstance(location, str) and Path(location).exists():
        return load_labelled(location, require_files=False)
    print(
        "evoca: the page holds no images: name the manifest or folder with --data (or give "
        "--no-images)",
        file=sys.stderr,
    )
    return None


def _models(runs: Sequence[Run], model: str | None) -> list[Predictor | None]:
    """Return the model of each run's evidence maps: the named one, else the bundled one."""
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
