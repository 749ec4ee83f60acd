"""The robustness of a model to changes of its pictures: the work behind ``evoca probe``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca import __version__
from evoca.data.duplicates.groups import with_groups
from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.data.merging import merged_like
from evoca.errors import DataError, ImageError
from evoca.evaluation.overlap import overlap_with_model, warnings_of
from evoca.evaluation.systems import model_system
from evoca.images import LeftOut, find_images, printable_name
from evoca.images.boxes import boxes_elsewhere, hide
from evoca.images.detectors import Detector
from evoca.images.perturb import Perturbation
from evoca.images.sources import open_picture
from evoca.metrics.robustness import Masking, masking, movements
from evoca.progress import Advance, advance_silently
from evoca.runs.robustness import RobustnessResult
from evoca.runtime.predictor import Predictor
from evoca.words import counted

__all__ = ["images_to_probe", "run_probe", "spread"]

_FACE_MARGIN = 0.15  # YuNet's boxes end at the brows and the chin
_FEWEST_GROUPS = 2  # an interval needs as many
_Floats = NDArray[np.float64]


def images_to_probe(data: str | Path, labels: tuple[str, ...]) -> LabelledImages:
    """Return the images of a manifest or a folder; of a folder without class folders too.

    Args:
        data: a manifest, a folder of class folders, or a folder of images without labels.
        labels: of the model.

    Raises:
        DataError: they cannot be read, or there are none.
    """
    data = Path(data)
    if data.is_dir() and not any(entry.is_dir() for entry in data.iterdir()):
        return _unlabelled(data, labels)
    return load_labelled(data, require_files=False)


def _unlabelled(folder: Path, labels: tuple[str, ...]) -> LabelledImages:
    left_out = LeftOut()
    paths = tuple(find_images(folder, on_left_out=left_out))
    if not paths:
        raise DataError(f"{printable_name(folder)}: no images in this folder")
    n = len(paths)
    return LabelledImages(
        paths=paths,
        names=tuple(printable_name(path.relative_to(folder)) for path in paths),
        truth=np.full(n, -1, dtype=np.int64),
        labels=labels,
        groups=np.arange(n, dtype=np.int64),
        has_groups=False,
        split=np.full(n, "", dtype=np.str_),
        distribution=None,
        agreement=None,
        affect=None,
        recorded_hashes=("",) * n,
        taxonomy="",
        source=printable_name(folder),
        left_out=left_out,
    )


def spread(images: LabelledImages, limit: int | None) -> LabelledImages:
    """Return at most so many images, spread evenly: class folders come one after the other."""
    if limit is None or limit >= len(images):
        return images
    return images.take(np.linspace(0, len(images) - 1, limit).round().astype(np.int64))


def run_probe(
    predictor: Predictor,
    images: LabelledImages,
    perturbations: Sequence[Perturbation],
    find_faces: Detector | None,
    advance: Advance = advance_silently,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> RobustnessResult:
    """Return how far predictions move when pictures change.

    Only probabilities are stored: memory does not grow with the pictures' size.

    Args:
        predictor: the model; each core predicts one picture at a time, so load it with
            ``threads=1``.
        images: labelled images; the labels may be unknown.
        perturbations: the changes.
        find_faces: where given, faces are hidden too.
        advance: called with 1 after each picture.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        DataError: no picture can be read.
    """
    images = images.in_order()
    predicted = _predict_all(predictor, images, perturbations, find_faces, advance)
    if not predicted.read.any():
        raise DataError(
            f"none of {counted(len(images), 'image')} can be read; first: {predicted.errors[0]}"
        )
    grouped = with_groups(images.take(predicted.read))
    truth = _truth(grouped.images, predictor.labels)
    names = grouped.images.group_names()
    if len(set(names)) < _FEWEST_GROUPS:
        raise DataError(
            f"{images.source}: intervals need at least two pictures that are not copies of each "
            f"other; {len(names):,} could be read"
        )
    before, *after = predicted.probabilities
    changes = {p.name: found for p, found in zip(perturbations, after, strict=True)}
    accuracy, moved = movements(before, changes, truth, names, draws=draws, seed=seed)
    faces = _faces(predicted, truth, names, draws, seed)
    known = overlap_with_model(model_system(predictor), grouped)
    counts = known.counts()
    return RobustnessResult(
        model=predictor.card.name,
        data=Path(images.source).name,
        n=len(before),
        groups=len(set(names)),
        basis=grouped.basis,
        accuracy=accuracy,
        labelled=int((truth >= 0).sum()),
        trained_on=counts["training_images"] or 0,
        copies_of_training=counts["copies_of_training_images"],
        movements=moved,
        masking=faces,
        unreadable=tuple(str(error) for error in predicted.errors),
        notes=(
            *warnings_of(known, predictor.card.name),
            *_notes(find_faces is not None, faces),
        ),
        version=__version__,
        draws=draws,
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class _ChangedPredictions:
    """Predictions for the m of n pictures that could be read."""

    read: NDArray[np.bool_]  # (n,)
    probabilities: _Floats  # (1 + P, m, K), as they are first
    hidden: _Floats  # (2, m, K), faces and elsewhere; NaN where not compared
    with_faces: NDArray[np.bool_]  # (m,)
    errors: tuple[ImageError, ...]

    @property
    def compared(self) -> NDArray[np.bool_]:
        return np.asarray(~np.isnan(self.hidden).any(axis=(0, 2)))


@dataclass(frozen=True, eq=False)
class _PicturePredictions:
    probabilities: _Floats  # (1 + P, K)
    hidden: _Floats | None  # (2, K)
    with_faces: bool


def _predict_all(
    predictor: Predictor,
    images: LabelledImages,
    perturbations: Sequence[Perturbation],
    find_faces: Detector | None,
    advance: Advance,
) -> _ChangedPredictions:
    n, classes = len(images), len(predictor.labels)
    read, with_faces = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    probabilities = np.empty((1 + len(perturbations), n, classes))
    hidden = np.full((2, n, classes), np.nan)
    errors = []
    predict = partial(_predict_changes, predictor, perturbations, find_faces)
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
        _stopped_by_interrupt(pool, predictor),
    ):
        for i, found in enumerate(pool.map(predict, images.paths)):
            advance(1)
            if isinstance(found, ImageError):
                errors.append(found)
                continue
            read[i], with_faces[i] = True, found.with_faces
            probabilities[:, i] = found.probabilities
            if found.hidden is not None:
                hidden[:, i] = found.hidden
    return _ChangedPredictions(
        read, probabilities[:, read], hidden[:, read], with_faces[read], tuple(errors)
    )


@contextmanager
def _stopped_by_interrupt(pool: ThreadPoolExecutor, predictor: Predictor) -> Iterator[None]:
    """Stop the pool on Ctrl-C; leaving it normally would wait for all of its work."""
    try:
        yield
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        predictor.stop()
        raise


def _predict_changes(
    predictor: Predictor,
    perturbations: Sequence[Perturbation],
    find_faces: Detector | None,
    path: Path,
) -> _PicturePredictions | ImageError:
    """Return the predictions for one picture, unchanged and under each change."""
    try:
        picture = open_picture(path, min_size=predictor.card.preprocessing.decode_size).image
    except ImageError as error:
        return error
    rows = [_distribution(predictor, picture)]
    rows += [_distribution(predictor, change.apply(picture)) for change in perturbations]
    faces = find_faces(picture) if find_faces is not None else ()
    boxes = [face.grown(_FACE_MARGIN) for face in faces]
    control = boxes_elsewhere(boxes, clear_of=boxes) if boxes else None
    hidden = None
    if control is not None:
        pair = [_distribution(predictor, hide(picture, where)) for where in (boxes, control)]
        hidden = np.stack(pair)
    return _PicturePredictions(np.stack(rows), hidden, bool(boxes))


def _distribution(predictor: Predictor, picture: Image.Image) -> _Floats:
    # One at a time: a batch may round differently, and an unchanged picture must not move.
    return np.array(list(predictor.predict(picture).probabilities.values()))


def _faces(
    predicted: _ChangedPredictions,
    truth: NDArray[np.int64],
    names: Sequence[str],
    draws: int,
    seed: int,
) -> Masking | None:
    """Return the effect of hiding faces; ``None`` if too few pictures have a face."""
    compared = predicted.compared
    groups = np.array(names)[compared]
    if len(set(groups.tolist())) < _FEWEST_GROUPS:
        return None
    faces, elsewhere = predicted.hidden[:, compared]
    return masking(
        predicted.probabilities[0, compared],
        faces,
        elsewhere,
        truth[compared],
        groups,
        with_faces=int(predicted.with_faces.sum()),
        draws=draws,
        seed=seed,
    )


def _truth(images: LabelledImages, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the position of each true label among a model's labels; -1 where not there."""
    images = merged_like(images, labels)
    position = {label: k for k, label in enumerate(labels)}
    # The last entry is -1, the code of a row without a label.
    table = np.array([*(position.get(label, -1) for label in images.labels), -1], dtype=np.int64)
    return np.asarray(table[images.truth])


def _notes(faces_wanted: bool, found: Masking | None) -> list[str]:
    notes = []
    if not faces_wanted:
        notes.append("faces were not looked for: that needs the extra vision")
    elif found is None:
        notes.append(
            "hidden faces were not measured: fewer than two pictures have a face and room to hide "
            "as much elsewhere"
        )
    return notes
