"""Folders of images: class folders, the simplest form of labelled images, and others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evoca.data.manifest.schema import SPLIT_ALIASES, SPLITS
from evoca.data.taxonomies import labels_of
from evoca.errors import DataError
from evoca.images import LeftOut, find_images, printable_name
from evoca.images.walk import is_image

__all__ = ["ClassFile", "scan_any_folder", "scan_class_folders"]

_SPLIT_FOLDERS = {**{name: name for name in SPLITS}, **SPLIT_ALIASES}


@dataclass(frozen=True)
class ClassFile:
    """One image in a class folder.

    Attributes:
        path: the file.
        label: the class folder's name in lower case; empty where it lies in none.
        split: ``train``, ``val`` or ``test`` where the class folder lies in such a folder;
            else empty.
    """

    path: Path
    label: str
    split: str = ""


def scan_class_folders(
    folder: Path, taxonomy: str, left_out: LeftOut | None = None
) -> list[ClassFile]:
    """Return the images of ``folder/<emotion>/`` or ``folder/<split>/<emotion>/``.

    Names of folders are matched in any case. Hidden entries and files beside the class
    folders are left out; images may lie deeper inside a class folder.

    Args:
        folder: of the class folders.
        taxonomy: whose labels they are named after.
        left_out: counts pictures that are left out, and links.

    Returns:
        The images in a stable order, at least one.

    Raises:
        DataError: a folder that is no emotion of the taxonomy, no class folders, no
            images, or a folder that cannot be read.
    """
    try:
        splits = [entry for entry in _folders(folder) if entry.name.lower() in _SPLIT_FOLDERS]
        if splits and len(splits) == len(_folders(folder)):
            found = [
                item
                for split in splits
                for item in _scan(split, taxonomy, _SPLIT_FOLDERS[split.name.lower()], left_out)
            ]
            _leave_out_beside(folder, left_out)
        else:
            found = _scan(folder, taxonomy, "", left_out)
    except OSError as error:
        name = printable_name(error.filename or folder)
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    if not found:
        raise DataError(f"{printable_name(folder)}: no images in its class folders")
    return found


def scan_any_folder(
    folder: Path, taxonomy: str, left_out: LeftOut | None = None
) -> list[ClassFile]:
    """Return the images of a folder and of all below it.

    The label is the nearest folder above an image that is named after an emotion; empty
    where there is none.

    Returns:
        The images in a stable order, at least one.

    Raises:
        DataError: no images, or a folder that cannot be read.
    """
    labels = labels_of(taxonomy)
    try:
        paths = list(find_images(folder, on_left_out=left_out))
    except OSError as error:
        name = printable_name(error.filename or folder)
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    if not paths:
        raise DataError(f"{printable_name(folder)}: no images in this folder")
    found = []
    for path in paths:
        above = (part.lower() for part in reversed(path.relative_to(folder).parts[:-1]))
        found.append(ClassFile(path, next((part for part in above if part in labels), "")))
    return found


def _scan(folder: Path, taxonomy: str, split: str, left_out: LeftOut | None) -> list[ClassFile]:
    labels = labels_of(taxonomy)
    classes = _folders(folder)
    if not classes:
        raise DataError(
            f"{printable_name(folder)}: no class folders; put the images into folders named "
            f"{', '.join(labels)}"
        )
    for entry in classes:
        if entry.name.lower() not in labels:
            raise DataError(
                f"{printable_name(entry)}: the folder's name is no emotion of {taxonomy}; "
                f"rename or move it (known: {', '.join(labels)})"
            )
    _leave_out_beside(folder, left_out)
    return [
        ClassFile(path, entry.name.lower(), split)
        for entry in classes
        for path in find_images(entry, on_left_out=left_out, top=folder)
    ]


def _leave_out_beside(folder: Path, left_out: LeftOut | None) -> None:
    """Count the images that lie beside the class folders and so have no label."""
    if left_out is None:
        return
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and is_image(path):
            left_out(path, "images beside the class folders")


def _folders(folder: Path) -> list[Path]:
    return sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
