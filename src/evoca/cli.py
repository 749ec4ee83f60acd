"""The command line: parse, call, print. Each command imports what it needs itself, so
that ``evoca --help`` and the completion of a command stay quick.
"""  # noqa: D205

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.options import DataOption, FigureFormat, ProfileOption, SetOption
from evoca.commands.reproduce_cli import app as reproduce_app
from evoca.commands.sweep_cli import app as sweep_app
from evoca.commands.training_cli import app as training_app
from evoca.data.cli import app as data_app
from evoca.exits import finish, leave, open_streams

__all__ = ["app", "main"]

app = typer.Typer(
    name="evoca",
    help="Which emotions does an image evoke in its viewers?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="The models that ship with Evoca.", invoke_without_command=True)
recipes_app = typer.Typer(help="The systems that can be trained.", invoke_without_command=True)
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")
app.add_typer(recipes_app, name="recipes")
app.add_typer(training_app)
app.add_typer(reproduce_app)
app.add_typer(sweep_app)


class PredictFormat(StrEnum):
    """How ``predict`` prints."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Split(StrEnum):
    """Which rows of the data are evaluated on."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    ALL = "all"


class Against(StrEnum):
    """Which run differences are from."""

    FIRST = "first"
    BEST = "best"


class LookFor(StrEnum):
    """What ``report`` tells pictures by."""

    COLOUR = "colour"
    FACES = "faces"
    TEXT = "text"


def _version(wanted: bool) -> None:
    if wanted:
        from evoca import __version__

        print(f"evoca {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A bundled model or a bundle directory (./NAME); EVOCA_MODEL otherwise.",
    ),
]


@app.command()
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Images, folders and addresses (https://...)."),
    ],
    model: _Model = None,
    output: Annotated[
        PredictFormat, typer.Option("--format", help="What to print.")
    ] = PredictFormat.TABLE,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, metavar="K", help="Show the K likeliest in the table."),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="DIR",
            help="Write each image into DIR with its evidence map and distribution.",
        ),
    ] = None,
    read_text: Annotated[
        str | None,
        typer.Option(
            "--read-text",
            metavar="SCORER",
            help="Read the text in the images; SCORER (MODULE:CALLABLE) tells what it evokes.",
        ),
    ] = None,
    text_weight: Annotated[
        float | None,
        typer.Option(
            "--text-weight",
            min=0.0,
            max=1.0,
            help="How much that text counts.",
            show_default="0.25",
        ),
    ] = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-network",
            metavar="NETWORK",
            help="Let an address lead to a network that is not public, such as 127.0.0.1.",
        ),
    ] = None,
) -> None:
    """Predict which emotions images evoke in their viewers."""
    if text_weight is not None and read_text is None:
        raise typer.BadParameter("--text-weight is for --read-text, which names a scorer")

    def call() -> int:
        from evoca.commands.predict import predict as run

        return run(
            paths,
            model=model,
            output=output.value,
            top=top,
            explain=explain,
            read_text=read_text,
            text_weight=0.25 if text_weight is None else text_weight,
            networks=allow_network or [],
        )

    finish(call)


@models_app.callback()
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        models_list()


@models_app.command("list")
def models_list() -> None:
    """List the bundled models."""

    def call() -> None:
        from evoca.commands.models import list_models

        list_models()

    finish(call)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="A bundled model's name or a bundle directory.")],
) -> None:
    """Show a model's figures, provenance and terms."""

    def call() -> None:
        from evoca.commands.models import show_model

        show_model(name)

    finish(call)


@models_app.command("card")
def models_card(
    name: Annotated[str, typer.Argument(help="A bundle directory.")],
    probe: Annotated[
        Path | None,
        typer.Option("--probe", metavar="FILE", help="Put this robustness probe into it first."),
    ] = None,
    evaluations: Annotated[
        list[str] | None,
        typer.Option(
            "--evaluation",
            metavar="WORDS=RUN",
            help="Put this evaluation on other pictures, named in words, into it first; "
            "repeatable: all together replace those that are there.",
        ),
    ] = None,
    cautions: Annotated[
        list[str] | None,
        typer.Option(
            "--caution",
            metavar="SENTENCE",
            help="Put this sentence about the figures into it first; repeatable: likewise.",
        ),
    ] = None,
) -> None:
    """Write a bundle's README.md again from its model.json."""
    named = {}
    for one in evaluations or []:
        words, equals, run = one.rpartition("=")
        if not (words.strip() and equals and run):
            raise typer.BadParameter(f"{one!r} is not WORDS=RUN", param_hint="--evaluation")
        named[words.strip()] = run

    def call() -> None:
        from evoca.commands.models import write_card

        write_card(name, probe, named, cautions or ())

    finish(call)


@app.command()
def doctor() -> None:
    """Say what is installed, which engine and model would be used, and what is wrong."""

    def call() -> int:
        from evoca.commands.doctor import doctor as run

        return run()

    finish(call)


@recipes_app.callback()
def _recipes(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        recipes_list()


@recipes_app.command("list")
def recipes_list() -> None:
    """List the recipes."""

    def call() -> None:
        from evoca.commands.recipes import list_recipes

        list_recipes()

    finish(call)


@recipes_app.command("show")
def recipes_show(
    name: Annotated[str, typer.Argument(help="A recipe's name or file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting first; repeatable."),
    ] = None,
    profile: ProfileOption = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print every setting, as a recipe's file has it.")
    ] = False,
) -> None:
    """Explain a recipe: its network, what is trained when, what its paper leaves open."""

    def call() -> None:
        from evoca.commands.recipes import show_recipe

        show_recipe(name, settings or [], profile, as_yaml=as_yaml)

    finish(call)


