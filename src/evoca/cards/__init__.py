"""The model card: ``model.json`` in words. Needs no PyTorch.

``evoca export`` writes it as ``README.md`` of a bundle; ``evoca models show`` prints it.
"""

from evoca.cards.card import card_document, render_card

__all__ = ["card_document", "render_card"]
