"""From a film to its timeline: frames predicted as they are decoded, then smoothed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.images.decode import ImageLimits
from evoca.images.walk import printable_name
from evoca.runtime.choice import choose_engine
from evoca.runtime.engines import open_engine
from evoca.runtime.operating_point import PriorLike
from evoca.runtime.sessions import in_order
from evoca.runtime.throughput import usual_batch_size
from evoca.tagger.model import ESTIMATE, RunModel
from evoca.tagger.pipeline import run_padded
from evoca.tagger.tagging import TagSettings, Watcher, named_engine
from evoca.video.container import Facts
from evoca.video.decoding import Ended, Event, Reading, Sampled, ShotEnded
from evoca.video.key_frames import KeyFrames
from evoca.video.process import FilmProcess
from evoca.video.smoothing import smooth_distributions, smooth_values
from evoca.video.timelines import Shot, Timeline

if TYPE_CHECKING:
    from evoca.runtime.engines import Engine, Outputs

__all__ = ["RATE", "SMOOTH", "FilmWatcher", "TimelineSettings", "timeline"]

RATE, SMOOTH = 2.0, 1.0
"""Frames a second, and seconds of the kernel, where nothing else is asked for."""
_SECONDS_A_SHOT = 4.0  # of a film, roughly; only to guess how much there is to do
_MEASURED_ON = 8


@dataclass(frozen=True)
class TimelineSettings:
    """How a film is read and predicted.

    Attributes:
        rate: frames a second that are predicted, up to those there are.
        scenes: predict one frame of each shot, nearest its middle, in place of ``rate``.
        smooth: standard deviation in seconds of the kernel in time; 0 smooths nothing.
        model: a bundle; the bundled default if ``None``.
        prior: as :func:`evoca.load` takes it, or ``estimate``: the frequencies of these frames.
        engine: that runs the model; ``auto`` takes the fastest here of those whose outputs are
            right; if ``None``, that for a long film, and ONNX Runtime for a short one.
        precision: to compute in, with an engine by name; the model's own if ``None``.
        threads: CPU threads in all; one per core if ``None``.
        key_frames: longer side in pixels of the pictures of key frames; 0 for none.
    """

    rate: float = RATE
    scenes: bool = False
    smooth: float = SMOOTH
    model: str | os.PathLike[str] | None = None
    prior: PriorLike | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    key_frames: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1000:
            raise ValueError(f"rate must be above 0 and at most 1000 a second, not {self.rate:g}")
        if not 0 <= self.smooth < float("inf"):
            raise ValueError(f"smooth must be 0 seconds or more, not {self.smooth:g}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be 1 or more, not {self.threads}")


class FilmWatcher(Watcher):
    """What reading a film reports as it goes; nothing unless a subclass does."""

    def begin_film(self, facts: Facts) -> None:
        """Take the facts of the film, when its first frame is decoded."""

    def reach(self, seconds: float) -> None:
        """Take the time that has been reached."""


def timeline(
    path: str | os.PathLike[str],
    settings: TimelineSettings | None = None,
    watcher: FilmWatcher | None = None,
) -> Timeline:
    """Return which emotions each moment of a film evokes.

    The film is decoded once, in a process of its own, while the model runs on what has come; the
    memory does not grow with its length but for some numbers a predicted frame and a small
    picture a shot, of a thousand shots at most.

    Args:
        path: a local video file.
        settings: how it is read and predicted.
        watcher: told of the progress.

    Raises:
        VideoError: it cannot be read as a film; a damaged or truncated one is read as far as
            it goes, see :attr:`Timeline.damaged` and :attr:`Timeline.missing`.
        BundleError, PriorError, EngineError: as of :func:`evoca.load`.
        MissingExtraError: PyAV is not installed.
    """
    settings, watcher = settings or TimelineSettings(), watcher or FilmWatcher()
    model = RunModel.read(settings.model, settings.prior)
    threads = settings.threads or os.cpu_count() or 1
    reading = Reading(settings.rate, settings.scenes, threads, settings.key_frames)
    preprocessing = model.card.preprocessing
    with FilmProcess(Path(path), preprocessing, ImageLimits(), reading) as film:
        run = _Run(model, settings, watcher, threads)
        for event in run.predicted(film.events()):
            run.take(event)
    return run.timeline(printable_name(Path(path)))


@dataclass(frozen=True)
class _Predicted:
    """A sampled frame and what the model computed for it."""

    sampled: Sampled
    logits: NDArray[np.float32]
    affect: NDArray[np.float32] | None


_Sent = Sampled | ShotEnded | Ended
_Taken = _Predicted | ShotEnded | Ended


class _Run:
    """Collects what comes of one film."""

    def __init__(
        self, model: RunModel, settings: TimelineSettings, watcher: FilmWatcher, threads: int
    ) -> None:
        self._model, self._settings = model, settings
        self._watcher, self._threads = watcher, threads
        self._facts: Facts | None = None
        self._ended: Ended | None = None
        self._times: list[float] = []
        self._frames: list[int] = []
        self._logits: list[NDArray[np.float32]] = []
        self._affect: list[NDArray[np.float32]] = []
        self._warnings: list[tuple[str, ...]] = []
        self._shots: list[ShotEnded] = []
        self._last_rows: list[int] = []
        self._keys = KeyFrames(settings.key_frames)

    def predicted(self, events: Iterator[Event]) -> Iterator[_Taken]:
        """Yield events in order, sampled frames with what the model computes for them."""
        first = self._begun(events)
        engine, size = self._opened(first)
        batches = _in_batches(self._told(_chained(first, events), engine), size)
        # Each run of the model has one thread, and there are as many runs as threads.
        compute = partial(_computed, engine, size)
        for done in in_order(compute, batches, self._threads, engine.stop):
            yield from done

    def _told(self, events: Iterator[Event], engine: Engine) -> Iterator[_Sent]:
        """Yield what is kept of the events, and tell the watcher of the others: times."""
        try:
            for event in events:
                if isinstance(event, Sampled | ShotEnded | Ended):
                    yield event
                elif isinstance(event, float):
                    self._watcher.reach(event)
        except BaseException:  # Ctrl-C too: nothing goes on behind the caller
            engine.stop()
            raise

    def _begun(self, events: Iterator[Event]) -> list[Event]:
        """Return the first events, with enough frames to measure engines on."""
        first: list[Event] = []
        samples = 0
        for event in events:
            if isinstance(event, Facts):
                self._facts = event
                self._watcher.begin_film(event)
                continue
            first.append(event)
            samples += isinstance(event, Sampled)
            if samples >= _MEASURED_ON or isinstance(event, Ended):
                break
        return first

    def _opened(self, first: list[Event]) -> tuple[Engine, int]:
        """Return the engine that is named, or the fastest for a long film, and its batch size."""
        settings, bundle = self._settings, self._model.bundle
        seconds = (self._facts.seconds if self._facts else None) or 0.0
        frames = seconds / _SECONDS_A_SHOT if settings.scenes else seconds * settings.rate
        wanted = TagSettings(engine=settings.engine, precision=settings.precision)
        named = named_engine(wanted, bundle, {}, round(frames))
        if named is None:
            pixels = [event.pixels for event in first if isinstance(event, Sampled)]
            found = choose_engine(bundle, np.stack(pixels), self._threads)
            self._watcher.say(found.why)
            named = found.engine, found.precision
        engine = open_engine(named[0], bundle, 1, named[1], runs=self._threads)
        return engine, usual_batch_size(named[0])

    def take(self, event: _Taken) -> None:
        """Keep what a frame gave, or that a shot or the film has ended."""
        if isinstance(event, ShotEnded):
            self._shots.append(event)
            self._last_rows.append(len(self._times))
            self._keys.end_shot(event.shot, event.end - event.start)
        elif isinstance(event, Ended):
            self._ended = event
        else:
            row, sampled = len(self._times), event.sampled
            self._times.append(sampled.time)
            self._frames.append(sampled.frame)
            self._warnings.append(sampled.warnings)
            self._logits.append(event.logits)
            if event.affect is not None:
                self._affect.append(event.affect)
            shares = self._model.point.probabilities(event.logits)
            self._keys.add(row, shares, sampled.thumbnail)
            self._watcher.advance(1, 0)

    def timeline(self, path: str) -> Timeline:
        """Return the timeline, smoothed, when the film has ended."""
        assert self._facts is not None
        assert self._ended is not None
        logits = np.stack(self._logits)
        model = self._model
        if self._settings.prior == ESTIMATE:
            model = model.estimated(logits, self._watcher.say)
        shares = model.point.probabilities(logits)
        times, shots = np.array(self._times), self._found_shots()
        numbers = np.repeat([s.number for s in shots], [s.rows.stop - s.rows.start for s in shots])
        affect = np.stack(self._affect).astype(np.float64) if self._affect else None
        smooth = self._settings.smooth
        return Timeline(
            path=path,
            facts=self._facts,
            seconds=self._ended.time,
            frames_in_film=self._ended.frames,
            damaged=self._ended.damaged,
            missing=self._ended.missing,
            model=model,
            times=times,
            frames=np.array(self._frames, np.int64),
            probabilities=shares,
            affect=affect,
            smoothed=smooth_distributions(shares, times, numbers, smooth),
            smoothed_affect=(
                None if affect is None else smooth_values(affect, times, numbers, smooth)
            ),
            warnings=tuple(self._warnings),
            shots=shots,
        )

    def _found_shots(self) -> tuple[Shot, ...]:
        firsts = [0, *self._last_rows[:-1]]
        return tuple(
            Shot(one.shot, one.start, one.end, slice(first, last), key, self._picture(one.shot))
            for one, first, last, key in zip(
                self._shots, firsts, self._last_rows, self._keys.rows, strict=True
            )
        )

    def _picture(self, shot: int) -> str | None:
        return self._keys.pictures.get(shot)


def _chained(first: list[Event], rest: Iterator[Event]) -> Iterator[Event]:
    yield from first
    if not (first and isinstance(first[-1], Ended)):
        yield from rest


def _in_batches(events: Iterator[_Sent], size: int) -> Iterator[list[_Sent]]:
    """Yield the events in lists that hold so many frames each, the last one fewer."""
    batch: list[_Sent] = []
    for event in events:
        batch.append(event)
        if sum(isinstance(one, Sampled) for one in batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _computed(engine: Engine, size: int, _: int, batch: list[_Sent]) -> list[_Taken]:
    """Return a batch of events, its frames with what the model computes for them."""
    pixels = [one.pixels for one in batch if isinstance(one, Sampled)]
    if not pixels:
        return [one for one in batch if not isinstance(one, Sampled)]
    outputs = run_padded(engine, pixels, size)
    rows = iter(range(len(pixels)))
    return [
        _predicted(one, outputs, next(rows)) if isinstance(one, Sampled) else one for one in batch
    ]


def _predicted(sampled: Sampled, outputs: Outputs, row: int) -> _Predicted:
    affect = None if outputs.affect is None else outputs.affect[row].copy()
    return _Predicted(sampled, outputs.logits[row].copy(), affect)
