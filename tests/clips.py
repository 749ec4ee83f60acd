"""Clips made with PyAV: short, small, of the example photographs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from samples import photo

SIZE = (160, 96)


def still(name: str, frames: int, size: tuple[int, int] = SIZE) -> list[Image.Image]:
    """A photograph that moves slowly, as a camera that pans."""
    wide = photo(name, (size[0] + frames, size[1]))
    return [wide.crop((i, 0, i + size[0], size[1])) for i in range(frames)]


def write(
    path: Path,
    pictures: list[Image.Image],
    *,
    rate: int = 10,
    codec: str = "libx264",
    times: list[int] | None = None,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    rotation: int | None = None,
    pixel_aspect: Fraction | None = None,
    colours: dict[str, int] | None = None,
) -> Path:
    """Write pictures as a clip; ``times`` are in thousandths of a second."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = pixel_format
        stream.options = options or {}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        for name, value in (colours or {}).items():
            setattr(stream.codec_context, name, value)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound(path: Path) -> Path:
    """Write half a second of silence."""
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
