from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.conftest import MakeImage

from evoca.data.contact_sheet import contact_sheet
from evoca.data.manifest.table import Manifest, read_manifest
from evoca.errors import DataError

SECRET = b"51.4778 N, camera 4711"


@pytest.fixture
def manifest(tmp_path: Path, make_image: MakeImage) -> Manifest:
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = SECRET.decode()
    for i, emotion in enumerate(("awe", "fear")):
        make_image(
            tmp_path / "set" / emotion / f"<{emotion}>&.jpg",
            i,
            exif=exif.tobytes(),
            comment=SECRET,
            quality=95,
        )
    (tmp_path / "set" / "awe" / "broken.jpg").write_text("no image")
    return read_manifest(tmp_path / "set")


def _pictures(page: str) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", page)]


def test_a_page_without_metadata_or_anything_from_elsewhere(
    tmp_path: Path, manifest: Manifest
) -> None:
    assert SECRET in manifest.paths()[0].read_bytes() or SECRET in manifest.paths()[1].read_bytes()
    contact_sheet(manifest, tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    pictures = _pictures(page)
    assert len(pictures) == 2
    for data in pictures:
        assert SECRET not in data
        with Image.open(io.BytesIO(data)) as image:
            assert not image.getexif()
            assert "comment" not in image.info
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
    assert "&lt;awe&gt;&amp;.jpg" in page
    assert "not an image" in page


def test_negative_images_are_covered_on_the_page_until_asked_for(
    tmp_path: Path, manifest: Manifest
) -> None:
    contact_sheet(manifest, tmp_path / "sheet.html")
    cards = (tmp_path / "sheet.html").read_text().split('<div class="card">')[1:]
    covered = {"fear" in card: '<input type="checkbox"' in card for card in cards if "<img" in card}
    assert covered == {False: False, True: True}
    contact_sheet(manifest, tmp_path / "sheet.html", show_negative=True)
    assert 'id="all" checked' in (tmp_path / "sheet.html").read_text()


def test_negative_images_are_blurred_for_good_in_a_picture(
    tmp_path: Path, manifest: Manifest
) -> None:
    def detail(row: int) -> float:
        """Mean difference of neighbouring pixels in the first thumbnail of a label."""
        with Image.open(tmp_path / "sheet.png") as sheet:
            pixels = np.asarray(sheet.convert("L"), dtype=float)
        top = row * (32 + 8 + 28) + 8 + 28
        thumbnail = pixels[top : top + 24, 8:40]
        return float(np.abs(np.diff(thumbnail, axis=1)).mean())

    options = {"per_label": 2, "size": 32}
    contact_sheet(
        manifest.take(manifest.texts("image") != "awe/broken.jpg"),
        tmp_path / "sheet.png",
        **options,
    )  # type: ignore[arg-type]
    awe, fear = detail(0), detail(1)
    assert awe > 20 > 5 > fear
    contact_sheet(manifest, tmp_path / "sheet.png", show_negative=True, **options)  # type: ignore[arg-type]
    assert detail(1) > 20


def test_images_without_a_label_are_covered(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    (tmp_path / "m.csv").write_text("image\na.jpg\n")
    contact_sheet(read_manifest(tmp_path / "m.csv"), tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert "no label: 1 of 1" in page
    assert 'aria-label="Show a.jpg"' in page


def test_the_choice_is_by_seed_and_limited(tmp_path: Path, make_image: MakeImage) -> None:
    for i in range(9):
        make_image(tmp_path / "set" / "awe" / f"{i}.jpg", i)
    manifest = read_manifest(tmp_path / "set")

    def shown(seed: int) -> list[str]:
        contact_sheet(manifest, tmp_path / "sheet.html", per_label=3, seed=seed)
        return re.findall(r"awe/\d\.jpg(?=</div>)", (tmp_path / "sheet.html").read_text())

    assert len(shown(0)) == 3
    assert shown(0) == shown(0)
    assert len({tuple(shown(seed)) for seed in range(5)}) > 1


def test_other_file_types_are_refused(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(DataError, match=r"ends in \.html or \.png"):
        contact_sheet(manifest, tmp_path / "sheet.pdf")
