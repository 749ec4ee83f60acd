"""The evidence map: the places of a picture that a prediction is based on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EvidenceMap"]


@dataclass(frozen=True)
class EvidenceMap:
    """The places of a picture that a prediction is based on.

    Attributes:
        values: float32 (K, h, w), one coarse map per label, or (1, h, w) where all labels
            share one.
        kind: ``additive``: the spatial mean of a label's map in ``values`` plus its bias
            is that label's logit, so a cell's value is its share in it (:meth:`of` returns
            a contrast, which adds up to something else); ``relevance`` or
            ``attention``: higher is more important, without a unit.
        labels: the K labels.
        region: left, top, right, bottom of the part of the picture that the map covers,
            as fractions 0..1 of its sides; all of it unless the model crops.
    """

    values: NDArray[np.float32]
    kind: str
    labels: tuple[str, ...]
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def of(self, label: str) -> NDArray[np.float32]:
        """Return the evidence for a label, cell by cell.

        An additive map is returned as a contrast to the mean of all labels: a softmax depends
        only on differences between logits, so a share that all labels have has no effect. Its
        spatial mean is the label's logit less the mean logit, without the biases. The map
        that adds up to the logit itself is :attr:`values`.

        Args:
            label: one of the labels.

        Returns:
            float32 (h, w); if the kind is additive, above 0 is evidence for the label.

        Raises:
            KeyError: the label is not one of the model's.
        """
        if label not in self.labels:
            raise KeyError(f"{label!r} is not one of {', '.join(self.labels)}")
        if len(self.values) == 1:
            return np.asarray(self.values[0], dtype=np.float32)
        own = np.asarray(self.values[self.labels.index(label)], dtype=np.float32)
        if self.kind != "additive":
            return own
        return np.asarray(own - self.values.mean(axis=0), dtype=np.float32)
