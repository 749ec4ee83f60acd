"""Decoding of untrusted images in a separate process, which can be killed.

Limits on bytes and pixels do not bound the cost of decoding a hostile file. So files from
untrusted sources are decoded in a process with limits on memory and on seconds per picture.
A process that exceeds them is ended, and another one is started.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from PIL import Image

from evoca.errors import ImageError
from evoca.images.decode import DecodedImage, ImageLimits, decode
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import LoadedImage, load_image
from evoca.images.walk import printable_name

__all__ = [
    "DecodingPool",
    "DecodingStoppedError",
    "end_process",
    "exactly",
    "limit_memory",
    "limit_seconds",
    "start_process",
]

_CPU_SECONDS = 20.0
_MEMORY = 2 * 1024**3
# On a busy machine a process gets less than one processor; one that sleeps must end too.
_WALL_SECONDS = 120.0
_SECONDS_BETWEEN_LOOKS = 1.0
_HEADER_BYTES = 64 * 1024
_PIPE_BYTES = 1024 * 1024
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux, which Python 3.11 does not name
# Read by glibc alone. Unless told so, it gives the memory of each picture back to the system,
# which clears it page by page for the next one: a quarter of what decoding a small photograph
# takes. Larger blocks than these bytes still go back.
_MEMORY_KEPT = {
    "MALLOC_MMAP_THRESHOLD_": str(16 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
}

T = TypeVar("T")


class DecodingStoppedError(Exception):
    """The decoding was stopped; nothing is known of the picture."""


class DecodingPool:
    """Processes that decode images, each one at a time.

    Use it as a context manager, or call :meth:`close`. It can be shared between threads.

    Args:
        processes: how many pictures are decoded at once.
        seconds: processor seconds per picture.
        memory: bytes that a process may use in addition to those at its start. Not limited
            on Windows and macOS.
    """

    def __init__(
        self, processes: int = 1, *, seconds: float = _CPU_SECONDS, memory: int = _MEMORY
    ) -> None:
        # The last idle process is used first, so that few are started if few are needed.
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all = [_Process(seconds, memory) for _ in range(processes)]
        self._stopped, self._closed = threading.Event(), threading.Event()
        for process in self._all:
            self._idle.put(process)
        threading.Thread(target=self._watch, name="evoca-decoding", daemon=True).start()

    def __enter__(self) -> DecodingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        self._closed.set()
        for process in self._all:
            process.end()

    def _watch(self) -> None:
        while not self._closed.wait(_SECONDS_BETWEEN_LOOKS):
            for process in self._all:
                process.kill_if_late()

    def decode(
        self,
        data: bytes,
        *,
        min_size: tuple[int, int] | None = None,
        limits: ImageLimits | None = None,
    ) -> DecodedImage:
        """Return an image as :func:`evoca.images.decode` does; wait while all are busy.

        Raises:
            ImageError: as there, or the picture takes more time or memory than allowed.
            DecodingStoppedError: :meth:`stop` was called.
        """
        limits = limits or ImageLimits()
        limits.check_bytes(len(data))
        request = {"min_size": min_size, "limits": asdict(limits)}
        return self._ask(request, data, _decoded)

    def load(
        self,
        source: Path | bytes,
        preprocessing: Preprocessing,
        limits: ImageLimits | None = None,
    ) -> LoadedImage:
        """Return a file, or its bytes, as :func:`~evoca.images.sources.load_image` does.

        A file is read by the process, too. Wait while all are busy.

        Raises:
            ImageError: as there, or the picture takes more time or memory than allowed.
            DecodingStoppedError: :meth:`stop` was called.
        """
        limits = limits or ImageLimits()
        request = {"preprocessing": preprocessing.model_dump(), "limits": asdict(limits)}
        if isinstance(source, bytes):
            return self._ask(request, source, _loaded)
        try:
            return self._ask({**request, "path": os.fspath(source)}, b"", _loaded)
        except ImageError as error:
            raise ImageError(error.cause, printable_name(source)) from error

    def _ask(
        self, request: dict[str, Any], data: bytes, read: Callable[[dict[str, Any], IO[bytes]], T]
    ) -> T:
        process = self._idle.get()
        try:
            if self._stopped.is_set():
                raise DecodingStoppedError
            return process.ask(request, data, read)
        except ImageError as error:
            if self._stopped.is_set():
                raise DecodingStoppedError from error
            raise
        finally:
            self._idle.put(process)

    def stop(self) -> None:
        """End every decoding of other threads, running or waiting, with an error."""
        self._stopped.set()
        for process in self._all:
            process.kill()


class _Process:
    """One decoding process, started when it is first needed."""

    def __init__(self, seconds: float, memory: int) -> None:
        self._seconds, self._memory = seconds, memory
        self._running: subprocess.Popen[bytes] | None = None
        self._due: float | None = None

    def kill(self) -> None:
        """Kill the process; another thread may be waiting for its result."""
        if (running := self._running) is not None:
            running.kill()

    def kill_if_late(self) -> None:
        """Kill the process where its picture takes too long, also asleep."""
        due = self._due
        if due is not None and time.monotonic() > due:
            self.kill()

    def end(self) -> None:
        """Kill the process; the next picture starts another."""
        running, self._running = self._running, None
        if running is not None:
            end_process(running)

    def ask(
        self, request: dict[str, Any], data: bytes, read: Callable[[dict[str, Any], IO[bytes]], T]
    ) -> T:
        """Return what ``read`` makes of the response, given its header and the pixels' stream."""
        running = self._started()
        self._due = time.monotonic() + self._seconds + _WALL_SECONDS
        try:
            assert running.stdin is not None
            assert running.stdout is not None
            header = json.dumps({**request, "bytes": len(data)}).encode()
            running.stdin.write(header + b"\n" + data)
            running.stdin.flush()
            response = json.loads(running.stdout.readline(_HEADER_BYTES))
            if "error" in response:
                raise ImageError(response["error"])
            return read(response, running.stdout)
        except ImageError:
            raise
        except (OSError, ValueError) as error:
            self.end()
            raise ImageError(
                f"decoding it takes more than {self._seconds:g} s or "
                f"{self._memory // 1024**2:,} MB: not what a photograph takes"
            ) from error
        finally:
            self._due = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._running is not None and self._running.poll() is None:
            return self._running
        self.end()
        self._running = start_process(__name__, self._seconds, self._memory)
        return self._running


