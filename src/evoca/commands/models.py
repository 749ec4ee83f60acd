"""``evoca models``: what ships, how good it is, and under which terms."""

from __future__ import annotations

import math

from evoca.emotions import style_of
from evoca.images.walk import printable_name
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.card import Metric, ModelCard
from evoca.runtime.predictor import Predictor
from evoca.terminal import clean, console_for

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
    """Print a model's card, once the model has passed what ``predict`` asks of it.

    Raises:
        BundleError: ``predict`` would refuse it.
    """
    bundle = read_bundle(name)
    Predictor(bundle).self_test()
    card, console = bundle.card, console_for()

    def say(text: str, style: str = "") -> None:
        """A card may be a stranger's: nothing of it reaches the terminal uncleaned."""
        console.print(clean(text), style=style, soft_wrap=True)

    def title(text: str) -> None:
        console.print(f"\n{text}", style="bold")

    say(card.name, "bold")
    for key, value in _facts(card):
        say(f"  {key:<22}{value}")
    title("figures (95% interval)")
    for key, metric in card.metrics.items():
        say(f"  {key:<22}{_figure(metric)}")
    title("by emotion")
    say(f"  {'':<16}{'precision':>10}{'recall':>10}{'f1':>10}", "dim")
    for label, figures in card.per_emotion.items():
        style = style_of(label)
        cells = "".join(f"{figures.get(k, math.nan):>10.1%}" for k in ("precision", "recall", "f1"))
        say(f"  {style.glyph} {label:<14}{cells}", style.colour)
    title("terms")
    say(f"  {'code':<10}{card.licence.code}")
    say(f"  {'weights':<10}{card.licence.weights}")
    console.print()
    say(printable_name(bundle.path), "dim")


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
