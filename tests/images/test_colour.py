"""Embedded colour profiles: converted, left alone where they say sRGB, noted where damaged."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from evoca.images import Preprocessing, decode, load_image
from evoca.images.colour import IGNORED, to_srgb
from evoca.images.decode import decode_picture
from samples import (
    RGB_SPACES,
    encode,
    grey_profile,
    mean_difference,
    photo,
    press_profile,
    rgb_profile,
)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def in_space(picture: Image.Image, profile: bytes) -> Image.Image:
    """The numbers that the same colours have in another space."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), target)
    assert converted is not None
    del converted.info["icc_profile"]
    return converted


@pytest.mark.parametrize("space", RGB_SPACES)
@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 95, "speed": 10}),
    ],
)
def test_a_wider_space_is_brought_to_srgb(space: str, image_format: str, options: dict) -> None:
    profile = rgb_profile(space)
    wide = in_space(photo("flower"), profile)
    assert mean_difference(wide, photo("flower")) > 6
    decoded = decode(encode(wide, image_format, icc_profile=profile, **options))
    assert mean_difference(decoded.image, photo("flower")) < 4
    assert decoded.notes == ()


def test_a_scaled_jpeg_is_converted_as_the_whole_one_is() -> None:
    profile = rgb_profile("Adobe RGB")
    upright = photo("flower", (768, 512))
    data = encode(in_space(upright, profile), "JPEG", quality=95, icc_profile=profile)
    small = decode(data, min_size=(96, 64)).image
    assert small.size == (96, 64)
    assert mean_difference(small, upright.reduce(8)) < 3


def test_transparency_survives() -> None:
    profile = rgb_profile("Adobe RGB")
    picture = in_space(photo(), profile).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    expected = Image.new("RGB", picture.size, "white")
    expected.paste(photo(), mask=picture.getchannel("A"))
    decoded = decode(encode(picture, "PNG", icc_profile=profile))
    assert mean_difference(decoded.image, expected) < 2


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_follows_its_curve(mode: str) -> None:
    picture = Image.new(mode, (8, 8), {"L": 64, "LA": (64, 255), "1": 1}[mode])
    decoded = decode(encode(picture, "PNG", icc_profile=grey_profile(1.0)))
    level = 255 if mode == "1" else 137  # 255 * (64 / 255) ** (1 / 2.4) and the sRGB curve
    assert np.abs(np.asarray(decoded.image, np.int16) - level).max() <= 2
    assert decoded.notes == ()


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_cmyk_follows_the_press(image_format: str) -> None:
    picture = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
    plain = decode(encode(picture, image_format)).image
    red, green, blue = np.asarray(
        decode(encode(picture, image_format, icc_profile=press_profile())).image
    ).mean(axis=(0, 1))
    assert np.asarray(plain).max() < 8
    assert red > 100 + max(green, blue)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_srgb_costs_and_changes_nothing(mode: str) -> None:
    data = encode(photo().convert(mode), "PNG", icc_profile=SRGB)
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        assert to_srgb(opened) == (opened, None)
    assert np.array_equal(decode(data).image, decode(encode(photo().convert(mode), "PNG")).image)


ADOBE = rgb_profile("Adobe RGB")
LINK = ADOBE.replace(b"mntr", b"link", 1)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        pytest.param("RGB", b"no profile", id="rubbish"),
        pytest.param("RGB", ADOBE[:140], id="cut off"),
        pytest.param("RGB", ADOBE[:200] + bytes(len(ADOBE) - 200), id="zeros"),
        pytest.param("RGB", press_profile(), id="of CMYK"),
        pytest.param("RGB", grey_profile(1.0), id="of grey"),
        pytest.param("CMYK", ADOBE, id="of RGB"),
        pytest.param("RGB", LINK, id="a link"),
        pytest.param("RGB", ADOBE + bytes(9 * 1024 * 1024), id="9 MB"),
    ],
)
def test_a_profile_that_cannot_be_used_is_noted_and_ignored(mode: str, profile: bytes) -> None:
    data = encode(photo().convert(mode), "TIFF", icc_profile=profile)
    decoded = decode(data)
    assert decoded.notes == (IGNORED,)
    assert np.array_equal(decoded.image, photo().convert(mode).convert("RGB"))
    assert IGNORED in load_image(data, Preprocessing(height=32, width=32)).warnings


def test_any_damage_to_a_profile_is_survived() -> None:
    rng = np.random.default_rng(0)
    for profile in (ADOBE, press_profile(), grey_profile(2.0)):
        for _ in range(100):
            broken = bytearray(profile)
            for place in rng.integers(0, len(broken), 4):
                broken[place] = rng.integers(256)
            mode = {"RGB ": "RGB", "CMYK": "CMYK"}.get(profile[16:20].decode(), "L")
            picture = Image.new(mode, (4, 4))
            picture.info["icc_profile"] = bytes(broken)
            assert decode_picture(picture).image.mode == "RGB"


def test_a_pil_image_is_converted_too_and_stays_as_it_was() -> None:
    picture = in_space(photo("flower"), ADOBE)
    picture.info["icc_profile"] = ADOBE
    before = picture.tobytes()
    assert mean_difference(decode_picture(picture).image, photo("flower")) < 3
    assert picture.tobytes() == before


def test_threads_share_a_conversion() -> None:
    files = [
        encode(in_space(photo(name), rgb_profile(space)), "PNG", icc_profile=rgb_profile(space))
        for name in ("coffee", "flower", "chelsea")
        for space in RGB_SPACES
    ]
    alone = [decode(data).image.tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data).image.tobytes(), files * 20))
    assert together == alone * 20
