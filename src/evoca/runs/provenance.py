"""The provenance of a result: data, split, system, seeds and code, and one hash of all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoca import __version__
from evoca.images import printable_name
from evoca.runs.directory import RUN_VERSION

if TYPE_CHECKING:
    from evoca.data.manifest.labelled import LabelledImages

__all__ = [
    "code_version",
    "describe_data",
    "describe_division",
    "describe_run",
    "run_fingerprint",
]

_PACKAGE = Path(__file__).resolve().parent.parent
_SOURCES = (".py", ".yaml")


@cache
def code_version() -> Mapping[str, str]:
    """Return the version of Evoca, and the SHA-256 of its source files.

    The hash covers every ``.py`` and ``.yaml`` file of the package with its name,
    with any line ends. So edited copies of one version have different hashes.
    """
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*")):
        if file.suffix in _SOURCES and file.is_file():
            content = file.read_bytes().replace(b"\r\n", b"\n")
            name = file.relative_to(_PACKAGE).as_posix()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return {"version": __version__, "sha256": digest.hexdigest()}


def describe_data(images: LabelledImages, name: str | None = None) -> dict[str, Any]:
    """Return the entry ``data`` of ``run.json``.

    Args:
        images: those that were used.
        name: what to call the data; the manifest's or folder's own name if omitted.

    Raises:
        DataError: a file that must be read for the fingerprint is missing.
    """
    return {
        "fingerprint": images.fingerprint(),
        "images": len(images),
        "name": name or Path(images.source).name,
        # A path of this machine, for `report`: the only entry that no fingerprint covers.
        "location": printable_name(Path(images.source).absolute()),
        "taxonomy": images.taxonomy,
    }


def describe_division(images: LabelledImages, *, splits: bool = True) -> dict[str, str]:
    """Return how a table divides its images, for the entry ``split`` of ``run.json``.

    The fingerprint of the data covers neither splits nor groups: the same images with the
    same labels are the same data, however they are divided. Runs are compared by all three.

    Args:
        images: those that are used, before copies are searched for.
        splits: whether to include the splits.

    Returns:
        ``split_sha256`` of the split of each image (none counts as ``train``), if asked
        for, and ``group_sha256`` of which images are of one group; empty where each is
        alone, as where the table has no groups.
    """
    images = images.in_order()
    alone = len(set(images.groups.tolist())) == len(images)
    found = {"group_sha256": "" if alone else _digest(images.names, images.group_names())}
    if splits:
        own = [name or "train" for name in images.split.tolist()]
        found["split_sha256"] = _digest(images.names, own)
    return found


def _digest(names: Sequence[str], values: Sequence[str]) -> str:
    rows = (f"{name}\0{value}" for name, value in zip(names, values, strict=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def run_fingerprint(
    data: str, split: Mapping[str, Any], system: Any, seeds: Sequence[int], code: str
) -> str:
    """Return one SHA-256 of all that determines a result.

    Args:
        data: fingerprint of the labelled images.
        split: how they were divided.
        system: the recipe, or what identifies the model.
        seeds: of all repeats.
        code: hash of the source files.

    >>> a = run_fingerprint("d", {"kind": "all"}, {"name": "x"}, [0], "c")
    >>> a == run_fingerprint("d", {"kind": "all"}, {"name": "x"}, [1], "c")
    False
    """
    parts = {"data": data, "split": split, "system": system, "seeds": list(seeds), "code": code}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def describe_run(
    kind: str,
    *,
    data: Mapping[str, Any],
    split: Mapping[str, Any],
    system: Mapping[str, Any],
    seeds: Sequence[int],
    labels: Sequence[str],
    protocol: str,
) -> dict[str, Any]:
    """Return the content of ``run.json`` that all kinds of run share.

    Args:
        kind: ``training``, ``cross-validation`` or ``evaluation``.
        data: of :func:`describe_data`.
        split: how the images were divided, with the basis of the groups.
        system: one entry, ``recipe`` or ``model``, and what identifies it.
        seeds: of all repeats.
        labels: in the order of the predictions.
        protocol: how the figures were measured, in words.
    """
    code = code_version()
    return {
        "run_version": RUN_VERSION,
        "kind": kind,
        "fingerprint": run_fingerprint(data["fingerprint"], split, system, seeds, code["sha256"]),
        "evoca_version": code["version"],
        "code": dict(code),
        **system,
        "data": dict(data),
        "split": dict(split),
        "seeds": list(seeds),
        "labels": list(labels),
        "protocol": protocol,
    }