def start_process(module: str, *arguments: float) -> subprocess.Popen[bytes]:
    """Return a process that runs a module of ours, with pipes to its input and from its output.

    Args:
        module: its name; it is run as ``python -m``.
        arguments: for its command line.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(  # noqa: S603 - a module of this package
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**_MEMORY_KEPT, **os.environ},
        # A signal from the keyboard must reach only the parent, which ends this process.
        start_new_session=True,
    )
    _widen(process.stdout)
    return process


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kill a process of :func:`start_process`, and close its pipes."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # unread input is discarded
                pipe.close()
    process.wait()


def _decoded(response: dict[str, Any], stream: IO[bytes]) -> DecodedImage:
    width, height = response["size"]
    pixels = exactly(stream, 3 * width * height)
    return DecodedImage(
        Image.frombytes("RGB", (width, height), pixels),
        tuple(response["stored"]),
        tuple(response["notes"]),
    )


def _loaded(response: dict[str, Any], stream: IO[bytes]) -> LoadedImage:
    height, width, bands = response["shape"]
    pixels = np.frombuffer(exactly(stream, height * width * bands), np.uint8)
    return LoadedImage(
        pixels.reshape(height, width, bands),
        tuple(response["stored"]),
        response["sha256"],
        tuple(response["notes"]),
    )


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a whole picture into a pipe at once, which spares both sides many waits."""
    with contextlib.suppress(ImportError, OSError):  # not on Windows, macOS or above a limit
        import fcntl

        if pipe is not None and sys.platform == "linux":
            fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _PIPE_BYTES)


def exactly(stream: IO[bytes], count: int) -> bytes:
    """Return so many bytes of a stream; fewer are an ``EOFError``."""
    data = stream.read(count)
    if len(data) != count:
        raise EOFError(f"{len(data)} of {count} bytes")
    return data


def _main(seconds: float, memory: int) -> None:
    """Decode pictures from standard input, one after the other."""
    limit_memory(memory)
    for request, data in _requests(sys.stdin.buffer):
        limit_seconds(seconds)
        limits = ImageLimits(**request["limits"])
        try:
            if "preprocessing" in request:
                response, pixels = _load(request, data, limits)
            else:
                response, pixels = _decode(request, data, limits)
        except ImageError as error:
            response, pixels = {"error": error.cause}, b""
        sys.stdout.buffer.write(json.dumps(response).encode() + b"\n" + pixels)
        sys.stdout.buffer.flush()


def _decode(
    request: dict[str, Any], data: bytes, limits: ImageLimits
) -> tuple[dict[str, object], bytes]:
    size = request["min_size"]
    found = decode(data, min_size=None if size is None else (size[0], size[1]), limits=limits)
    response: dict[str, object] = {
        "size": found.image.size,
        "stored": found.size,
        "notes": found.notes,
    }
    return response, found.image.tobytes()


def _load(
    request: dict[str, Any], data: bytes, limits: ImageLimits
) -> tuple[dict[str, object], bytes]:
    source = Path(request["path"]) if "path" in request else data
    found = load_image(source, Preprocessing(**request["preprocessing"]), limits)
    response: dict[str, object] = {
        "shape": found.pixels.shape,
        "stored": found.size,
        "sha256": found.sha256,
        "notes": found.warnings,
    }
    return response, found.pixels.tobytes()


def _requests(stream: IO[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    while line := stream.readline(_HEADER_BYTES):
        request = json.loads(line)
        yield request, exactly(stream, request["bytes"])


def limit_memory(memory: int) -> None:
    """Limit the address space to the current use plus some bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = _address_space()
    if used is not None:
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))


def _address_space() -> int | None:
    """Return the bytes of address space in use; ``None`` where not known."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def limit_seconds(seconds: float) -> None:
    """Set a time limit after which the system ends this process."""
    try:
        import resource
    except ImportError:  # Windows: only the parent's clock
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    _main(float(sys.argv[1]), int(sys.argv[2]))