@recipes_app.command("backbones")
def recipes_backbones() -> None:
    """List the pretrained networks that recipes can name."""

    def call() -> None:
        from evoca.commands.recipes import list_backbones

        list_backbones()

    finish(call)


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A bundle, a bundled model's name, or a table of predictions."
        ),
    ],
    data: DataOption,
    split: Annotated[
        Split, typer.Option("--split", help="Which rows; all where none has a split.")
    ] = Split.TEST,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="What to print.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Write a run directory too.")
    ] = None,
    restrict: Annotated[
        bool,
        typer.Option(
            "--restrict", help="Let the model choose among shared labels with an image alone."
        ),
    ] = False,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Of the bootstrap.")] = 1000,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Evaluate although no image has some label."),
    ] = False,
    without_copies: Annotated[
        bool,
        typer.Option(
            "--without-copies", help="Leave out images that the model knows, and copies of them."
        ),
    ] = False,
) -> None:
    """Judge a model on labelled images, every figure with its interval."""

    def call() -> int:
        from evoca.commands.evaluate import evaluate as run
        from evoca.evaluation import Options

        options = Options(
            split=split.value,
            restrict=restrict,
            draws=draws,
            allow_missing=allow_missing,
            without_copies=without_copies,
        )
        return run(model, data, options, output=output.value, out=out)

    finish(call)


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run directories; the first is the one to beat."),
    ],
    metric: Annotated[str, typer.Option("--metric", help="The figure to compare.")] = "accuracy",
    against: Annotated[
        Against, typer.Option("--against", help="Which run differences are from.")
    ] = Against.FIRST,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="What to print.")
    ] = FigureFormat.TABLE,
    draws: Annotated[
        int, typer.Option("--draws", min=1, help="Of the bootstrap and of the permutations.")
    ] = 1000,
) -> None:
    """Compare runs on the images they share, with intervals and significance."""

    def call() -> None:
        from evoca.commands.compare import compare as run

        run(runs, metric=metric, against=against.value, output=output.value, draws=draws)

    finish(call)


@app.command()
def matrix(
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="MANIFEST", help="A data set, a column; repeatable."),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="A model, a row; repeatable."),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe", metavar="RECIPE", help="Trained on each data set, a row each; repeatable."
        ),
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="The figure to show.")] = "accuracy",
    split: Annotated[
        Split, typer.Option("--split", help="Which rows; all where none has a split.")
    ] = Split.TEST,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="What to print.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep every run; go on where it was left."),
    ] = None,
    restrict: Annotated[
        bool,
        typer.Option(
            "--restrict", help="Let the model choose among shared labels with an image alone."
        ),
    ] = False,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Of the bootstrap.")] = 1000,
    without_copies: Annotated[
        bool,
        typer.Option(
            "--without-copies", help="Leave out images that a model knows, and copies of them."
        ),
    ] = False,
    settings: SetOption = None,
) -> None:
    """Judge models, or recipes trained on each data set, on every data set."""

    def call() -> int:
        from evoca.commands.matrix import matrix as run
        from evoca.evaluation import Options

        return run(
            models or [],
            recipes or [],
            data,
            Options(
                split=split.value, restrict=restrict, draws=draws, without_copies=without_copies
            ),
            metric=metric,
            output=output.value,
            out=out,
            settings=settings or [],
        )

    finish(call)


@app.command()
def probe(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundle directory or a bundled model's name.")
    ],
    data: Annotated[
        Path,
        typer.Option("--data", metavar="MANIFEST", help="A manifest, or a folder of images."),
    ],
    split: Annotated[
        Split, typer.Option("--split", help="Which rows; all where none has a split.")
    ] = Split.ALL,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="At most N pictures, spread evenly."),
    ] = None,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="What to print.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="RUN", help="Write probe.json into it, or a file.json."),
    ] = None,
) -> None:
    """Measure how predictions move under compression, blur, crops, colour and hidden faces."""

    def call() -> int:
        from evoca.commands.probe import probe as run

        return run(model, data, split=split.value, limit=limit, output=output.value, out=out)

    finish(call)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="The page to write.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="MANIFEST",
            help="Where the images are; by default where the first run found them.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A bundle whose evidence maps to show beside the images."),
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Hold small copies of the images.")
    ] = True,
    look_for: Annotated[
        LookFor,
        typer.Option(
            "--look-for",
            help="What to tell pictures by: text takes most of a second each (extra vision).",
        ),
    ] = LookFor.FACES,
    max_images: Annotated[
        int, typer.Option("--max-images", min=1, metavar="N", help="No more than these.")
    ] = 5000,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            metavar="FILE",
            help="What evoca probe found; by default probe.json in the run directory.",
        ),
    ] = None,
) -> None:
    """Write what runs found as one HTML page that opens offline."""

    def call() -> None:
        from evoca.commands.report import report as run

        run(
            runs,
            out,
            data=data,
            model=model,
            images=images,
            look_for=look_for.value,
            max_images=max_images,
            probe=probe,
        )

    finish(call)


@app.command("export")
def export_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory of train.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The bundle to write.")],
) -> None:
    """Export a trained run to a model bundle."""

    def call() -> None:
        from evoca.commands.lab import export

        export(run, out)

    finish(call)


def main() -> None:
    """Run the command line."""
    open_streams()
    leave(app)
