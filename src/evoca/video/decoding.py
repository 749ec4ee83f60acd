"""Films decoded once: the frames to predict, each with its shot, as they come.

It runs in a process of its own (:mod:`evoca.video.process`), in constant memory whatever the length
of the film: a few frames that may still be needed, and what is compared to find shots.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.images.decode import ImageLimits
from evoca.images.preprocess import Preprocessing
from evoca.images.screening import screen
from evoca.video.container import Facts, VideoError, open_video, read_errors, video_stream
from evoca.video.picture import Shape, picture_of, small_of
from evoca.video.shots import SMALL, Cut, ShotDetector

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["Ended", "Event", "Reading", "Sampled", "ShotEnded", "decode_film"]

_RATE = 25.0  # frames a second, where nothing says how many
# Frames no other frame needs are skipped while those left are at least this near to each other.
_DENSE = 0.21
_CANDIDATES = 16


@dataclass(frozen=True)
class Reading:
    """How a film is read.

    Attributes:
        rate: frames to predict a second.
        scenes: predict one frame of each shot, the one nearest its middle, in place of ``rate``.
        threads: that decode.
        thumbnail: the longer side in pixels of a small copy of each frame; 0 for none.
    """

    rate: float = 2.0
    scenes: bool = False
    threads: int = 1
    thumbnail: int = 0


@dataclass(frozen=True)
class Sampled:
    """A frame to predict.

    Attributes:
        time: in seconds from the start of the film.
        frame: its number in the stream, in the order of display, from 0.
        shot: number of its shot, from 0.
        pixels: uint8 (height, width, 3), the input of the model.
        thumbnail: uint8 (height, width, 3), in the true aspect ratio; ``None`` if none is wanted.
        warnings: of the screening, as for still images.
    """

    time: float
    frame: int
    shot: int
    pixels: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ShotEnded:
    """A shot of which all frames have been sampled: its number, and its time in seconds."""

    shot: int
    start: float
    end: float


@dataclass(frozen=True)
class Ended:
    """The end of a film.

    Attributes:
        time: of the end, in seconds.
        frames: number of frames in the stream.
        damaged: number of packets that could not be decoded.
        missing: seconds that the header announces, and that are not there.
    """

    time: float
    frames: int
    damaged: int
    missing: float


Event = Facts | Sampled | ShotEnded | Ended | float
"""What comes of a film, in this order; a number is the time that has been reached, in seconds."""


def decode_film(
    path: Path, preprocessing: Preprocessing, limits: ImageLimits, reading: Reading
) -> Iterator[Event]:
    """Yield what a film holds: its facts, the frames to predict, its shots, its end.

    Args:
        path: a local file.
        preprocessing: of the model.
        limits: on the size of a frame.
        reading: which frames, and how.

    Raises:
        VideoError: it cannot be read as a film, or has no frame that can be decoded.
    """
    with open_video(path, limits) as container:
        stream, notes = video_stream(container, limits)
        frames = _Frames(container, stream, reading)
        sampler = _Sampler(preprocessing, limits, reading, frames.pixel_aspect)
        with read_errors():
            for frame, time, number in frames:
                if not sampler.has_begun:
                    yield frames.facts(frame, notes)
                yield from sampler.take(frame, time, number)
                yield time
        if not sampler.has_begun:
            raise VideoError("no frame of it can be decoded: the file is damaged or truncated")
        end = frames.end
        yield from sampler.finish(end)
        yield Ended(end, frames.count, frames.damaged, frames.missing)


class _Frames:
    """The decoded frames of a stream, each with its time in seconds and its number."""

    def __init__(self, container: InputContainer, stream: VideoStream, reading: Reading) -> None:
        self._container, self._stream = container, stream
        context = stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = reading.threads
        # Skipping them changes no pixel of the others, and halves the work of H.264 as a rule.
        context.skip_frame = "NONREF"
        self._dense = min(_DENSE, 0.5 / reading.rate)
        self._sparse = 0
        rate = stream.average_rate or stream.guessed_rate
        self._rate = float(rate) if rate and 0 < float(rate) < 1000 else None
        self._base = float(stream.time_base or 0) or 1 / _RATE
        self._start = (container.start_time or 0) / 1_000_000
        self._numbers = _Numbers()
        self._last: float | None = None
        self._failed = False
        self.damaged = 0
        self.end = 0.0
        aspect = stream.codec_context.sample_aspect_ratio or stream.sample_aspect_ratio
        self.pixel_aspect = float(aspect) if aspect and 0.1 <= float(aspect) <= 10 else 1.0

    @property
    def count(self) -> int:
        """The number of frames so far."""
        return self._numbers.count

    @property
    def missing(self) -> float:
        """The seconds that the header announces, and that are not there."""
        stated = self._stated()
        short = 0.0 if stated is None else stated - self.end
        # What the whole file states may be the length of its sound.
        least = max(1.0, 0.02 * self.end) if self._stream.duration else max(5.0, 0.1 * self.end)
        return short if short > least else 0.0

    def facts(self, frame: VideoFrame, notes: list[str]) -> Facts:
        """Return what is known of the film, given its first frame."""
        shape = Shape.of(frame, self.pixel_aspect)
        width, height = shape.shown_size(frame.width, frame.height)
        codec = self._stream.codec_context.name
        return Facts(width, height, self._stated(), self._rate, codec, tuple(notes))

    def _stated(self) -> float | None:
        if self._stream.duration:
            return float(self._stream.duration) * self._base
        if self._container.duration:
            return self._container.duration / 1_000_000
        return None

    def __iter__(self) -> Iterator[tuple[VideoFrame, float, int]]:
        for packet in self._packets():
            self._note(packet)
            for frame in self._decoded(packet):
                time = self._time_of(frame)
                self._adapt(time)
                self._last = time
                self.end = max(self.end, time + self._length(frame))
                yield frame, time, self._numbers.of(frame.pts)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield packets to the end, or to where the file is damaged."""
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.damaged += 1
                return
            if packet is None:
                return
            yield packet

    def _decoded(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        import av

        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.FFmpegError:
            self.damaged += 1
            return []

    def _note(self, packet: Packet[VideoStream]) -> None:
        if packet.size:
            self._numbers.add(packet.pts)
            if packet.pts is not None:
                shown = (packet.pts + (packet.duration or 0)) * self._base - self._start
                if self._last is None or shown - self._last < 60:  # a jump is damage
                    self.end = max(self.end, shown)

    def _time_of(self, frame: VideoFrame) -> float:
        """Return a frame's time; where it has none, or goes back, one frame after the last."""
        step = 1 / (self._rate or _RATE)
        if frame.pts is None:
            return 0.0 if self._last is None else self._last + step
        time = float(frame.pts * (frame.time_base or 0)) - self._start
        if self._last is None:
            return max(0.0, time)
        return time if time > self._last else self._last + step

    def _length(self, frame: VideoFrame) -> float:
        return float(frame.duration) * self._base or 1 / (self._rate or _RATE)

    def _adapt(self, time: float) -> None:
        """Skip no more frames where those that are left are too far apart."""
        if self._last is None or self._stream.codec_context.skip_frame == "DEFAULT":
            return
        self._sparse = self._sparse + 1 if time - self._last > self._dense else 0
        if self._sparse >= 2:
            self._stream.codec_context.skip_frame = "DEFAULT"


class _Numbers:
    """The number of each frame in the order of display, though not all of them are decoded.

    Frames come out in that order, and all packets of earlier frames have gone in by then.
    """

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._out = 0
        self.count = 0

    def add(self, pts: int | None) -> None:
        """Count a packet."""
        self.count += 1
        if pts is not None:
            heapq.heappush(self._waiting, pts)

    def of(self, pts: int | None) -> int:
        """Return the number of a frame that came out."""
        while pts is not None and self._waiting and self._waiting[0] < pts:
            heapq.heappop(self._waiting)
            self._out += 1
        if pts is None or not self._waiting or self._waiting[0] != pts:
            self._out += 1  # without timestamps, in the order in which they come
            return self._out - 1
        return self._out


@dataclass
class _Waiting:
    """A sample of which it is not yet known in which shot it is."""

    place: int
    time: float
    number: int
    pixels: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8] | None


