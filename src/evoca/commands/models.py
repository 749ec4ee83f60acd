"""``evoca models``: the bundled models, their figures and terms."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.cards import card_document
from evoca.cards.analysis import read_perturbations, with_perturbations
from evoca.cards.card import figure
from evoca.cards.description import require_changeable, write_description
from evoca.cards.elsewhere import with_cautions, with_elsewhere, with_left_out
from evoca.commands.exits import command, command_app, finish
from evoca.commands.options import (
    DataOption,
    InferencePrecisionOption,
    engines_known,
    model_names,
)
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for, say, say_left_out
from evoca.data.manifest.labelled import load_labelled
from evoca.documents import print_document
from evoca.errors import needs_extra
from evoca.images import printable_name
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.conformance import TOLERANCES, Conformance, conformance, opened_engines
from evoca.runtime.fixture import fixture_of, write_fixture
from evoca.runtime.predictor import Predictor
from evoca.words import counted

__all__ = ["app", "list_models", "quantize_model", "show_model", "verify_model", "write_card"]

app = command_app(
    help="List, show, verify and quantise models.",
    examples=("evoca models list", "evoca models show default"),
    invoke_without_command=True,
)


@app.callback()
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        finish(list_models)


@command(app, "list", examples=("evoca models list",))
def list_models() -> None:
    """List the bundled models."""
    console = console_for()
    for name, path in bundled_models().items():
        card = read_bundle(path).card
        accuracy = card.metrics.get("accuracy")
        measured = f"accuracy {figure(accuracy)}" if accuracy else "accuracy not measured"
        console.print(clean(f"{name}  {card.name}  {measured}"), style="bold", soft_wrap=True)
        console.print(clean(f"  {card.summary}"), soft_wrap=True)
    console.print("\nevoca models show NAME prints figures, provenance and terms.", style="dim")


@command(app, "show", examples=("evoca models show default", "evoca models show ./my-model"))
def show_model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_names,
            help="Show this bundled model or bundle directory.",
        ),
    ],
) -> None:
    """Show a model's figures, provenance and terms."""
    bundle = read_bundle(name)
    Predictor(bundle).self_test()
    console = console_for()
    print_document(card_document(bundle.card), console)
    console.print()
    console.print(clean(printable_name(bundle.path)), style="dim", soft_wrap=True)


@command(
    app,
    "card",
    examples=(
        "evoca models card ./my-model",
        "evoca models card ./my-model --evaluation 'My own photographs=runs/own'",
    ),
)
def write_card(
    name: Annotated[str, typer.Argument(metavar="BUNDLE", help="Take this bundle directory.")],
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe", metavar="FILE", help="Put this robustness test of evoca probe into it first."
        ),
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
    left_out: Annotated[
        list[str] | None,
        typer.Option(
            "--left-out",
            metavar="RUN",
            help="Put this run of crossval --leave-out into it first; repeatable: likewise.",
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
    require_changeable(name)
    bundle = read_bundle(name)
    card = bundle.card
    if probe is not None:
        card = with_perturbations(card, read_perturbations(probe))
    if named:
        card = with_elsewhere(card, named)
    if left_out:
        card = with_left_out(card, left_out)
    if cautions:
        card = with_cautions(card, cautions)
    write_description(bundle, card)
    console_for().print(f"wrote {printable_name(bundle.path / 'README.md')}", soft_wrap=True)


@command(
    app,
    "verify",
    examples=(
        "evoca models verify",
        "evoca models verify ./my-model --engine openvino --precision bf16",
        "evoca models verify ./my-model --write",
    ),
)
def verify_model(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            autocompletion=model_names,
            help="Take this bundled model or bundle directory, not that of EVOCA_MODEL.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            autocompletion=engines_known,
            help="Try this engine alone, and fail where it does not run here.",
        ),
    ] = None,
    precision: InferencePrecisionOption = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Write the drawn pictures and exact outputs into the bundle first."
        ),
    ] = False,
) -> int:
    """Run a model's drawn pictures in every engine, and compare with its exact outputs."""
    bundle = read_bundle(name)
    if write:
        require_changeable(str(bundle.path))
        write_description(bundle, write_fixture(bundle))
        bundle = read_bundle(bundle.path)
    fixture = fixture_of(bundle)
    if not fixture.shipped:
        say(
            f"evoca: {printable_name(bundle.path)} has no exact outputs; compared with those of "
            "ONNX Runtime in float32 on this machine"
        )
    found, reasons = [], []
    for one, own, opened in opened_engines(bundle, engine=engine, precision=precision):
        if isinstance(opened, str):
            reasons.append(opened)
        else:
            found.append(conformance(opened, one, own, bundle, fixture))
    _print_conformance(found, [*dict.fromkeys(reasons)])
    return int(not found or any(one.failures for one in found))


