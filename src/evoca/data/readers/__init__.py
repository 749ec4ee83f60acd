"""One small file a data set, each registered under the name ``evoca data build`` takes.

To add one: a module here with a function under :func:`evoca.data.readers.base.reader`,
and its name below.
"""

from evoca.data.readers import (
    abstract,
    artphoto,
    emoset,
    emotion6,
    emotionroi,
    fi,
    folder,
    hf,
    ldl,
    oasis,
    table,
    twitter1,
    twitter2,
    webdataset,
    webemo,
)
from evoca.data.readers.base import Reader, ReadOptions, Row, get_reader, reader, reader_names

__all__ = [
    "ReadOptions",
    "Reader",
    "Row",
    "abstract",
    "artphoto",
    "emoset",
    "emotion6",
    "emotionroi",
    "fi",
    "folder",
    "get_reader",
    "hf",
    "ldl",
    "oasis",
    "reader",
    "reader_names",
    "table",
    "twitter1",
    "twitter2",
    "webdataset",
    "webemo",
]