class _Sampler:
    """Takes decoded frames one by one, and gives out those to predict, and shots."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        limits: ImageLimits,
        reading: Reading,
        pixel_aspect: float,
    ) -> None:
        self._preprocessing, self._limits = preprocessing, limits
        self._reading, self._pixel_aspect = reading, pixel_aspect
        self._detector = ShotDetector()
        self._recent: deque[tuple[int, VideoFrame, float, int]] = deque(maxlen=4)
        self._waiting: deque[_Waiting] = deque()
        self._candidates: list[_Waiting] = []
        self._spacing = 1 / reading.rate
        self._due = -math.inf
        self._spare: tuple[int, VideoFrame, float, int] | None = None
        self._shot, self._shot_start, self._samples = 0, 0.0, 0
        self._count = 0

    @property
    def has_begun(self) -> bool:
        """Whether a frame has been taken."""
        return self._count > 0

    def take(self, frame: VideoFrame, time: float, number: int) -> Iterator[Event]:
        """Take the next frame, and yield what becomes known by it."""
        self._limits.check_pixels((frame.width, frame.height))
        place = self._count
        self._count += 1
        self._recent.append((place, frame, time, number))
        if place == 0:
            self._spare = self._recent[0]
        if time >= self._due:
            self._due = (math.floor(time / self._spacing + 1e-6) + 1) * self._spacing
            self._waiting.append(self._prepared(place, frame, time, number))
        cut = self._detector.add(small_of(frame, SMALL), time)
        if cut is not None:
            yield from self._cut(cut)
        yield from self._release(self._detector.decided)

    def finish(self, end: float) -> Iterator[Event]:
        """Yield what is left, when the film has ended."""
        for cut in self._detector.finish():
            yield from self._cut(cut)
        yield from self._release(self._count)
        yield from self._end_shot(max(end, self._shot_start))

    def _cut(self, cut: Cut) -> Iterator[Event]:
        yield from self._release(cut.place)
        yield from self._end_shot(cut.time)
        self._shot, self._shot_start, self._samples = self._shot + 1, cut.time, 0
        self._spacing = 1 / self._reading.rate
        # Not the first frame, which encoders treat worst.
        after = [one for one in self._recent if one[0] >= cut.place]
        self._spare = after[1] if len(after) > 1 else after[0]

    def _release(self, places: int) -> Iterator[Event]:
        """Give out the samples among the first frames of this number."""
        while self._waiting and self._waiting[0].place < places:
            one = self._waiting.popleft()
            if self._reading.scenes:
                self._keep(one)
            else:
                yield self._sampled(one)

    def _keep(self, one: _Waiting) -> None:
        """Keep a candidate for the middle of a shot, of which at most so many are kept."""
        self._candidates.append(one)
        if len(self._candidates) > _CANDIDATES:
            self._candidates = self._candidates[::2]
            self._spacing *= 2

    def _end_shot(self, end: float) -> Iterator[Event]:
        if self._candidates:
            middle = (self._shot_start + end) / 2
            yield self._sampled(min(self._candidates, key=lambda one: abs(one.time - middle)))
            self._candidates = []
        elif self._samples == 0 and self._spare is not None:
            yield self._sampled(self._prepared(*self._spare))
        yield ShotEnded(self._shot, self._shot_start, end)

    def _prepared(self, place: int, frame: VideoFrame, time: float, number: int) -> _Waiting:
        shape = Shape.of(frame, self._pixel_aspect)
        model, shown = self._preprocessing, shape.shown_size(frame.width, frame.height)
        picture = picture_of(frame, shape, _needed(model, shown), model.filter)
        thumbnail = None
        if self._reading.thumbnail:
            small = _fitted(shown, self._reading.thumbnail)
            thumbnail = np.asarray(picture_of(frame, shape, small), np.uint8)
        return _Waiting(place, time, number, model(picture), thumbnail)

    def _sampled(self, one: _Waiting) -> Sampled:
        self._samples += 1
        warnings = screen(one.pixels)
        return Sampled(one.time, one.number, self._shot, one.pixels, one.thumbnail, warnings)


def _needed(model: Preprocessing, shown: tuple[int, int]) -> tuple[int, int]:
    """Return the size that a frame is scaled to, so that the model's own resizing does least."""
    if model.resize == "squash":
        return model.width, model.height
    scale = max(model.width / shown[0], model.height / shown[1])
    return max(model.width, round(shown[0] * scale)), max(model.height, round(shown[1] * scale))


def _fitted(shown: tuple[int, int], side: int) -> tuple[int, int]:
    """Return a size of the same shape whose longer side is at most so many pixels."""
    scale = min(1.0, side / max(shown))
    return max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))
