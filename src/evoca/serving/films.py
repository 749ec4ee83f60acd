"""The timeline of a film for the page, from the table that ``evoca video`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoca.serving.refusals import Refusal

if TYPE_CHECKING:
    from evoca.collection.tags import Tags

__all__ = ["FILM_COLUMNS", "film_timeline", "media_type"]

FILM_COLUMNS = ("time", "shot", "shot_start", "shot_end")
"""A table with these columns is that of films: each row is a predicted frame."""

_MOST_ROWS = 100_000  # fourteen hours at two frames a second
_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".ogv": "video/ogg",
    ".ogg": "video/ogg",
    ".mkv": "video/x-matroska",
}


def media_type(file: Path) -> str:
    """Return the media type of a film by its ending.

    Raises:
        Refusal: 404, for another file: a table is no way to any file it names.
    """
    kind = _TYPES.get(file.suffix.lower())
    if kind is None:
        raise Refusal(404, "not a film that browsers play")
    return kind


def film_timeline(tags: Tags, path: str) -> dict[str, Any]:
    """Return the timeline of one film.

    Args:
        tags: a table with the columns :data:`FILM_COLUMNS`.
        path: of the film, as the table has it.

    Returns:
        ``times`` in seconds, ``probabilities`` (emotion to values, smoothed where the table has
        them), ``valence`` and ``arousal`` or ``None``, and ``shots``, each ``[start, end]``.

    Raises:
        Refusal: 404, for a film that the table does not have.
    """
    query = (
        f"SELECT * FROM {{tags}} WHERE path = ? AND {tags.predicted} "
        f"ORDER BY time LIMIT {_MOST_ROWS}"
    )
    rows = list(tags.rows(query, (path,)))
    if not rows:
        raise Refusal(404, "no such film in this collection")

    def column(name: str, otherwise: str) -> list[float | None] | None:
        held = next((one for one in (name, otherwise) if one in tags.kinds), None)
        return None if held is None else [row[held] for row in rows]

    shots = sorted({(row["shot_start"], row["shot_end"]) for row in rows})
    return {
        "path": path,
        "times": [row["time"] for row in rows],
        "probabilities": {
            label: column(f"smoothed_{label}", f"p_{label}") for label in tags.labels
        },
        "valence": column("smoothed_valence", "valence"),
        "arousal": column("smoothed_arousal", "arousal"),
        "shots": [list(shot) for shot in shots],
    }
