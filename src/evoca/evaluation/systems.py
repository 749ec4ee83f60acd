"""What can be evaluated: a model, or a table of predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.fingerprints import Words, looks_of
from evoca.data.manifest.hashing import sha256_files
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError, ImageError
from evoca.images import printable_name
from evoca.metrics.checks import rows_where
from evoca.priors import Prior
from evoca.progress import Advance
from evoca.runs import Predictions, Run, read_predictions, read_run
from evoca.runs.predictions import rescaled_note
from evoca.runtime.card import Provenance
from evoca.runtime.operating_point import OperatingPoint, PriorLike
from evoca.runtime.predictor import Predictor, load
from evoca.words import by_number, counted

__all__ = [
    "System",
    "SystemPredictions",
    "known_hashes",
    "model_system",
    "open_system",
    "origin_of_model",
    "origin_of_run",
    "table_system",
]

_DATA = ("name", "images", "fingerprint")


def origin_of_model(provenance: Provenance) -> dict[str, Any]:
    """Return the recipe of a bundle, if recorded, and the data it learnt from."""
    data = {"images": provenance.images, "fingerprint": provenance.fingerprint}
    recipe = provenance.settings or {"name": provenance.recipe}
    return {"kind": "model", "recipe": recipe, "data": data}


def origin_of_run(run: Run) -> dict[str, Any]:
    """Return the recipe of a run, the data it learnt from, and how its predictions were made.

    If the run is itself an evaluation, this is the origin of its system, and how many of its
    images were learnt from.
    """
    known = run.description
    origin = {"kind": "run", "recipe": known.get("recipe"), "split": known.get("split")}
    data = known.get("data")
    if isinstance(data, Mapping):
        origin["data"] = {name: data[name] for name in _DATA if name in data}
    earlier = known.get("origin")
    if isinstance(earlier, Mapping):
        # Predictions read from a run keep the origin of that run.
        origin |= {key: value for key, value in earlier.items() if key != "kind"}
    learnt = known.get("training_images")
    return origin | ({"training_images": learnt} if isinstance(learnt, int) else {})


_TABLES = {".csv", ".parquet"}
ABSENT = "absent:"
"""Prefix of the entry that replaces the hash of an absent file."""


@dataclass(frozen=True, eq=False)
class SystemPredictions:
    """Predictions of a system for n images over its M labels, in R repeats.

    Attributes:
        read: bool (n,), whether the image could be read; what follows is of the m
            that could.
        probabilities: float64 (R, m, M).
        in_set: bool (R, m, M), the prediction sets; ``None`` where the system has none.
        affect: float64 (R, m, 2), valence and arousal; ``None`` where it predicts neither.
        hashes: m SHA-256 digests of the files; empty text where unknown.
        fold: int64 (R, m), in which an image was held out, -1 without folds.
        errors: one for each image that could not be read.
    """

    read: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    in_set: NDArray[np.bool_] | None
    affect: NDArray[np.float64] | None
    hashes: tuple[str, ...]
    fold: NDArray[np.int64]
    errors: tuple[ImageError, ...] = ()

    def take(self, keep: NDArray[np.bool_]) -> SystemPredictions:
        """Return the predictions for some of the m images."""
        read = self.read.copy()
        read[read] = keep
        return replace(
            self,
            read=read,
            probabilities=self.probabilities[:, keep],
            in_set=None if self.in_set is None else self.in_set[:, keep],
            affect=None if self.affect is None else self.affect[:, keep],
            hashes=tuple(np.array(self.hashes, dtype=object)[keep]),
            fold=self.fold[:, keep],
        )


@dataclass(frozen=True, eq=False)
class System:
    """A model, or a table of predictions, that returns a distribution per image.

    Attributes:
        name: for tables and messages.
        identity: unique to this system, for fingerprints.
        labels: M, in the order of the distributions.
        predict: returns its predictions for images, in their order.
        taxonomy: of the labels; empty if unknown.
        temperature: that its probabilities were made with.
        coverage: that its prediction sets are built for.
        predicts_affect: whether it predicts valence and arousal.
        affect_range: lowest and highest rating of the scale it predicts them on.
        trained_on: the first 16 hexadecimal digits of the SHA-256 of its training images;
            ``None`` where not recorded, as for predictions made elsewhere.
        trained_perceptual_hashes: of its training images; empty where not recorded.
        chosen_on: as ``trained_on``, of the images that chose its settings.
        chosen_perceptual_hashes: of the images that chose its settings.
        origin: of a model or a run, the recipe, the data it learnt from and, of a run, how
            its predictions were made; ``None`` where not recorded.
        notes: what a reader of its figures must know, such as the notes of the run whose
            predictions these are.
        operating_point: of a model; ``None`` for predictions made elsewhere.
        made_by: name of the model that made a table of predictions; empty where the table
            does not record it, and for what is no table.
    """

    name: str
    identity: Mapping[str, Any]
    labels: tuple[str, ...]
    predict: Callable[[LabelledImages, Advance], SystemPredictions]
    taxonomy: str = ""
    temperature: float = 1.0
    coverage: float = 0.9
    predicts_affect: bool = False
    affect_range: tuple[float, float] | None = None
    trained_on: frozenset[str] | None = None
    trained_perceptual_hashes: frozenset[Words] = frozenset()
    chosen_on: frozenset[str] = frozenset()
    chosen_perceptual_hashes: frozenset[Words] = frozenset()
    origin: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    operating_point: OperatingPoint | None = None
    made_by: str = ""


def model_system(predictor: Predictor) -> System:
    """Return the system of a loaded model."""
    card, point = predictor.card, predictor.operating_point
    return System(
        name=card.name,
        identity={
            "name": card.name,
            "sha256": card.sha256,
            # Recalibration changes the predictions and leaves the graph as it is.
            "temperature": card.temperature,
            "set_threshold": point.threshold,
            **({} if point.prior is None else {"prior": _as_data(point.prior)}),
            "recipe": card.provenance.recipe,
        },
        labels=card.labels,
        predict=partial(_predict_images, predictor),
        taxonomy=card.taxonomy,
        temperature=card.temperature,
        coverage=card.set_coverage,
        predicts_affect=card.affect_range is not None,
        affect_range=card.affect_range,
        trained_on=frozenset(card.training_images) or None,
        trained_perceptual_hashes=frozenset(map(looks_of, card.training_perceptual_hashes)),
        chosen_on=frozenset(card.validation_images),
        chosen_perceptual_hashes=frozenset(map(looks_of, card.validation_perceptual_hashes)),
        origin=origin_of_model(card.provenance),
        operating_point=point,
    )


def _as_data(prior: Prior) -> dict[str, Any]:
    return {"name": prior.name, "frequencies": dict(prior.frequencies)}


def _predict_images(
    predictor: Predictor, images: LabelledImages, advance: Advance
) -> SystemPredictions:
    """Return the predictions for all images; those that cannot be read become errors."""
    labels, found, errors = predictor.labels, [], []
    read = np.zeros(len(images), dtype=np.bool_)
    for i, one in enumerate(predictor.stream(images.paths)):
        advance(1)
        if isinstance(one, ImageError):
            errors.append(one)
        else:
            read[i] = True
            # Maps and features of many images would fill the memory.
            found.append(replace(one, evidence=None, embedding=None))
    shape = (1, len(found), len(labels))
    rows = [list(one.probabilities.values()) for one in found]
    sets = [[label in one.prediction_set for label in labels] for one in found]
    affect = [one.affect for one in found if one.affect is not None]
    return SystemPredictions(
        read=read,
        probabilities=np.array(rows, dtype=np.float64).reshape(shape),
        in_set=np.array(sets, dtype=np.bool_).reshape(shape),
        affect=np.array(affect, dtype=np.float64)[None] if affect else None,
        hashes=tuple(one.sha256 or "" for one in found),
        fold=np.full((1, len(found)), -1, dtype=np.int64),
        errors=tuple(errors),
    )


def table_system(
    name: str,
    predictions: Predictions,
    identity: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> System:
    """Return the system of predictions made elsewhere, with the notes on them."""
    return System(
        name=name,
        identity=identity,
        labels=predictions.labels,
        predict=partial(_look_up_predictions, name, predictions),
        predicts_affect=predictions.predicted_affect is not None,
        notes=tuple(note for note in (rescaled_note(name, predictions), *notes) if note),
    )


def _look_up_predictions(
    name: str, table: Predictions, images: LabelledImages, advance: Advance
) -> SystemPredictions:
    """Return the predictions for images, found by name, else by SHA-256 in the table.

    Raises:
        DataError: an image has no prediction, or another truth than in the table (named).
    """
    hashes = _content(images)
    row = {image: i for i, image in enumerate(table.images)}
    rows = np.array([row.get(image, -1) for image in images.names], dtype=np.int64)
    if table.hashes is not None and (rows < 0).any():
        hashes = _with_hashes(images, hashes, rows < 0)
        by_hash = {digest: i for i, digest in enumerate(table.hashes) if digest}
        found = np.array([by_hash.get(digest, -1) for digest in hashes], dtype=np.int64)
        rows = np.where(rows < 0, found, rows)
    errors = _failures(table, images, rows)
    missing = (rows < 0) & ~np.isin(images.names, [error.source for error in errors])
    if missing.any():
        raise DataError(
            f"{name}: {int(missing.sum()):,} of the {counted(len(images), 'image')} to evaluate "
            f"{by_number(int(missing.sum()), 'has', 'have')} no "
            f"prediction: {rows_where(missing, images.names)}; the table's images are called like "
            f"{printable_name(table.images[0])}: names must be as in the manifest, or the table "
            "must have the column sha256"
        )
    read = rows >= 0
    rows = rows[read]
    _check_truth(name, table, rows, images.take(read))
    advance(len(images))
    return SystemPredictions(
        read=read,
        probabilities=table.probabilities[:, rows],
        in_set=None if table.in_set is None else table.in_set[:, rows],
        affect=None if table.predicted_affect is None else table.predicted_affect[:, rows],
        hashes=tuple(digest for digest, one in zip(hashes, read, strict=True) if one),
        fold=table.fold[:, rows],
        errors=errors,
    )


def _with_hashes(
    images: LabelledImages, hashes: Sequence[str], wanted: NDArray[np.bool_]
) -> tuple[str, ...]:
    """Return the hashes, with those of some images computed where they are missing."""
    unknown = [i for i in np.flatnonzero(wanted).tolist() if not hashes[i]]
    read = sha256_files([images.paths[i] for i in unknown], on_error=lambda _: "")
    known = dict(zip(unknown, read, strict=True))
    return tuple(known.get(i, digest) for i, digest in enumerate(hashes))


def _failures(
    table: Predictions, images: LabelledImages, rows: NDArray[np.int64]
) -> tuple[ImageError, ...]:
    """Return an error per image that the table lists as failed."""
    if not table.failed:
        return ()
    found = []
    for name, row in zip(images.names, rows.tolist(), strict=True):
        # The table has paths as they were given; they end in the name in the manifest.
        ends = (cause for path, cause in table.failed.items() if f"/{path}".endswith(f"/{name}"))
        if row < 0 and (cause := next(ends, None)) is not None:
            found.append(ImageError(cause, name))
    return tuple(found)


def known_hashes(hashes: Sequence[str]) -> tuple[str, ...]:
    """Return the digests of files, with empty text for absent files."""
    return tuple("" if digest.startswith(ABSENT) else digest for digest in hashes)


def _content(images: LabelledImages) -> tuple[str, ...]:
    """Return the hash of each file; for an absent file, an entry made of its name.

    So predictions made elsewhere can be evaluated without the image files.
    """
    known = [
        digest or ("" if path.is_file() else f"{ABSENT}{name}")
        for digest, path, name in zip(
            images.recorded_hashes, images.paths, images.names, strict=True
        )
    ]
    return tuple(known)


def _check_truth(
    name: str, table: Predictions, rows: NDArray[np.int64], images: LabelledImages
) -> None:
    names = np.array([*table.labels, ""])[table.truth[rows]]
    known = np.array([*images.labels, ""])[images.truth]
    differs = (names != "") & (known != "") & (names != known)
    if differs.any():
        raise DataError(
            f"{name}: {rows_where(differs, images.names)}: the table's truth is not the "
            f"manifest's (first: {names[differs][0]}, {known[differs][0]}): these predictions "
            "are of other data"
        )


def _learnt_from(run: Run) -> dict[str, Any]:
    """Return the images that a training run records it learnt from and was chosen by.

    Cross-validated predictions are of held-out images: for them nothing is returned.
    """
    about = run.description
    if (run.predictions.fold >= 0).any() or not isinstance(about.get("training_images"), list):
        return {}
    return {
        "trained_on": frozenset(about["training_images"]),
        "trained_perceptual_hashes": frozenset(
            map(looks_of, about.get("training_perceptual_hashes", ()))
        ),
        "chosen_on": frozenset(about.get("validation_images", ())),
        "chosen_perceptual_hashes": frozenset(
            map(looks_of, about.get("validation_perceptual_hashes", ()))
        ),
    }


def open_system(text: str | Path, prior: PriorLike | None = None) -> System:
    """Return the system of a model bundle, a table of predictions or a run directory.

    Args:
        text: a bundle directory, the name of a bundled model, a CSV or Parquet table with
            the columns ``image`` and ``p_<label>``, or a run directory.
        prior: class frequencies for the predictions of a bundle, as for
            :func:`evoca.load`.

    Raises:
        EvocaError: none of these, or damaged.
    """
    path = Path(text)
    is_made = path.suffix.lower() in _TABLES or (path / "run.json").is_file()
    if prior is not None and is_made:
        raise DataError(
            f"--prior: {printable_name(path)} holds predictions that are made already: give the "
            "model bundle"
        )
    if path.suffix.lower() in _TABLES:
        predictions = read_predictions(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        identity = {"name": printable_name(path.stem), "sha256": digest}
        system = table_system(identity["name"], predictions, identity)
        return replace(system, made_by=predictions.model)
    if path.suffix.lower() in {".json", ".jsonl"} and path.is_file():
        raise DataError(
            f"{printable_name(path)}: predictions are read from a CSV or Parquet table: write one "
            "with evoca predict --format csv"
        )
    if (path / "run.json").is_file():
        run = read_run(path)
        known = run.description.get("fingerprint", run.name)
        identity = {"name": run.name, "run": known}
        notes = [f"{run.name}: {note}" for note in run.notes]
        system = table_system(run.name, run.predictions, identity, notes)
        return replace(system, origin=origin_of_run(run), **_learnt_from(run))
    return model_system(load(text, prior=prior))
