"""ArtPhoto: Machajdik and Hanbury (2010), ACM Multimedia."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoca.data.readers.base import Row, emotion_alias, reader
from evoca.data.taxonomies import labels_of
from evoca.errors import DataError
from evoca.images import LeftOut, find_images, printable_name

__all__ = ["read"]


@reader("artphoto")
def read(source: Path) -> Iterator[Row | LeftOut]:
    """ArtPhoto: 806 artistic photographs; the emotion is the file name's prefix.

    ``testImages_artphoto/`` holds ``amusement_*.jpg``, ``content_*.jpg``, ``sad_*.jpg``
    and so on, with ``content`` for contentment and ``sad`` for sadness.

    Sources: Machajdik and Hanbury (2010), "Affective image classification using features
    inspired by psychology and art theory"; https://www.imageemotion.org/.
    """
    labels = labels_of("mikels8")
    where = printable_name(source)
    if not source.is_dir():
        raise DataError(f"{where}: not a folder of images")
    left_out = LeftOut()
    for path in find_images(source, on_left_out=left_out):
        name = printable_name(path.relative_to(source).as_posix())
        emotion = emotion_alias(path.name.split("_", 1)[0])
        cause = "" if emotion in labels else f"the name does not start with an emotion: {path.name}"
        yield Row(where, 0, {"image": name, "emotion": emotion}, printable_name(cause))
    yield left_out
