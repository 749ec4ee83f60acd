"""Predictions in the forms of other tools: Hugging Face pipelines, FiftyOne, Label Studio.

>>> from evoca import adapters
>>> pipe = adapters.pipeline("image-classification", top_k=2)
>>> [found["label"] for found in pipe("examples/china.jpg")]
['amusement', 'awe']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.adapters.conversion import TOOLS, Converted, convert
    from evoca.adapters.huggingface import (
        ImageClassificationPipeline,
        labels_and_scores,
        pipeline,
    )
    from evoca.adapters.label_studio import label_config

__all__ = [
    "TOOLS",
    "Converted",
    "ImageClassificationPipeline",
    "convert",
    "label_config",
    "labels_and_scores",
    "pipeline",
]

_HOMES = {
    "Converted": "evoca.adapters.conversion",
    "ImageClassificationPipeline": "evoca.adapters.huggingface",
    "TOOLS": "evoca.adapters.conversion",
    "convert": "evoca.adapters.conversion",
    "label_config": "evoca.adapters.label_studio",
    "labels_and_scores": "evoca.adapters.huggingface",
    "pipeline": "evoca.adapters.huggingface",
}

# A pipeline needs no DuckDB.
__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
