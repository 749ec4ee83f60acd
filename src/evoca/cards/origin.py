"""Where a model comes from: its data, its viewers, its making, its terms, its papers."""

from __future__ import annotations

from collections.abc import Iterator

from evoca.documents.blocks import Block, Bullets, Heading, Paragraph
from evoca.papers import load_papers, paper_of_system
from evoca.runtime.card import ModelCard

__all__ = ["citing", "data", "technical", "terms"]


def data(card: ModelCard) -> Iterator[Block]:
    """Say what it learnt from, and whose judgement the labels are."""
    origin = card.provenance
    yield Heading("Data and viewers")
    yield Paragraph(f"{origin.data}.")
    if origin.fingerprint is not None:
        yield Paragraph(
            f"Fingerprint {origin.fingerprint}: SHA-256 of names, labels and contents, the same "
            "wherever the same images lie."
        )
    yield Paragraph(
        "Labels of such sets come from a few paid online workers an image (FI: Amazon Mechanical "
        "Turk), who were asked whether it evokes an emotion. The model carries their culture and "
        "their disagreements, and is no better than their majority."
    )
    yield Paragraph(
        "The first 16 digits of the SHA-256 of each training image are kept in model.json "
        f"({len(card.training_images):,} of them), so that an evaluation can tell what was seen."
    )
    if card.training_perceptual_hashes:
        yield Paragraph(
            f"So are {len(card.training_perceptual_hashes):,} perceptual hashes of what they look "
            "like, by which copies that were saved again, resized or slightly cropped are known."
        )


def technical(card: ModelCard) -> Iterator[Block]:
    """Say what is inside and how pictures enter it."""
    size, origin = card.preprocessing, card.provenance
    profile = f" under the profile {origin.profile}" if origin.profile else ""
    yield Heading("Technical")
    yield Bullets(
        (
            f"Recipe: {origin.recipe}{profile}; backbone: {', '.join(origin.backbones) or 'none'}",
            f"Input: {size.width} x {size.height} pixels, {size.resize}, {size.filter}; JPEGs "
            f"decoded at no less than {size.jpeg_min_scale:g} times that size",
            f"Temperature {card.temperature:.4f}; prediction sets: p >= {card.set_threshold:.4f} "
            f"for {card.set_coverage:.0%} coverage",
            *_head(card),
            f"Labels: {', '.join(card.labels)} ({card.taxonomy})",
            f"Made by Evoca {origin.evoca_version}, bundle format {card.format_version}",
        )
    )


def _head(card: ModelCard) -> Iterator[str]:
    if card.c is not None:
        yield f"C of the fitted head: {card.c:g}, chosen by images it was not fitted on"


def terms(card: ModelCard) -> Iterator[Block]:
    """Give the terms of code and weights, which differ."""
    yield Heading("Terms")
    yield Bullets((f"Code: {card.licence.code}", f"Weights: {card.licence.weights}"))


def citing(card: ModelCard) -> Iterator[Block]:
    """Say what to cite: the software, the system's paper, the data."""
    items = [
        f"Evoca {card.provenance.evoca_version} (CITATION.cff), and this model by its name, "
        f"{card.name}, and SHA-256, {card.sha256[:16]}",
        "the data set it learnt from, named above",
    ]
    origin = card.provenance
    # A key from a bundle is a stranger's: it need not be one of ours.
    known = load_papers().get(origin.paper) if origin.paper is not None else None
    paper = known or paper_of_system(origin.recipe)
    if paper is not None:
        items.insert(1, f"the paper of the system: {paper.cited()}")
    yield Heading("How to cite")
    yield Bullets(tuple(items))
