"""What is known of a film over time: predicted frames, shots, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evoca.prediction import Prediction
from evoca.runtime.predictor import prediction_of
from evoca.tagger.model import RunModel
from evoca.video.container import Facts

__all__ = ["Shot", "Timeline"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shot:
    """A shot: what lies between two cuts.

    Attributes:
        number: from 0.
        start: in seconds.
        end: in seconds, where the next one starts.
        rows: of the timeline that are in it.
        key_row: the row that represents it best.
        picture: of that frame, the base64 of a JPEG; ``None`` where none was kept.
    """

    number: int
    start: float
    end: float
    rows: slice
    key_row: int
    picture: str | None = None


@dataclass(frozen=True)
class Timeline:
    """What a film evokes over time: N predicted frames, K emotions.

    Attributes:
        path: the film, as a printable name.
        facts: of its header.
        seconds: its duration.
        frames_in_film: their number, predicted or not.
        damaged: packets of the file that could not be decoded.
        missing: seconds that the header announces, and that are not there: the file is truncated.
        model: that predicted, under its prior.
        times: (N,) in seconds from the start, ascending.
        frames: (N,) numbers of the frames in the stream, from 0.
        probabilities: (N, K), of each frame alone.
        affect: (N, 2), valence and arousal; ``None`` where the model predicts neither.
        smoothed: (N, K), smoothed over time within shots.
        smoothed_affect: (N, 2), likewise.
        warnings: of each frame.
        shots: in order; each has at least one row.
    """

    path: str
    facts: Facts
    seconds: float
    frames_in_film: int
    damaged: int
    missing: float
    model: RunModel = field(repr=False)
    times: Floats = field(repr=False)
    frames: NDArray[np.int64] = field(repr=False)
    probabilities: Floats = field(repr=False)
    affect: Floats | None = field(repr=False)
    smoothed: Floats = field(repr=False)
    smoothed_affect: Floats | None = field(repr=False)
    warnings: tuple[tuple[str, ...], ...] = field(repr=False)
    shots: tuple[Shot, ...] = field(repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of every distribution."""
        return self.model.card.labels

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def weights(self) -> Floats:
        """The seconds (N,) that each row stands for, up to halfway to its neighbours."""
        found = np.zeros(len(self))
        for shot in self.shots:
            times = self.times[shot.rows]
            edges = np.concatenate([[shot.start], (times[1:] + times[:-1]) / 2, [shot.end]])
            found[shot.rows] = np.maximum(np.diff(edges), 0.0)
        return found if found.sum() > 0 else np.ones(len(self))

    @property
    def distribution(self) -> Floats:
        """The mean distribution (K,) over the time of the film."""
        return np.asarray(self.weights @ self.probabilities / self.weights.sum())

    @property
    def faults(self) -> list[str]:
        """What of the film could not be read, a sentence each; none of a whole film."""
        found = []
        if self.missing:
            found.append(
                f"The file ends at {self.seconds:.1f} s, {self.missing:.1f} s before the end that "
                "its header states: it is truncated."
            )
        if self.damaged:
            places = "1 place" if self.damaged == 1 else f"{self.damaged:,} places"
            found.append(f"The file is damaged in {places}; frames there are left out.")
        return found

    def prediction(self, row: int) -> Prediction:
        """Return the prediction for one frame alone."""
        affect = None if self.affect is None else self.affect[row]
        return self._prediction(self.probabilities[row], affect, self.warnings[row])

    def shot_prediction(self, shot: Shot) -> Prediction:
        """Return the mean of the predictions over the time of a shot."""
        weights = self.weights[shot.rows]
        weights = (
            weights / weights.sum()
            if weights.sum() > 0
            else np.full(len(weights), 1 / len(weights))
        )
        affect = None if self.affect is None else weights @ self.affect[shot.rows]
        return self._prediction(weights @ self.probabilities[shot.rows], affect, ())

    def _prediction(
        self, probabilities: Floats, affect: Floats | None, warnings: tuple[str, ...]
    ) -> Prediction:
        given = None if affect is None else affect.astype(np.float32)
        card, point = self.model.card, self.model.point
        return prediction_of(card, point, probabilities, given, path=self.path, warnings=warnings)

    def peaks(self) -> list[tuple[str, float, float]]:
        """Return for each emotion when it is strongest: its label, seconds, smoothed share."""
        rows = self.smoothed.argmax(axis=0)
        return [
            (label, float(self.times[row]), float(self.smoothed[row, k]))
            for k, (label, row) in enumerate(zip(self.labels, rows, strict=True))
        ]
