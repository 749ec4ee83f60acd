"""``evoca models``: what ships, how good it is, and under which terms."""

from __future__ import annotations

import math

from evoca.emotions import style_of
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.card import Metric, ModelCard
from evoca.terminal import console_for

__all__ = ["list_models", "show_model"]


def list_models() -> None:
    """Print a line for each bundled model."""
    console = console_for()
    for name, path in bundled_models().items():
        card = read_bundle(path).card
        accuracy = card.metrics.get("accuracy")
        figure = f"accuracy {_figure(accuracy)}" if accuracy else "accuracy not measured"
        console.print(f"{name}  {card.name}  {figure}", style="bold", soft_wrap=True)
        console.print(f"  {card.summary}", soft_wrap=True)
    console.print("\nevoca models show NAME tells figures, provenance and terms.", style="dim")


def show_model(name: str) -> None:
    """Print a model's card."""
    bundle = read_bundle(name)
    bundle.onnx_bytes()  # a damaged model is told apart here, not at the first image
    card, console = bundle.card, console_for()
    console.print(card.name, style="bold")
    for key, value in _facts(card):
        console.print(f"  {key:<22}{value}", soft_wrap=True)
    console.print("\nfigures (95% interval)", style="bold")
    for key, metric in card.metrics.items():
        console.print(f"  {key:<22}{_figure(metric)}")
    console.print("\nby emotion", style="bold")
    console.print(f"  {'':<16}{'precision':>10}{'recall':>10}{'f1':>10}", style="dim")
    for label, figures in card.per_emotion.items():
        style = style_of(label)
        cells = "".join(f"{figures.get(k, math.nan):>10.1%}" for k in ("precision", "recall", "f1"))
        console.print(f"  {style.glyph} {label:<14}{cells}", style=style.colour)
    console.print("\nterms", style="bold")
    console.print(f"  {'code':<10}{card.licence.code}")
    console.print(f"  {'weights':<10}{card.licence.weights}", soft_wrap=True)
    console.print(f"\n{bundle.path}", style="dim", soft_wrap=True)


def _facts(card: ModelCard) -> list[tuple[str, str]]:
    size = card.preprocessing
    facts = [
        ("summary", card.summary),
        ("labels", ", ".join(card.labels)),
        ("recipe", card.provenance.recipe),
        ("backbones", ", ".join(card.provenance.backbones)),
        ("data", card.provenance.data),
        ("protocol", card.provenance.protocol),
        ("input", f"{size.width} x {size.height} pixels, {size.resize}, {size.filter}"),
        ("temperature", f"{card.temperature:.3f}"),
        ("prediction set", f"p >= {card.set_threshold:.3f} for {card.set_coverage:.0%} coverage"),
        ("evidence", card.evidence_kind or "none"),
    ]
    if card.deletion_test is not None:
        test = card.deletion_test
        facts.append(
            (
                "deletion test",
                f"map {test.evidence:.3f}, random {test.random:.3f}, centre {test.centre:.3f} "
                f"(lower is better, {test.images} held-out images)",
            )
        )
    return facts


def _figure(metric: Metric) -> str:
    return f"{metric.value:.3f} [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]"
