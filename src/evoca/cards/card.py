"""The whole card, in the order a reader needs it."""

from __future__ import annotations

from collections.abc import Iterator

from evoca.cards.figures import confusions, elsewhere, figures, trust
from evoca.cards.origin import citing, data, technical, terms
from evoca.cards.use import limits, use
from evoca.documents.blocks import Block, Heading, Paragraph
from evoca.documents.markdown import to_markdown
from evoca.runtime.card import ModelCard

__all__ = ["card_document", "render_card"]

_SECTIONS = (use, limits, data, figures, elsewhere, confusions, trust, technical, terms, citing)


def card_document(card: ModelCard) -> Iterator[Block]:
    """Return the card as a document; what model.json does not say is left out."""
    yield Heading(card.name, level=1)
    yield Paragraph(card.summary)
    for section in _SECTIONS:
        yield from section(card)


def render_card(card: ModelCard) -> str:
    """Return the card as Markdown."""
    return to_markdown(card_document(card))
