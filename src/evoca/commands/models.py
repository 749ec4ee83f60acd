"""``evoca models``: what ships, how good it is, and under which terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evoca.cards import card_document, render_card
from evoca.cards.analysis import read_perturbations, with_perturbations
from evoca.cards.card import figure
from evoca.cards.elsewhere import with_cautions, with_elsewhere
from evoca.documents import print_document
from evoca.drafts import drafted
from evoca.errors import EvocaError
from evoca.images import printable_name
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.predictor import Predictor
from evoca.terminal import clean, console_for

__all__ = ["list_models", "show_model", "write_card"]


def list_models() -> None:
    """Print a line for each bundled model."""
    console = console_for()
    for name, path in bundled_models().items():
        card = read_bundle(path).card
        accuracy = card.metrics.get("accuracy")
        measured = f"accuracy {figure(accuracy)}" if accuracy else "accuracy not measured"
        console.print(clean(f"{name}  {card.name}  {measured}"), style="bold", soft_wrap=True)
        console.print(clean(f"  {card.summary}"), soft_wrap=True)
    console.print("\nevoca models show NAME tells figures, provenance and terms.", style="dim")


def show_model(name: str) -> None:
    """Print a model's card, once the model has passed what ``predict`` asks of it.

    Raises:
        BundleError: ``predict`` would refuse it.
    """
    bundle = read_bundle(name)
    Predictor(bundle).self_test()
    console = console_for()
    print_document(card_document(bundle.card), console)
    console.print()
    console.print(clean(printable_name(bundle.path)), style="dim", soft_wrap=True)


def write_card(
    name: str,
    probe: Path | None = None,
    evaluations: Mapping[str, str] | None = None,
    cautions: Sequence[str] = (),
) -> None:
    """Write a bundle's README.md again from its model.json, and say where it is.

    Args:
        name: a bundle directory.
        probe: the result of a robustness probe, to be put into both files first.
        evaluations: what the images are, in words, to the run directory of an evaluation on
            them: likewise, in place of those that are there.
        cautions: sentences about the figures: likewise.

    Raises:
        EvocaError: no such bundle, a bundled model's name, not the result of a probe, or not an
            evaluation of it.
    """
    if (shipped := bundled_models().get(name)) is not None:
        raise EvocaError(
            f"{name}: is part of the installed package, whose files are not changed: copy "
            f"{printable_name(shipped)} to a folder of your own and name that"
        )
    bundle = read_bundle(name)
    card = bundle.card
    if probe is not None:
        card = with_perturbations(card, read_perturbations(probe))
    if evaluations:
        card = with_elsewhere(card, evaluations)
    if cautions:
        card = with_cautions(card, cautions)
    if card is not bundle.card:
        _replace(bundle.path / "model.json", card.model_dump_json(indent=2) + "\n")
    file = bundle.path / "README.md"
    _replace(file, render_card(card))
    console_for().print(f"wrote {printable_name(file)}", soft_wrap=True)


def _replace(file: Path, text: str) -> None:
    """Write all of a file or none of it."""
    with drafted(file) as draft:
        draft.write_text(text, encoding="utf-8")
