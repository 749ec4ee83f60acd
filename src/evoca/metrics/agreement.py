"""How far viewers agree with a label, in three bands.

Sreenivas et al. (2018) distinguish unanimous, non-unanimous and strongly divided votes
without a threshold. With the five votes of their data the last can only be three against two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoca.metrics.checks import FloatArray

__all__ = ["STRONGLY_DIVIDED", "agreement_band"]

STRONGLY_DIVIDED = 0.6
"""Votes are strongly divided where no more than this share agrees with the label."""

# Shares in files are rounded.
_ROUNDING = 1e-6


def agreement_band(agreement: FloatArray | None, n: int) -> NDArray[np.object_]:
    """Return the name of each image's band of vote agreement, (n,); empty where not known.

    Args:
        agreement: share of the viewers who agree with the label, (n,), 0..1 or NaN; ``None``
            where it is not known of any image.
        n: number of images.

    >>> agreement_band(np.array([1.0, 0.8, 0.6, np.nan]), 4).tolist()
    ['unanimous', 'divided', 'strongly divided', '']
    """
    bands = np.full(n, "", dtype=object)
    if agreement is None:
        return bands
    known = ~np.isnan(agreement)
    bands[known] = "divided"
    bands[known & (agreement >= 1 - _ROUNDING)] = "unanimous"
    bands[known & (agreement <= STRONGLY_DIVIDED + _ROUNDING)] = "strongly divided"
    return bands
