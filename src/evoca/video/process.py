"""A film decoded in a process of its own, which a fault in a decoder may end.

Films are as untrusted as pictures, and their decoders larger. The process has a limit on its memory
and must report in time; its end, whatever the reason, is one line to the caller, who is never
stopped by it. Pixels come by a pipe, so the film is decoded no faster than it is predicted, and
what lies between is bounded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from evoca.errors import MissingExtraError
from evoca.images.decode import ImageLimits
from evoca.images.isolated import (
    end_process,
    exactly,
    limit_memory,
    limit_seconds,
    start_process,
)
from evoca.images.preprocess import Preprocessing
from evoca.images.walk import printable_name
from evoca.video.container import Facts, VideoError
from evoca.video.decoding import Ended, Event, Reading, Sampled, ShotEnded, decode_film

__all__ = ["FilmProcess"]

_MEMORY = 4 * 1024**3
# Without a frame for so long it hangs: seconds of the processor, since on a busy machine a process
# gets little of it, and far more seconds of the clock, for one that sleeps.
_CPU_SECONDS = 60.0
_SILENCE = 1_200.0
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_TIMES = 0.25
_LINE = 1024 * 1024


class FilmProcess:
    """Decodes one film in a process of its own; use it as a context manager.

    Args:
        path: a local file.
        preprocessing: of the model.
        limits: on the size of a frame.
        reading: which frames, and how.
        memory: bytes that the process may use beside those it starts with; not limited on
            Windows and macOS.
        silence: seconds of the clock without a word after which it is ended.

    Raises:
        MissingExtraError: PyAV is not installed.
    """

    def __init__(
        self,
        path: Path,
        preprocessing: Preprocessing,
        limits: ImageLimits | None = None,
        reading: Reading | None = None,
        *,
        memory: int = _MEMORY,
        silence: float = _SILENCE,
    ) -> None:
        if find_spec("av") is None:  # not imported: its libraries are for the process alone
            raise MissingExtraError("a film", "video", "av")
        self._path, self._memory, self._silence = path, memory, silence
        self._request = {
            "path": os.fspath(path),
            "preprocessing": preprocessing.model_dump(),
            "limits": asdict(limits or ImageLimits()),
            "reading": asdict(reading or Reading()),
        }
        self._running: subprocess.Popen[bytes] | None = None
        self._waiting_since: float | None = None
        self._closed = threading.Event()
        self._reached = 0.0
        self._late = False

    @property
    def pid(self) -> int | None:
        """The process's number; ``None`` where it does not run."""
        return None if self._running is None else self._running.pid

    def __enter__(self) -> FilmProcess:
        self._running = start_process(__name__, self._memory)
        threading.Thread(target=self._watch, name="evoca-film", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        running, self._running = self._running, None
        if running is not None:
            end_process(running)

    def _watch(self) -> None:
        """End the process where the caller waits too long for it."""
        while not self._closed.wait(_SECONDS_BETWEEN_LOOKS):
            since, running = self._waiting_since, self._running
            if since is not None and time.monotonic() - since > self._silence and running:
                self._late = True
                running.kill()

    def events(self) -> Iterator[Event]:
        """Yield what comes of the film, as :func:`evoca.video.decoding.decode_film` does.

        Raises:
            VideoError: it cannot be read as a film, or decoding it ended the process.
        """
        running = self._running
        assert running is not None
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            running.stdin.write(json.dumps(self._request).encode() + b"\n")
            running.stdin.flush()
            while True:
                event = self._next(running.stdout)
                if isinstance(event, float):
                    self._reached = event
                yield event
                if isinstance(event, Ended):
                    return
        except (OSError, EOFError, json.JSONDecodeError) as error:
            raise self._ended_early(running) from error

    def _next(self, stream: IO[bytes]) -> Event:
        self._waiting_since = time.monotonic()
        try:
            line = stream.readline(_LINE)
            if not line.endswith(b"\n"):
                raise EOFError
            return self._read(json.loads(line), stream)
        finally:
            self._waiting_since = None

    def _read(self, said: dict[str, Any], stream: IO[bytes]) -> Event:
        kind = said.pop("kind")
        if kind == "error":
            raise VideoError(said["cause"], printable_name(self._path))
        if kind == "sampled":
            pixels = _array(stream, said.pop("shape"))
            small = said.pop("small")
            thumbnail = None if small is None else _array(stream, small)
            warnings = tuple(said.pop("warnings"))
            return Sampled(pixels=pixels, thumbnail=thumbnail, warnings=warnings, **said)
        if kind == "facts":
            return Facts(**{**said, "notes": tuple(said["notes"])})
        if kind == "shot":
            return ShotEnded(**said)
        if kind == "end":
            return Ended(**said)
        return float(said["time"])

    def _ended_early(self, running: subprocess.Popen[bytes]) -> VideoError:
        """Return the error of a process that has ended without a word."""
        status = running.wait()
        where = f" at {self._reached:.1f} s" if self._reached else ""
        if self._late:
            cause = f"decoding it hangs{where}: no frame in {self._silence:g} s"
        elif status == -getattr(signal, "SIGXCPU", 0):
            cause = f"decoding it hangs{where}: no frame in {_CPU_SECONDS:g} s of the processor"
        elif status < 0:
            name = signal.Signals(-status).name
            cause = f"the decoder crashed{where} ({name}): the file is damaged, or made to do so"
        else:
            cause = f"the decoder ended{where} with status {status}: the file is damaged"
        return VideoError(cause, printable_name(self._path))


def _array(stream: IO[bytes], shape: list[int]) -> NDArray[np.uint8]:
    height, width, bands = shape
    return np.frombuffer(exactly(stream, height * width * bands), np.uint8).reshape(shape)


def _main(memory: int) -> None:
    """Decode the film that standard input names, to standard output."""
    request = json.loads(sys.stdin.buffer.readline(_LINE))
    try:
        import av  # noqa: F401 - before the limit: its libraries take room once

        limit_memory(memory)
        events = decode_film(
            Path(request["path"]),
            Preprocessing(**request["preprocessing"]),
            ImageLimits(**request["limits"]),
            Reading(**request["reading"]),
        )
        _send_all(events)
    except VideoError as error:
        _send({"kind": "error", "cause": error.cause})
    except MemoryError:
        _send({"kind": "error", "cause": f"decoding it takes more than {memory // 1024**2:,} MB"})


def _send_all(events: Iterator[Event]) -> None:
    last = float("-inf")
    limit_seconds(_CPU_SECONDS)
    for event in events:
        if not isinstance(event, float):
            _send_event(event)
            continue
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_TIMES:
            last = now
            limit_seconds(_CPU_SECONDS)
            _send({"kind": "time", "time": event})


def _send_event(event: Facts | Sampled | ShotEnded | Ended) -> None:
    if isinstance(event, Sampled):
        small = event.thumbnail
        said = {
            "kind": "sampled",
            "time": event.time,
            "frame": event.frame,
            "shot": event.shot,
            "warnings": event.warnings,
            "shape": event.pixels.shape,
            "small": None if small is None else small.shape,
        }
        _send(said, event.pixels.tobytes() + (b"" if small is None else small.tobytes()))
        return
    kinds = {Facts: "facts", ShotEnded: "shot", Ended: "end"}
    _send({"kind": kinds[type(event)], **asdict(event)})


def _send(said: dict[str, Any], data: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
