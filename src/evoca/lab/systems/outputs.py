"""What every system returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["OUTPUT_NAMES", "SystemOutputs"]

OUTPUT_NAMES = ("logits", "evidence", "embedding", "affect")
"""Those that a bundle may have, in its order."""


class SystemOutputs(NamedTuple):
    """Outputs for N images and K labels.

    Attributes:
        logits: (N, K).
        evidence: (N, K, h, w) whose spatial mean, plus a bias, is the logit; ``None`` in
            training, and where a system has no exact map.
        embedding: (N, D); ``None`` in training.
        branch_logits: (N, B, K), of each branch of a system that has branches.
        affect: (N, 2), valence and arousal on the scale that the system's options declare.
    """

    logits: Tensor
    evidence: Tensor | None = None
    embedding: Tensor | None = None
    branch_logits: Tensor | None = None
    affect: Tensor | None = None
