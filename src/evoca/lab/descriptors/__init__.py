"""Descriptors made by hand: oriented gradients, colours and textures, SIFT."""

from evoca.lab.descriptors.colour import ColourHistograms
from evoca.lab.descriptors.gradients import OrientedGradients
from evoca.lab.descriptors.sift import DenseSift
from evoca.lab.descriptors.words import BagOfWords, WordsFitter, WordsHead

__all__ = [
    "BagOfWords",
    "ColourHistograms",
    "DenseSift",
    "OrientedGradients",
    "WordsFitter",
    "WordsHead",
]
