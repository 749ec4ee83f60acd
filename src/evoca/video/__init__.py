"""Films: which emotions each moment evokes, as a timeline with shots and key frames.

The door is :func:`timeline`; the extra ``video`` brings PyAV, which holds FFmpeg's decoders. A film
is decoded once, in a process of its own, and never held in memory.

The table of a film
    :func:`write_timeline` writes, and ``evoca video --out`` with it, one row per predicted frame,
    in the order of time, as .csv, .jsonl or .parquet. All rows of a table are of one film. A table
    of predictions is that of a film where it has the columns ``time`` and ``shot_start``. Its
    columns are those of every table of predictions (:func:`evoca.runtime.tables.table_columns`)
    with these after them:

    ==========================  =======================================================
    ``time``                    seconds from the start of the film, as players count them
                                (``HTMLMediaElement.currentTime``); three decimals
    ``frame``                   number of the frame in the stream, in order of display, from 0
    ``shot``                    number of its shot, from 0; every shot has at least one row
    ``shot_start``              seconds at which the shot starts
    ``shot_end``                seconds at which it ends, that is, the next one starts
    ``key_frame``               1 in the one row of each shot that represents it best, else 0
    ``smoothed_<emotion>``      the probability smoothed over time within the shot; they sum to 1
    ``smoothed_valence``,       likewise, where the model predicts them
    ``smoothed_arousal``
    ==========================  =======================================================

    ``path`` is the film as it was named, the same in each row, ``p_<emotion>`` the prediction for
    the frame alone; ``sha256`` and ``error`` are empty. The film ends at the last ``shot_end``. The
    shots are in the same rows (``shot``, ``shot_start``, ``shot_end``); a second table,
    ``NAME.shots.EXT`` beside ``NAME.EXT``, has one row a shot: the columns of every table of
    predictions, of the mean over the shot's time, then ``shot``, ``start``, ``end``, ``frames``
    (predicted ones) and ``key_time``.

>>> from evoca import video
>>> settings = video.TimelineSettings(rate=1, smooth=2.0)
>>> found = video.timeline("film.mp4", settings)  # doctest: +SKIP
>>> found.peaks()  # doctest: +SKIP
[('amusement', 83.0, 0.61), ('anger', 12.5, 0.22), ...]
"""

from typing import TYPE_CHECKING

from evoca.lazy import lazy_names

if TYPE_CHECKING:
    from evoca.video.chart import chart_svg, write_chart
    from evoca.video.container import VideoError
    from evoca.video.page import write_timeline_page
    from evoca.video.predicting import FilmWatcher, TimelineSettings, timeline
    from evoca.video.table import write_timeline
    from evoca.video.timelines import Shot, Timeline

__all__ = [
    "FilmWatcher",
    "Shot",
    "Timeline",
    "TimelineSettings",
    "VideoError",
    "chart_svg",
    "timeline",
    "write_chart",
    "write_timeline",
    "write_timeline_page",
]

# The process that decodes needs none of them, and must start fast.
_HOMES = {
    "FilmWatcher": "evoca.video.predicting",
    "Shot": "evoca.video.timelines",
    "Timeline": "evoca.video.timelines",
    "TimelineSettings": "evoca.video.predicting",
    "VideoError": "evoca.video.container",
    "chart_svg": "evoca.video.chart",
    "write_chart": "evoca.video.chart",
    "timeline": "evoca.video.predicting",
    "write_timeline": "evoca.video.table",
    "write_timeline_page": "evoca.video.page",
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
