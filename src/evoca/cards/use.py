"""What a model is for, what it is not for, and where it is weak."""

from __future__ import annotations

from collections.abc import Iterator

from evoca.documents.blocks import Block, Bullets, Heading, Paragraph
from evoca.runtime.card import ModelCard

__all__ = ["limits", "use"]

_WEAKEST = 3


def use(card: ModelCard) -> Iterator[Block]:
    """Say what the model is for, and what it must not be used for."""
    yield Heading("What it is for")
    yield Paragraph(
        "It estimates which emotion a photograph evokes in people who look at it, as a "
        f"distribution over {len(card.labels)} emotions: for research on evoked emotion, for "
        "describing and searching collections, and as a baseline."
    )
    yield Heading("What it is not for")
    yield Paragraph(
        "It does not read the emotion of anyone in the picture, nor of any one viewer: evoked is "
        "not felt. Do not use it to infer a person's state, to diagnose, to decide about anyone, "
        "or to steer people without their knowledge."
    )


def limits(card: ModelCard) -> Iterator[Block]:
    """Say where it is weak, from its own figures."""
    items = [
        "Several emotions are often right for one picture. The prediction set "
        f"(built to hold the label of {card.set_coverage:.0%} of images) says so; the top emotion "
        "alone does not.",
        "Pictures unlike the photographs it learnt from (drawings, screenshots, documents) get an "
        "answer too, and it may mean nothing.",
        _elsewhere(card),
    ]
    if weakest := _weakest(card):
        items.insert(0, f"Least often found: {weakest}.")
    yield Heading("Limits")
    yield Bullets(tuple(items))


def _elsewhere(card: ModelCard) -> str:
    measured = card.analysis is not None and bool(card.analysis.elsewhere)
    state = 'see "On other pictures"' if measured else "nothing was measured on others"
    return (
        "Its figures, its probabilities and the coverage of its sets are of pictures and viewers "
        "like those it learnt from; on paintings, in another collection or with other viewers "
        f"they can be far worse ({state}). Measure it on labelled pictures of your own: evoca "
        "evaluate BUNDLE --data MANIFEST."
    )


def _weakest(card: ModelCard) -> str:
    recall = {label: f["recall"] for label, f in card.per_emotion.items() if "recall" in f}
    lowest = sorted(recall, key=lambda label: recall[label])[:_WEAKEST]
    return ", ".join(f"{label} (recall {recall[label]:.3f})" for label in lowest)
