"""Files of named arrays (``.npz``), read with checks and without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DamagedArraysError", "read_arrays"]


class DamagedArraysError(ValueError):
    """A file that holds no arrays, or not the ones that are asked for."""


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Return every array of a file by its name; nothing is unpickled.

    Raises:
        FileNotFoundError: no such file.
        DamagedArraysError: it is cut short, or no such file of arrays.
    """
    try:
        with file.open("rb") as stream:
            found = np.load(stream, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise DamagedArraysError("one array, not several by name")
            with found:
                return {name: found[name] for name in found.files}
    except (FileNotFoundError, DamagedArraysError):
        raise
    except Exception as error:
        # NumPy, zipfile and zlib let OSError, ValueError, EOFError, BadZipFile, zlib.error,
        # NotImplementedError, RuntimeError, TypeError, MemoryError and more escape.
        raise DamagedArraysError(str(error) or type(error).__name__) from error
