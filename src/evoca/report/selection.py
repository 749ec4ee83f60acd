"""The images behind a number on the page, as a request to its script."""

from __future__ import annotations

import json
from collections.abc import Sequence

from evoca.metrics.checks import IntArray

__all__ = ["opens"]


def opens(
    *,
    truth: int | None = None,
    predicted: int | None = None,
    outcome: str | None = None,
    agreement: str | None = None,
    trait: str | None = None,
    without: str | None = None,
    rows: Sequence[int] | IntArray | None = None,
) -> str:
    """Return a choice of images as the JSON of a ``data-open`` attribute.

    Args:
        truth: position of the true label.
        predicted: position of the label predicted in at least one repeat.
        outcome: ``wrong`` or ``right``, in at least one repeat.
        agreement: name of a band of vote agreement.
        trait: name of a trait that the images have.
        without: name of a trait that they lack.
        rows: these rows, in this order.

    >>> opens(truth=2, outcome="wrong")
    '{"truth": 2, "outcome": "wrong"}'
    """
    asked = {
        "truth": truth,
        "predicted": predicted,
        "outcome": outcome,
        "agreement": agreement,
        "trait": trait,
        "without": without,
        "rows": None if rows is None else [int(row) for row in rows],
    }
    return json.dumps({key: value for key, value in asked.items() if value is not None})
