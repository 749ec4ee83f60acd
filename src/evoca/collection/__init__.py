"""Collections of tagged images: find images again, and relate their emotions to outcomes.

All of it reads the tables that ``evoca predict --out`` and ``evoca tag`` write, in DuckDB (extra
``data``), so that a million rows need little memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.collection.embeddings import Embeddings, read_embeddings, write_embeddings
    from evoca.collection.expression import Condition, ExpressionError, parse
    from evoca.collection.relate import Relation, relate
    from evoca.collection.search import Found, find
    from evoca.collection.tags import Tags, read_tags

__all__ = [
    "Condition",
    "Embeddings",
    "ExpressionError",
    "Found",
    "Relation",
    "Tags",
    "find",
    "parse",
    "read_embeddings",
    "read_tags",
    "relate",
    "write_embeddings",
]

_LAZY = {
    "Condition": "evoca.collection.expression",
    "Embeddings": "evoca.collection.embeddings",
    "ExpressionError": "evoca.collection.expression",
    "Found": "evoca.collection.search",
    "Relation": "evoca.collection.relate",
    "Tags": "evoca.collection.tags",
    "find": "evoca.collection.search",
    "parse": "evoca.collection.expression",
    "read_embeddings": "evoca.collection.embeddings",
    "read_tags": "evoca.collection.tags",
    "relate": "evoca.collection.relate",
    "write_embeddings": "evoca.collection.embeddings",
}

__getattr__, __dir__ = lazy_names(__name__, _LAZY, __all__)
