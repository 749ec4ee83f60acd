"""Short documents as data, rendered once as Markdown and once for the terminal.

A model card is written to a file on export and printed by ``evoca models show``; both
come from the same blocks, so neither can say what the other does not.
"""

from evoca.documents.blocks import Block, Bullets, Heading, Paragraph, Table
from evoca.documents.console import print_document
from evoca.documents.markdown import to_markdown

__all__ = ["Block", "Bullets", "Heading", "Paragraph", "Table", "print_document", "to_markdown"]