def _print_conformance(found: Sequence[Conformance], reasons: Sequence[str]) -> None:
    console = console_for()
    for one in found:
        tolerance = TOLERANCES[one.precision]
        console.print(
            clean(
                f"{one.engine} {one.precision}: {'differs' if one.failures else 'conforms'}; "
                f"logits differ by {one.logits:.2g} at most, probabilities by "
                f"{one.probabilities:.2g} ({tolerance.probabilities:g} allowed); likeliest emotion "
                f"the same for {one.same_top} of {one.pictures}"
            ),
            style="bold red" if one.failures else "",
            soft_wrap=True,
        )
        for failure in one.failures:
            console.print(clean(f"  {failure}"), soft_wrap=True)
    for reason in reasons:
        console.print(clean(f"not here: {reason}"), style="dim", soft_wrap=True)


class QuantizeMethod(StrEnum):
    """How ranges are chosen."""

    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    MINMAX = "minmax"


@command(
    app,
    "quantize",
    long=True,
    examples=("evoca models quantize default --data set.csv --out my-model-int8",),
)
def quantize_model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_names,
            help="Take this bundled model or bundle directory.",
        ),
    ],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Write this bundle.")],
    method: Annotated[
        QuantizeMethod, typer.Option("--method", help="Choose the range of each tensor by it.")
    ] = QuantizeMethod.ENTROPY,
    images: Annotated[
        int,
        typer.Option(
            "--images", min=8, metavar="N", help="Choose ranges by N images, a multiple of 8."
        ),
    ] = 64,
    data_name: Annotated[
        str | None,
        typer.Option("--data-name", metavar="WORDS", help="Call the images so in the card."),
    ] = None,
    exact_layers: Annotated[
        int,
        typer.Option(
            "--exact-layers", min=0, metavar="N", help="Leave the first N convolutions as they are."
        ),
    ] = 3,
) -> None:
    """Make a model of int8 from one of float32, and measure what that changes."""
    with needs_extra("train"):
        from evoca.lab.quantize import is_as_good, quantize_bundle
    bundle = read_bundle(name)
    labelled = load_labelled(data)
    say_left_out(labelled)
    with announcing() as announce:
        made = quantize_bundle(
            bundle,
            labelled,
            out,
            method=method.value,
            images=images,
            exact_layers=exact_layers,
            data_name=data_name,
            announce=announce,
        )
    found = made.card.quantisation
    assert found is not None
    seen = f", {found.seen:,} of which the model had learnt from" if found.seen else ""
    console_for().print(
        clean(
            f"{printable_name(out)}: {made.card.name}; on "
            f"{counted(found.images, 'held-out image')}{seen}: "
            f"same top emotion {figure(found.same_emotion)}, change of the negative "
            f"log-likelihood {figure(found.nll_change)}"
        ),
        soft_wrap=True,
    )
    if not is_as_good(found):
        say("evoca: that is worse than float32 by more than is right for taking its place")
