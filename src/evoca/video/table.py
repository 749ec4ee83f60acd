"""Timelines as tables: one row per predicted frame, and one per shot in a second file."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.tagger.table_file import TableFile, require_table

if TYPE_CHECKING:
    from evoca.video.timelines import Timeline

__all__ = ["frame_columns", "require_table", "shots_table", "write_timeline"]

_DIGITS = 3  # of seconds


def frame_columns(labels: tuple[str, ...], *, has_affect: bool) -> dict[str, str]:
    """Return the columns that rows of frames have beside those of predictions, with SQL types."""
    affect = ("smoothed_valence", "smoothed_arousal") if has_affect else ()
    smoothed = (*(f"smoothed_{label}" for label in labels), *affect)
    return {
        "time": "DOUBLE",
        "frame": "BIGINT",
        "shot": "BIGINT",
        "shot_start": "DOUBLE",
        "shot_end": "DOUBLE",
        "key_frame": "BIGINT",
        **dict.fromkeys(smoothed, "DOUBLE"),
    }


_SHOT_COLUMNS = {
    "shot": "BIGINT",
    "start": "DOUBLE",
    "end": "DOUBLE",
    "frames": "BIGINT",
    "key_time": "DOUBLE",
}


def shots_table(out: Path) -> Path:
    """Return the path of the table of shots beside that of frames.

    >>> print(shots_table(Path("film.parquet")))
    film.shots.parquet
    """
    return out.with_name(f"{out.stem}.shots{out.suffix}")


def write_timeline(timeline: Timeline, out: Path) -> None:
    """Write a timeline as two tables, of frames and of shots, each whole.

    Args:
        timeline: of a film.
        out: a .csv, .jsonl or .parquet; the shots go to :func:`shots_table` of it.

    Raises:
        EvocaError: a table cannot be written.
        MissingExtraError: Parquet without DuckDB.
    """
    require_table(out)
    labels = timeline.labels
    columns = frame_columns(labels, has_affect=timeline.smoothed_affect is not None)
    with ExitStack() as opened:
        # The last that is opened is closed first: where there is a table of frames, all is there.
        frames = opened.enter_context(closing(TableFile(out, labels, columns)))
        shots = opened.enter_context(closing(TableFile(shots_table(out), labels, _SHOT_COLUMNS)))
        _add_frames(timeline, frames)
        _add_shots(timeline, shots)


def _add_frames(timeline: Timeline, table: TableFile) -> None:
    for shot in timeline.shots:
        for row in range(shot.rows.start, shot.rows.stop):
            smoothed = timeline.smoothed[row].tolist()
            more: dict[str, float | int] = {
                "time": round(float(timeline.times[row]), _DIGITS),
                "frame": int(timeline.frames[row]),
                "shot": shot.number,
                "shot_start": round(shot.start, _DIGITS),
                "shot_end": round(shot.end, _DIGITS),
                "key_frame": int(row == shot.key_row),
                **{f"smoothed_{k}": v for k, v in zip(timeline.labels, smoothed, strict=True)},
            }
            if timeline.smoothed_affect is not None:
                valence, arousal = timeline.smoothed_affect[row].tolist()
                more |= {"smoothed_valence": valence, "smoothed_arousal": arousal}
            table.add(timeline.prediction(row), more)


def _add_shots(timeline: Timeline, table: TableFile) -> None:
    for shot in timeline.shots:
        more = {
            "shot": shot.number,
            "start": round(shot.start, _DIGITS),
            "end": round(shot.end, _DIGITS),
            "frames": shot.rows.stop - shot.rows.start,
            "key_time": round(float(timeline.times[shot.key_row]), _DIGITS),
        }
        table.add(timeline.shot_prediction(shot), more)
