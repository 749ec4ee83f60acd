"""The published figures of papers: the only place for them in Evoca.

One YAML file per paper. Facts and figures are quoted with their source; the words are ours.
Recipes share the names of the systems, and refer to a paper by its key.
"""

from evoca.papers.load import (
    PaperError,
    load_paper,
    load_papers,
    paper_of_system,
    published_system,
)
from evoca.papers.schema import (
    Data,
    EmotionFigures,
    Paper,
    Published,
    PublishedSystem,
    Table,
)

__all__ = [
    "Data",
    "EmotionFigures",
    "Paper",
    "PaperError",
    "Published",
    "PublishedSystem",
    "Table",
    "load_paper",
    "load_papers",
    "paper_of_system",
    "published_system",
]
