"""Images like an example: in emotion, or in their looks as the model's embedding has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.collection.embeddings import Embeddings
from evoca.collection.expression import Condition
from evoca.collection.look_index import nearest, wants_index
from evoca.collection.search import SIMILARITY, Order, most_similar
from evoca.collection.tags import Tags
from evoca.data.manifest.schema import PROBABILITY
from evoca.errors import EvocaError, ImageError
from evoca.images import ImageLimits, printable_name
from evoca.images.sources import read_file
from evoca.metrics.checks import divide
from evoca.priors import BALANCED, NATURAL, TRAINED
from evoca.progress import Announce, silent

__all__ = [
    "CANDIDATES",
    "Example",
    "cosines",
    "distribution_of",
    "embedding_of",
    "example_of",
    "like_in_emotion",
    "like_in_look",
    "order_by_emotion",
    "order_by_look",
    "without_look",
]

CANDIDATES = 10_000
"""So many images an index finds, before an expression chooses among them."""

_names = count()


@dataclass(frozen=True)
class Example:
    """The image that others are compared with.

    Attributes:
        path: as it is named.
        sha256: of its file; empty where there is none on this machine.
    """

    path: str
    sha256: str

    @property
    def others(self) -> Condition:
        """All images but this one, wherever its file lies."""
        if not self.sha256:
            return Condition("path IS DISTINCT FROM ?", (self.path,))
        return Condition("sha256 IS DISTINCT FROM ?", (self.sha256,))


def example_of(image: Path) -> Example:
    """Return an image as an example; its file need not be there if the table has its path."""
    try:
        data = read_file(image, ImageLimits())
    except ImageError:
        return Example(printable_name(image), "")
    return Example(printable_name(image), hashlib.sha256(data).hexdigest())


def distribution_of(tags: Tags, example: Example) -> dict[str, float] | None:
    """Return the distribution that a table holds of an image, by its file or else its path.

    Returns:
        Label to probability; ``None`` where the image is not in the table.
    """
    query = (
        f"SELECT * FROM {{tags}} WHERE (sha256 = ? OR path = ?) AND {tags.predicted} "
        "ORDER BY sha256 = ? DESC NULLS LAST LIMIT 1"
    )
    given = (example.sha256, example.path, example.sha256)
    for row in tags.rows(query, given):
        return {label: float(row[PROBABILITY + label]) for label in tags.labels}
    return None


def embedding_of(embeddings: Embeddings, example: Example) -> NDArray[np.float32] | None:
    """Return the vector (D,) that a file holds of an image; ``None`` where it has none."""
    for known, wanted in (
        (embeddings.sha256, example.sha256),
        (embeddings.paths, example.path),
    ):
        if wanted and len(rows := np.flatnonzero(known == wanted)):
            return np.asarray(embeddings.of(rows[:1])[0])
    return None


def like_in_emotion(example: Example, distribution: Mapping[str, float]) -> Order:
    """Return the order by shared probability with an example's distribution, itself left out.

    Args:
        example: the image.
        distribution: label to probability, of the model and prior of the table.
    """
    order = most_similar(distribution)
    return Order(order.value, order.parameters, order.name, rows=example.others)


def like_in_look(
    tags: Tags,
    example: Example,
    embeddings: Embeddings,
    vector: NDArray[np.float32],
    announce: Announce = silent,
) -> Order:
    """Return the order by the cosine of embeddings, -1..1, the example itself left out.

    Every vector is compared; of more than a million only the :data:`CANDIDATES` that an index
    finds, if usearch is installed. Images without an embedding are not in the order.

    Args:
        tags: the table, whose paths are those of the embeddings.
        example: the image.
        embeddings: of the table's images.
        vector: the example's own, float32 (D,).
        announce: shows the progress of making an index.
    """
    if wants_index(embeddings):
        rows = nearest(embeddings, vector, CANDIDATES, announce)
        paths, found = embeddings.paths[rows], _cosines(embeddings.of(rows), vector)
    else:
        paths, found = embeddings.paths, cosines(embeddings, vector)
    table = f"looks_{next(_names)}"
    with tags.connection.arrays("looked", {"path": paths, "cosine": found}):
        # One row a path, also where an image was embedded twice.
        tags.connection.execute(
            f"CREATE TABLE {table} AS SELECT path, max(cosine) AS cosine FROM looked GROUP BY path"
        )
    return Order(
        f"{table}.cosine", name=SIMILARITY, joined=f"JOIN {table} USING (path)", rows=example.others
    )


def order_by_emotion(tags: Tags, image: Path, model: str | None = None) -> Order:
    """Return the order by shared probability with an image, itself left out.

    Args:
        tags: the table.
        image: a file, or a path of the table.
        model: a bundle that predicts an image which the table does not have; the default one if
            omitted. It must be the table's.

    Raises:
        EvocaError: the table is of another model, or of a prior from a file.
        ImageError: the image is not in the table, and cannot be read.
    """
    example = example_of(image)
    known = distribution_of(tags, example)
    return like_in_emotion(example, known or _predicted(tags, image, model))


def order_by_look(
    tags: Tags,
    image: Path,
    looks: Embeddings,
    model: str | None = None,
    announce: Announce = silent,
) -> Order:
    """Return the order by the cosine of embeddings with an image, see :func:`like_in_look`.

    Args:
        tags: the table, whose paths are those of the embeddings.
        image: a file, or a path of the embeddings.
        looks: embeddings of the table's images.
        model: a bundle that embeds an image which ``looks`` do not have; the default one if
            omitted. It must be that of ``looks``.
        announce: shows the progress of making an index.

    Raises:
        EvocaError: the embeddings are of another model.
        ImageError: the image is not among them, and cannot be read.
    """
    example = example_of(image)
    vector = embedding_of(looks, example)
    vector = _embedded(looks, image, model) if vector is None else vector
    return like_in_look(tags, example, looks, vector, announce)


def _predicted(tags: Tags, image: Path, model: str | None) -> dict[str, float]:
    """Return the distribution of an image that the table does not have, by the same model."""
    made = tags.made_by()
    name, prior = made[0] if len(made) == 1 else ("", "")
    if prior not in (NATURAL, BALANCED, TRAINED, ""):
        raise EvocaError(
            f"--like {printable_name(image)}: not in {tags.source}, whose prior {prior} is of a "
            "file: tag the image with it too"
        )
    from evoca.runtime.predictor import load  # most searches need no model

    predictor = load(model, prior=prior or None)
    _check_model(predictor.card.name, name, tags.source, image)
    return dict(predictor.predict(image).probabilities)


def _embedded(looks: Embeddings, image: Path, model: str | None) -> NDArray[np.float32]:
    """Return the embedding of an image that the file does not have, by the same model."""
    from evoca.runtime.predictor import load

    predictor = load(model)
    _check_model(predictor.card.name, looks.model, printable_name(looks.file), image)
    vector: NDArray[np.float32] = predictor.embed([image])[0]
    return vector


def _check_model(loaded: str, wanted: str, source: str, image: Path) -> None:
    if loaded != wanted:
        raise EvocaError(
            f"--like {printable_name(image)}: {source} is by the model {wanted or 'of no name'}, "
            f"not by {loaded}: name that one with --model"
        )


def without_look(tags: Tags, order: Order) -> int:
    """Return how many images of a table an order of :func:`like_in_look` lacks."""
    read = f"WHERE {tags.predicted}"
    counted = (f"SELECT count(*) FROM {{tags}} {joined} {read}" for joined in ("", order.joined))
    total, joined = map(tags.number, counted)
    return total - joined


def cosines(embeddings: Embeddings, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each embedding with a vector, float32 (N,); 0 for a vector of zeros.

    Args:
        embeddings: N of them; only a few thousand are in memory at a time.
        vector: float32 (D,).

    Raises:
        ValueError: another number of dimensions.
    """
    if vector.shape != (embeddings.dimensions,):
        raise ValueError(f"a vector of shape {vector.shape} for {embeddings.dimensions} dimensions")
    return np.concatenate([_cosines(chunk, vector) for chunk in embeddings.chunks()])


def _cosines(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows)) * np.linalg.norm(vector)
    dots = (rows @ vector).astype(np.float64)
    return divide(dots, lengths.astype(np.float64), empty=0.0).astype(np.float32)
