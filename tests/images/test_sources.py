"""What a caller may hand over: paths of every sort, bytes, PIL images, arrays."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoca.errors import ImageError
from evoca.images import ImageLimits, Preprocessing, load_image
from evoca.images.sources import open_picture, read_file
from samples import animation, as_stored, encode, exif, one_of_each, photo

SMALL = Preprocessing(height=20, width=30)

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


@pytest.fixture
def coffee(tmp_path: Path) -> Path:
    path = tmp_path / "coffee.png"
    path.write_bytes(encode(photo(), "PNG"))
    return path


def error_of(source: object, **options: object) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load_image(source, SMALL, **options)  # type: ignore[arg-type]
    assert str(caught.value).isprintable()
    return caught.value


# --- one picture, handed over in every way ---


def test_every_way_to_hand_over_a_picture_gives_the_same_pixels(coffee: Path) -> None:
    picture, array = photo(), np.asarray(photo())
    encoded = coffee.read_bytes()
    ways = [
        *(str(coffee), coffee, encoded, bytearray(encoded), memoryview(encoded)),
        *(picture, Image.open(coffee), array, array.copy()[::-1][::-1], array / 255.0),
        *((array / 255.0).astype(np.float32), array.astype(np.uint16) * 257),
        (array.astype(np.uint16) * 257).astype(">u2"),
    ]
    loaded = [load_image(way, SMALL) for way in ways]
    for one in loaded:
        assert one.pixels.dtype == np.uint8
        assert one.pixels.shape == (20, 30, 3)
        assert one.size == (96, 64)
        assert one.warnings == ()
        np.testing.assert_array_equal(one.pixels, loaded[0].pixels)
    digest = hashlib.sha256(encoded).hexdigest()
    assert [one.sha256 for one in loaded] == [digest] * 5 + [None] * 8


def test_notes_and_screening_are_both_told() -> None:
    frames = [Image.new("RGB", (40, 30), (200, 200, level)) for level in (200, 210)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_image(data, SMALL).warnings == (
        "animated: first frame",
        "unlike a photograph: blank",
    )


def test_a_rotated_picture_is_upright_from_a_path_and_from_pil(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    path.write_bytes(encode(as_stored(photo(), 6), "JPEG", quality=95, exif=exif(6)))
    from_path, from_pil = load_image(path, SMALL), load_image(Image.open(path), SMALL)
    assert from_path.size == from_pil.size == (96, 64)
    upright = load_image(photo(), SMALL).pixels.astype(int)
    for one in (from_path, from_pil):
        assert np.abs(one.pixels - upright).mean() < 4


def test_the_frame_a_caller_has_chosen_is_taken() -> None:
    import io

    opened = Image.open(io.BytesIO(animation("WEBP", lossless=True)))
    opened.seek(2)
    np.testing.assert_array_equal(
        load_image(opened, SMALL).pixels, load_image(photo("flower"), SMALL).pixels
    )


def test_a_picture_can_be_opened_without_resizing(coffee: Path) -> None:
    assert open_picture(coffee).image.tobytes() == photo().tobytes()
    jpeg = encode(photo("china", (640, 480)), "JPEG")
    assert open_picture(jpeg, min_size=(160, 120)).image.size == (160, 120)


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"], object(), 1.5])
def test_what_is_no_image_input_is_a_type_error(source: object) -> None:
    with pytest.raises(TypeError, match="an image is a path, bytes, a PIL image or a NumPy array"):
        load_image(source, SMALL)  # type: ignore[arg-type]


# --- paths ---


def _missing(folder: Path) -> Path:
    return folder / "missing.jpg"


def _folder(folder: Path) -> Path:
    return folder


def _below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "a.jpg"


def _loop(folder: Path) -> Path:
    (folder / "loop.jpg").symlink_to("loop.jpg")
    return folder / "loop.jpg"


def _dangling(folder: Path) -> Path:
    (folder / "link.jpg").symlink_to("nowhere.jpg")
    return folder / "link.jpg"


def _too_long(folder: Path) -> Path:
    return folder / ("x" * 300 + ".jpg")


def _with_nul(folder: Path) -> Path:
    return folder / "a\0b.jpg"


def _empty(folder: Path) -> Path:
    (folder / "empty.jpg").touch()
    return folder / "empty.jpg"


def _text(folder: Path) -> Path:
    (folder / "text.jpg").write_text("no picture")
    return folder / "text.jpg"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (_missing, "no such file"),
        (_folder, "a folder, where one image is wanted"),
        pytest.param(_below_a_file, "cannot be read: Not a directory", marks=posix),
        pytest.param(_loop, "cannot be read: Too many levels of symbolic links", marks=posix),
        pytest.param(_dangling, "no such file", marks=posix),
        pytest.param(_too_long, "cannot be read: File name too long", marks=posix),
        pytest.param(_with_nul, "cannot be read: embedded null byte", marks=posix),
        (_empty, "the file is empty"),
        (_text, "not an image in a known format"),
    ],
)
def test_a_path_that_leads_to_no_image(
    make: Callable[[Path], Path], cause: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    error = error_of(path)
    assert error.cause.startswith(cause)
    assert error.source == str(path)


@posix
def test_a_file_without_permission(coffee: Path) -> None:
    coffee.chmod(0)
    if os.access(coffee, os.R_OK):
        pytest.skip("this user, such as root, may read a file without permission")
    assert error_of(coffee).cause == "no permission to read it"


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "has 1,099,511,627,776 bytes, the limit is 268,435,456" in error_of(path).cause


def within(seconds: float, work: Callable[[], object]) -> None:
    """Do work in a thread and fail, instead of waiting for ever, where it hangs."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # told to the main thread
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    if failures:
        raise failures[0]


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.jpg")
    return folder / "pipe.jpg"


