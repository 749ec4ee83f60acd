"""Bags of visual words (Csurka et al. 2004), whose dictionary is fitted with the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from evoca.errors import DataError
from evoca.lab.features.sift import LENGTH
from evoca.lab.heads.base import Features, FittedHead, Fitter, Truth

__all__ = ["BagOfWords", "WordsFitter", "WordsHead", "word_shares"]

_SAMPLE = 40_000  # descriptors that the dictionary is learnt from


@dataclass(frozen=True)
class WordsHead:
    """A dictionary, and a head on how often each word occurs.

    Attributes:
        words: float32 (W, 128).
        head: on the square roots of the words' shares.
    """

    words: NDArray[np.float32]
    head: FittedHead

    @property
    def c(self) -> float:
        """The head's."""
        return self.head.c

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return (N, K) logits of all descriptors (N, P 128)."""
        return self.head.logits(word_shares(features, self.words))

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return its arrays by name."""
        return {"words": self.words.astype(np.float64), **self.head.arrays()}

    def classifier(self, network: nn.Module, *, additive: bool) -> nn.Module:
        """Return a network of descriptors with the dictionary and its head."""
        return self.head.classifier(BagOfWords(network, self.words), additive=additive)


@dataclass(frozen=True)
class WordsFitter:
    """Learns the dictionary from given images, then fits the heads.

    Attributes:
        count: of words.
        heads: fits on the words' shares.
        seed: of the descriptors that are drawn, and of k-means.
    """

    count: int
    heads: Fitter
    seed: int

    @property
    def candidates(self) -> Sequence[float]:
        """The head's."""
        return self.heads.candidates

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[WordsHead]:
        """Yield one head per candidate, one dictionary; see :class:`evoca.lab.heads.base.Fitter`.

        Raises:
            DataError: the images have fewer descriptors than there are words.
        """
        words = self._words(features)
        shares = word_shares(features, words)
        return (WordsHead(words, head) for head in self.heads.path(shares, truth, candidates))

    def _words(self, features: Features) -> NDArray[np.float32]:
        descriptors = features.reshape(-1, LENGTH)
        if len(descriptors) < self.count:
            raise DataError(
                f"model.words: {self.count} words cannot be learnt from the {len(descriptors)} "
                "descriptors of a training part: fewer words, a smaller model.step, or more images"
            )
        drawn = np.random.default_rng(self.seed).permutation(len(descriptors))[:_SAMPLE]
        means = MiniBatchKMeans(self.count, batch_size=2048, n_init=1, random_state=self.seed)
        return np.asarray(means.fit(descriptors[drawn]).cluster_centers_, dtype=np.float32)


def word_shares(features: Features, words: NDArray[np.float32]) -> Features:
    """Return the square root of each word's share in an image.

    Args:
        features: (N, P 128), all descriptors of an image.
        words: (W, 128).

    Returns:
        float32 (N, W), each of length 1.
    """
    shares = np.empty((len(features), len(words)), dtype=np.float32)
    squares = (words * words).sum(axis=1)
    for row, image in enumerate(features):
        distances = squares - 2 * image.reshape(-1, LENGTH) @ words.T
        counts = np.bincount(distances.argmin(axis=1), minlength=len(words))
        shares[row] = np.sqrt(counts / counts.sum())
    return shares


class BagOfWords(nn.Module):
    """Descriptors and a dictionary, as they are exported: :func:`word_shares` of pixels."""

    def __init__(self, descriptors: nn.Module, words: NDArray[np.float32]) -> None:
        """Join the two.

        Args:
            descriptors: returns (N, P 128, 1, 1) of pixels.
            words: (W, 128).
        """
        super().__init__()
        self.descriptors = descriptors
        self.register_buffer("words", torch.from_numpy(words))
        self.register_buffer("squares", torch.from_numpy((words * words).sum(axis=1)))

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, W, 1, 1) of uint8 images (N, H, W, 3)."""
        words, squares = cast("Tensor", self.words), cast("Tensor", self.squares)
        found: Tensor = self.descriptors(image).flatten(1).unflatten(1, (-1, words.shape[1]))
        nearest = (squares - 2 * found @ words.T).argmin(dim=2, keepdim=True)
        number = torch.arange(len(words), device=image.device)
        shares = (nearest == number).to(torch.float32).mean(dim=1)
        return shares.sqrt()[:, :, None, None]
