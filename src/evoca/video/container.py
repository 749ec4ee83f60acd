"""Video files opened within limits: one local file, of a known kind, that leads to no other."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from evoca.errors import EvocaError, first_line
from evoca.images.sources import open_without_waiting

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from evoca.images.decode import ImageLimits

__all__ = ["Facts", "VideoError", "open_video", "read_errors", "video_stream"]

_BUFFER = 1024 * 1024
# FFmpeg knows formats that are no files of pictures but lists of addresses, descriptions of
# filters, text and devices (hls, concat, dash, image2, lavfi, tty, ...): those are not here.
_FORMATS = (
    *("mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "flv"),
    *("live_flv", "asf", "ogg", "mxf", "gif", "apng", "ivf", "h264", "hevc", "av1", "obu"),
    *("nut", "rm", "wtv", "dv", "yuv4mpegpipe", "swf", "mjpeg", "vc1", "cavsvideo", "mxg"),
    # Sound alone, so that such a file is named for what it is.
    *("mp3", "wav", "flac", "aac", "aiff", "ac3", "eac3", "ape", "wv", "tta", "amr", "au"),
)
_NO_INDEX, _NOT_LISTED = "moov atom not found", "Format not on whitelist"
_IMAGES = ("_pipe", "image2", "ico")


class VideoError(EvocaError, ValueError):
    """A file that cannot be read as a film.

    Attributes:
        cause: what is wrong, without the file's name.
    """

    def __init__(self, cause: str, source: str = "") -> None:
        super().__init__(cause, source)
        self.cause, self.source = cause, source

    def __str__(self) -> str:
        return f"{self.source}: {self.cause}" if self.source else self.cause


@dataclass(frozen=True)
class Facts:
    """What a film's header says.

    Attributes:
        width: of a frame as a player shows it, in pixels.
        height: likewise.
        seconds: its duration; ``None`` where the header has none.
        rate: frames a second on average; ``None`` if unknown.
        codec: that the frames are coded with.
        notes: what a reader should know, such as a choice among several video streams.
    """

    width: int
    height: int
    seconds: float | None
    rate: float | None
    codec: str
    notes: tuple[str, ...] = ()


@contextmanager
def open_video(path: Path, limits: ImageLimits) -> Iterator[InputContainer]:
    """Yield an opened video file.

    FFmpeg is given the bytes of the file alone, not its name, so that it cannot open anything
    else, whatever the file says.

    Raises:
        VideoError: it is missing, no regular file, empty, or of no kind of video.
    """
    import av

    av.logging.set_level(av.logging.ERROR)  # what errors say of their cause
    with read_errors(), _regular(path) as file:
        container = av.open(
            file,
            mode="r",
            options={"max_pixels": str(limits.max_pixels)},
            container_options={
                "format_whitelist": ",".join(_FORMATS),
                "protocol_whitelist": "none",
            },
            buffer_size=_BUFFER,
            metadata_errors="replace",
            io_open=_refuse_others,
        )
        try:
            yield container
        finally:
            container.close()


class _Nameless:
    """The bytes of a file; PyAV would tell FFmpeg its name, by which formats are guessed."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _refuse_others(url: str, flags: int, options: dict[str, str]) -> Any:
    del url, flags, options
    raise PermissionError("a film may not open other files")


@contextmanager
def _regular(path: Path) -> Iterator[_Nameless]:
    """Yield an opened regular file that is not empty; a pipe or a device could never end."""
    try:
        _refuse_unfit(path.stat())  # without opening it, since that may affect a device
        with open(path, "rb", opener=open_without_waiting) as file:
            _refuse_unfit(os.fstat(file.fileno()))  # the path may be another file by now
            yield _Nameless(file)
    except FileNotFoundError as error:
        raise VideoError(f"no such file{_address_hint(path)}") from error
    except PermissionError as error:
        raise VideoError("no permission to read it") from error
    except (OSError, ValueError) as error:
        if isinstance(error, VideoError) or type(error).__module__.startswith("av"):
            raise
        raise VideoError(f"cannot be read: {first_line(error)}") from error


def _refuse_unfit(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise VideoError("a folder, where one film is wanted")
    if not stat.S_ISREG(status.st_mode):
        raise VideoError("not a regular file: a live stream has no end, record it first")
    if status.st_size == 0:
        raise VideoError("the file is empty")


def _address_hint(path: Path) -> str:
    # A path has lost one of the two slashes.
    is_address = re.match(r"[a-z][a-z0-9+.-]+:/", str(path), re.IGNORECASE)
    return ": films are read from files alone, so download it first" if is_address else ""


@contextmanager
def read_errors() -> Iterator[None]:
    """Turn what PyAV raises into one line."""
    import av

    try:
        yield
    except VideoError:
        raise
    except av.FFmpegError as error:
        raise VideoError(_cause(error)) from error
    except MemoryError as error:
        raise VideoError("not enough memory to decode it") from error


def _cause(error: Exception) -> str:
    """Return what is wrong, by what FFmpeg logged and by its kind of error."""
    import av

    _, kind, logged = getattr(error, "log", None) or (0, "", "")
    if _NO_INDEX in logged:
        return "the file is truncated: its index is missing, as of a recording that was not ended"
    if _NOT_LISTED in logged:
        if kind.endswith(_IMAGES):
            return "an image, not a film: evoca predict reads it"
        return f"not a video, but of the kind {first_line(ValueError(kind))}, which is not read"
    if isinstance(error, av.InvalidDataError | av.error.EOFError):
        return "not a video that can be read, or damaged"
    return f"cannot be read as a video: {first_line(ValueError(getattr(error, 'strerror', error)))}"


def video_stream(container: InputContainer, limits: ImageLimits) -> tuple[VideoStream, list[str]]:
    """Return the stream of a container that players show, and notes on the choice.

    Raises:
        VideoError: there is none, or its frames are too large.
    """
    from av.stream import Disposition

    streams = [
        one
        for one in container.streams.video
        if not one.disposition & Disposition.attached_pic and one.codec_context is not None
    ]
    if not streams:
        has_sound = bool(container.streams.audio)
        raise VideoError("no video in it, only sound" if has_sound else "no video in it")
    best = container.streams.best("video")
    stream = next((one for one in streams if best is not None and one.index == best.index), None)
    chosen = streams[0] if stream is None else stream
    if chosen.width * chosen.height > limits.max_pixels:
        raise VideoError(
            f"{chosen.width} x {chosen.height} pixels a frame, the limit is "
            f"{limits.max_pixels:,} (EVOCA_MAX_PIXELS)"
        )
    notes = []
    if len(streams) > 1:
        notes.append(f"{len(streams)} video streams: number {streams.index(chosen) + 1} was taken")
    return chosen, notes