def _zeros(_: Path) -> Path:
    return Path("/dev/zero")


@posix
@pytest.mark.parametrize("make", [_pipe, _zeros])
def test_pipes_and_devices_are_refused_without_waiting(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = make(tmp_path)
    within(10, lambda: error_of(path))
    assert error_of(path).cause == "not a regular file"


class Swapped(type(Path())):  # type: ignore[misc]
    """A path that was a regular file when it was looked at and is another one when opened."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return Path(__file__).stat()


@posix
def test_a_file_that_becomes_a_pipe_before_it_is_opened(tmp_path: Path) -> None:
    path = Swapped(_pipe(tmp_path))

    def read() -> None:
        with pytest.raises(ImageError, match="not a regular file"):
            read_file(path, ImageLimits())

    within(10, read)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_that_lies_about_its_size() -> None:
    assert "size is not what the system says" in error_of("/proc/version").cause


# --- names ---


@posix
@pytest.mark.parametrize(
    ("raw", "source"),
    [
        (b"caf\xe9.png", "caf%E9.png"),
        (b"50% caf\xe9.png", "50%25 caf%E9.png"),
        (b"50%.png", "50%.png"),
        ("日本 🎞.png".encode(), "日本 🎞.png"),
        (b"two\nlines\x1b[31m.png", "two\nlines\x1b[31m.png"),
    ],
)
def test_names_of_any_bytes(raw: bytes, source: str, coffee: Path) -> None:
    path = coffee.parent / os.fsdecode(raw)
    coffee.rename(path)
    assert load_image(path, SMALL).size == (96, 64)
    path.write_bytes(b"damaged")
    assert error_of(path).source == f"{coffee.parent}/{source}"


def test_the_message_shows_control_characters_escaped() -> None:
    error = ImageError("no such file", "two\nlines\x1b[31m\u202e.png")
    assert str(error) == r"two\nlines\x1b[31m\u202e.png: no such file"


# --- arrays ---


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((4, 6), 7, np.uint8), 7),
        (np.full((4, 6, 1), 7, np.uint8), 7),
        (np.full((4, 6, 3), 7, np.uint8), 7),
        (np.dstack([np.zeros((4, 6, 3), np.uint8), np.full((4, 6), 255, np.uint8)]), 0),
        (np.zeros((4, 6, 4), np.uint8), 255),  # transparent
        (np.full((4, 6), 32896, np.uint16), 128),
        (np.full((4, 6), 0.5), 128),
        (np.full((4, 6, 3), 0.5, np.float16), 128),
        (np.full((4, 6), 1.0005, np.float32), 255),  # rounding of a filter
        (np.asfortranarray(np.full((4, 6, 3), 9, np.uint8)), 9),
        (np.full((8, 12, 3), 9, np.uint8)[::2, ::-2], 9),
    ],
)
def test_arrays(array: np.ndarray, expected: int) -> None:
    loaded = load_image(array, SMALL)
    assert loaded.size == (6, 4)
    assert (loaded.pixels == expected).all()


@pytest.mark.parametrize(
    ("array", "cause"),
    [
        (np.zeros((3, 40, 50), np.uint8), "shape (3, 40, 50): give (H, W), (H, W, 3)"),
        (np.zeros((1, 40, 50, 3), np.uint8), "shape (1, 40, 50, 3)"),
        (np.zeros((40, 50, 2), np.uint8), "shape (40, 50, 2)"),
        (np.zeros(5, np.uint8), "shape (5,)"),
        (np.array(5, np.uint8), "shape ()"),
        (np.zeros((0, 5, 3), np.uint8), "an empty array of shape (0, 5, 3)"),
        (np.zeros((5, 0), np.float32), "an empty array of shape (5, 0)"),
        (np.full((4, 5), np.nan), "NaN or infinite"),
        (np.full((4, 5, 3), np.inf, np.float32), "NaN or infinite"),
        (np.full((4, 5, 3), 200.0), "values from 200 to 200: give 0..1, or uint8 0..255"),
        (np.full((4, 5), -0.5), "values from -0.5 to -0.5"),
        (np.full((4, 5), 200, np.int64), "an array of int64: give uint8"),
        (np.zeros((4, 5), bool), "an array of bool"),
        (np.zeros((4, 5), complex), "an array of complex128"),
        (np.array([["a", "b"]]), "an array of <U1"),
        (np.array([[None]]), "an array of object"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)), "20000 x 20000 pixels"),
    ],
)
def test_arrays_that_could_be_misread_are_refused(array: np.ndarray, cause: str) -> None:
    assert cause in error_of(array).cause


def test_an_array_is_not_changed() -> None:
    array = np.asarray(photo()).copy()
    kept = array.copy()
    picture = open_picture(array).image
    picture.paste("red", (0, 0, 96, 64))
    np.testing.assert_array_equal(array, kept)


# --- limits ---


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp", "avif", "tiff", "bmp", "ppm"])
def test_the_callers_limits_hold_for_every_format(kind: str) -> None:
    data = one_of_each()[kind]
    assert "96 x 64 pixels" in error_of(data, limits=ImageLimits(max_pixels=96 * 64 - 1)).cause
    assert load_image(data, SMALL, ImageLimits(max_pixels=96 * 64)).size == (96, 64)
