"""Twitter II: Borth, Ji, Chen, Breuel and Chang (2013), ACM Multimedia."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from evoca.data.readers.base import Row, reader, source_file, text_rows
from evoca.data.readers.folder import class_folder_rows
from evoca.images import LeftOut, find_images, printable_name

__all__ = ["read"]

_TABLE = "groundTruthLabel.txt"


@reader("twitter2", taxonomy="polarity")
def read(source: Path) -> Iterator[Row | LeftOut]:
    """Twitter II: 603 photographs of tweets, positive or negative.

    ``groundTruthLabel.txt`` has tabs between cells, a header, and one line per image whose
    second cell is ``positive`` or ``negative``; the images are ``<n>.jpg`` in
    subfolders, ``<n>`` being the first cell where a file has that name and else the
    number of the line. Class folders ``positive/`` and ``negative/`` are read too.

    Sources: Borth et al. (2013), "Large-scale Visual Sentiment Ontology and Detectors
    Using Adjective Noun Pairs", data set of the Visual Sentiment Ontology site; the
    layout is taken from a public loader, since that site gives no description.
    """
    if not source.is_file() and not (source / _TABLE).is_file():
        yield from class_folder_rows(source, "polarity")
        return
    path = source_file(source, _TABLE)
    where = printable_name(path)
    files = {image.stem: image for image in find_images(path.parent)}
    for row, cells in text_rows(path, delimiter="\t"):
        if row == 1:
            continue
        if len(cells) < 2:
            yield Row(where, row, {"image": cells[0]}, "a name and a label wanted")
            continue
        image = _find(files, cells[0], row - 1)
        name = cells[0] if image is None else image.relative_to(path.parent).as_posix()
        yield Row(where, row, {"image": name, "emotion": cells[1]})


def _find(files: Mapping[str, Path], cell: str, number: int) -> Path | None:
    return files.get(Path(cell).stem) or files.get(str(number))
