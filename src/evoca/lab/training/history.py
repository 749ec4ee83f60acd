"""``history.csv``: one row for every finished epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from evoca.drafts import drafted
from evoca.errors import EvocaError
from evoca.lab.training.checkpoint import HistoryRow

__all__ = ["COLUMNS", "epoch_line", "write_history"]

COLUMNS = (
    "step",
    "epoch",
    "images",
    "rate",
    "train_loss",
    "train_accuracy",
    "train_gradient_norm",
    "val_loss",
    "val_accuracy",
    "val_balanced_accuracy",
    "kept_features",
    "minutes",
)
"""Rates as they are at the end of the epoch, of the first group; epochs count from 1;
minutes are those of training alone, without validation; where ``kept_features`` is 1, the
outputs of frozen layers were read from the cache, and the minutes are of the layers
after them alone; the norm of the gradients is the mean over the epoch's batches, before
clipping."""


def write_history(file: Path, rows: Sequence[HistoryRow]) -> None:
    """Write all rows; the file is replaced only when the new one is complete.

    Raises:
        EvocaError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    try:
        with drafted(file) as draft:
            draft.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise EvocaError(f"{file}: cannot be written: {error.strerror}") from error


def epoch_line(row: HistoryRow, epochs: int) -> str:
    """Return a row in words for the terminal."""
    line = f"{row['step']} epoch {row['epoch']}/{epochs}: loss {row['train_loss']:.3f}"
    if not math.isnan(float(row["train_accuracy"])):
        line += f", accuracy {row['train_accuracy']:.3f}"
    if "val_loss" in row:
        line += f"; validation loss {row['val_loss']:.3f}"
    if "val_accuracy" in row:
        line += f", accuracy {row['val_accuracy']:.3f}, balanced {row['val_balanced_accuracy']:.3f}"
    return (
        f"{line}; {row['minutes']:.2f} min{' on cached features' if row['kept_features'] else ''}"
    )
