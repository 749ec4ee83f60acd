"""One small file per data set, each registered under the name ``evoca data build`` takes.

To add one: a module here with a function under :func:`evoca.data.readers.base.reader`,
and its name below.
"""

from evoca.data.readers import (  # noqa: F401 (each registers itself)
    abstract,
    artphoto,
    emoset,
    emotion6,
    emotionroi,
    fi,
    folder,
    hf,
    label_studio,
    ldl,
    oasis,
    table,
    twitter1,
    twitter2,
    webdataset,
    webemo,
)
from evoca.data.readers.base import Reader, ReadOptions, Row, get_reader, reader, reader_names

__all__ = ["ReadOptions", "Reader", "Row", "get_reader", "reader", "reader_names"]
