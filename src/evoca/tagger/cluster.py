"""``evoca tag --ray``: the same functions over the machines of a Ray cluster.

A thin layer on Ray Data. A directory takes the place of the table:

- ``run.json``: what the run computes with, as the journal pins it on one machine;
- ``list.parquet``: the images, each once;
- ``tags/*.parquet``: the rows, in no order, written by Ray;
- ``checkpoint/``: which images have rows, written by Ray with them (``CheckpointConfig``).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from evoca.drafts import drafted
from evoca.errors import EvocaError, first_line, needs_extra
from evoca.images.addresses import scheme_of
from evoca.images.walk import printable_name
from evoca.runtime.throughput import usual_batch_size
from evoca.tagger.inputs import Listed, list_inputs
from evoca.tagger.journal import require_pins
from evoca.tagger.model import ESTIMATE, RunModel
from evoca.tagger.reading import first_pixels
from evoca.tagger.shards import Shard
from evoca.tagger.table_file import synced
from evoca.tagger.tagging import (
    MEASURED_FROM,
    Summary,
    TagSettings,
    Watcher,
    named_engine,
)

__all__ = ["LOCAL", "tag_on_cluster"]

LOCAL = "local"
"""The address of a cluster of this machine alone, which ends with the run."""
_KIND = "evoca tag --ray"
_LISTED_AT_ONCE = 10_000
# A block is what one task decodes: 0.3 MB per image until its batch is computed. A file is what
# one kill may lose.
_BLOCK, _FILE = 128, 8_192
_LEAST_BLOCK, _LEAST_FILE, _FILES = 8, 32, 64
_FEW_CPUS = 3
_MODEL_MEMORY = 512 * 1024**2
_SECONDS_BETWEEN_COUNTS = 0.5
_SECONDS_TO_CONNECT = 10.0
_CUDA = "onnxruntime-cuda"
_RECORD = "run.json"
_PINNED = ("model", "prior", "engine", "precision", "batch size")
_PENDING = ".pending.parquet"


def tag_on_cluster(
    paths: Sequence[str],
    out: Path,
    address: str,
    settings: TagSettings | None = None,
    watcher: Watcher | None = None,
) -> Summary:
    """Return what a run on a Ray cluster did: images predicted into a directory of Parquet.

    The rows are those of :func:`evoca.tagger.tag`, each path once, in no order. All machines
    must see the images and the directory under the same names, and have the same Evoca with the
    extra ``cluster``. Ray computes again what a machine that fails had under way, and with
    ``resume`` a run whose driver was killed goes on with the files that were written.

    Args:
        paths: what :func:`evoca.tagger.inputs.list_inputs` takes.
        out: the directory; made where there is none.
        address: of the cluster: ``auto``, ``local``, ``HOST:PORT`` or ``ray://HOST:PORT``.
        settings: of the run; each run of the model has one thread.
        watcher: told of its progress.

    Raises:
        EvocaError: the directory is no run that can go on, or was begun with another model,
            prior or engine; a setting is for one machine alone; no cluster is there, or it fails.
        MissingExtraError: Ray is not installed.
    """
    settings, watcher = settings or TagSettings(), watcher or Watcher()
    began = time.monotonic()
    _require_possible(settings)
    with needs_extra("cluster", "--ray"):
        import ray.data  # noqa: F401
    model = RunModel.read(settings.model, settings.prior)
    directory = _Directory.of(out, resume=settings.resume)
    directory.require(model.pins())
    with _connected(address):
        with _writing(out):
            directory.make()
            directory.pin(model.pins())
            listed, images = directory.write_list(list_inputs(paths, watcher.say))
            known = directory.known()
        _Run(directory, model, settings, watcher).compute(images, known)
    with _writing(out):
        summary = directory.summary()
        directory.record(
            {
                "frequencies": model.frequencies,
                "listed_sha256": listed,
                "images": summary.images,
                "unread": summary.unread,
            }
        )
    summary.computed = max(0, summary.images - known)
    summary.seconds = time.monotonic() - began
    return summary


def _require_possible(settings: TagSettings) -> None:
    """Refuse what is for one machine alone."""
    if settings.shard != Shard():
        raise EvocaError("--shard is for machines of their own: --ray divides the images itself")
    if settings.threads is not None:
        raise EvocaError("--threads is for one machine: with --ray, the cluster has its own number")
    if settings.retry_errors:
        raise EvocaError(
            "--retry-errors is for one machine: with --ray, tag the paths of the rows with an "
            "error into another --out"
        )
    if settings.prior == ESTIMATE:
        raise EvocaError(
            "--prior estimate is for one machine: estimate with it on a part of the images, and "
            "give --ray the frequencies in its .run.json as a JSON file"
        )


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise EvocaError(f"--out {printable_name(out)}: cannot be written: {reason}") from error


# --- the directory --------------------------------------------------------------------------


class _Directory:
    """The directory of a run.

    Args:
        path: absolute, since the processes of a cluster have working folders of their own.
        run: the content of ``run.json``.
    """

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self._path, self._run = path, run
        self.list, self.tags, self.checkpoint = (
            path / name for name in ("list.parquet", "tags", "checkpoint")
        )

    @classmethod
    def of(cls, out: Path, *, resume: bool) -> _Directory:
        """Return the directory of a run that begins or goes on.

        Raises:
            EvocaError: it is none of this command, or one that is not to go on.
        """
        name, run = printable_name(out), {}
        if (out / _RECORD).is_file():
            run = _read_record(out)
        elif out.exists() and not _is_empty(out):
            raise _not_ours(name)
        if run and not resume:
            raise EvocaError(
                f"{name}: a run of evoca tag --ray is there: --resume goes on with it and computes "
                "only what is new, or name another --out"
            )
        if not out.absolute().parent.is_dir():
            raise EvocaError(f"--out {name}: there is no such folder to write into")
        return cls(out.absolute(), run)

    def make(self) -> None:
        """Make the directory where there is none."""
        self._path.mkdir(exist_ok=True)

    def pins(self) -> dict[str, str]:
        """Return what the run was begun with."""
        return {name: str(self._run[name]) for name in _PINNED if name in self._run}

    def require(self, wanted: dict[str, str]) -> None:
        """Require that what the run computes with is what was recorded, if anything was."""
        require_pins(printable_name(self._path), self._run, wanted)

    def pin(self, wanted: dict[str, str]) -> None:
        """Record what the run computes with, or require that it is what was recorded."""
        self.require(wanted)
        self.record(wanted)

    def record(self, facts: dict[str, Any]) -> None:
        """Write down facts beside those that are there."""
        self._run |= {"format_version": 1, "kind": _KIND, **facts}
        with drafted(self._path / _RECORD) as draft:
            text = json.dumps(self._run, indent=2, ensure_ascii=False)
            draft.write_text(f"{text}\n", encoding="utf-8")
            synced(draft)

    def write_list(self, images: Iterable[Listed]) -> tuple[str, int]:
        """Write the list of images, each path once; return a hash of the names, and the number."""
        import pyarrow.parquet as pq

        from evoca.tagger.cluster_stages import LISTED, listed_table

        names, count = hashlib.sha256(), 0
        with drafted(self.list) as draft:
            with closing(_Distinct()) as distinct, pq.ParquetWriter(draft, LISTED) as writer:
                unique = (_everywhere(one) for one in images if distinct.is_new(one.path))
                while rows := list(islice(unique, _LISTED_AT_ONCE)):
                    writer.write_table(listed_table(rows))
                    names.update("".join(f"{one.path}\n" for one in rows).encode())
                    count += len(rows)
            synced(draft)
        return names.hexdigest(), count

    def first(self) -> list[Listed]:
        """Return a few of the first images."""
        import pyarrow.parquet as pq

        from evoca.tagger.cluster_stages import listed_images

        with pq.ParquetFile(self.list) as file:
            for batch in file.iter_batches(_LEAST_FILE):
                return listed_images(batch)
        return []

    def known(self) -> int:
        """Return how many images have rows, by the checkpoints of an earlier run."""
        import pyarrow.parquet as pq

        files = self.checkpoint.glob("*.parquet") if self.checkpoint.is_dir() else ()
        whole = (one for one in files if not one.name.endswith(_PENDING))
        return sum(int(pq.read_metadata(one).num_rows) for one in whole)

    def summary(self) -> Summary:
        """Return what is in the rows."""
        import pyarrow.parquet as pq

        found = Summary()
        for file in sorted(self.tags.glob("*.parquet")) if self.tags.is_dir() else ():
            table = pq.read_table(file, columns=["emotion", "error"])
            found.images += table.num_rows
            for column, tally in (("emotion", found.emotions), ("error", found.errors)):
                for pair in table[column].drop_null().value_counts().to_pylist():
                    tally[pair["values"]] += pair["counts"]
        return found


def _is_empty(folder: Path) -> bool:
    """Return whether a folder holds nothing but what a killed process left."""
    return folder.is_dir() and all(one.name.startswith(".") for one in folder.iterdir())


def _not_ours(name: str) -> EvocaError:
    return EvocaError(
        f"{name}: exists, and no run of evoca tag --ray that can go on wrote it (no {_RECORD} of "
        "one in it): name another --out"
    )


def _read_record(out: Path) -> dict[str, Any]:
    name = printable_name(out / _RECORD)
    try:
        found = json.loads((out / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvocaError(f"{name}: cannot be read: {first_line(error)}") from error
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise _not_ours(printable_name(out))
    if found.get("format_version") != 1:
        raise EvocaError(f"{name}: written by a newer Evoca; update it")
    return found


def _everywhere(image: Listed) -> Listed:
    """Return an image with a place that holds in every working folder."""
    if not image.place or scheme_of(image.place):
        return image
    return replace(image, place=os.path.abspath(image.place))  # noqa: PTH100 - keeps links


class _Distinct:
    """The names that came so far, in a temporary file: they may be too many for the memory."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE name (text TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")
        self._db.execute("BEGIN")

    def is_new(self, text: str) -> bool:
        """Return whether a name has not come before."""
        return self._db.execute("INSERT OR IGNORE INTO name VALUES (?)", (text,)).rowcount > 0

    def close(self) -> None:
        """Remove the file."""
        self._db.close()


# --- the cluster ----------------------------------------------------------------------------


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Hold a connection to a cluster, or that which the program has already."""
    import ray

    if ray.is_initialized():
        yield
        return
    # What Ray and the processes it starts log goes to its files, /tmp/ray/session_latest/logs; its
    # core writes to the screen whatever lies below this level.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == LOCAL:
        options |= {"include_dashboard": False, "num_cpus": max(2, os.cpu_count() or 1)}
    try:
        _require_open(address)
        with _muted():
            ray.init(address=address, **options)
    except Exception as error:  # each kind of address has errors of its own
        raise EvocaError(f"--ray {address}: no cluster there: {first_line(error)}") from error
    # What a node warns of, such as slow workers, comes on standard output, log_to_driver or not.
    ray._private.worker._worker_logs_enabled = False
    try:
        yield
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True


def _require_open(address: str) -> None:
    """Require that something listens at HOST:PORT: Ray itself tries for minutes, then aborts."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()


@contextmanager
def _muted() -> Iterator[None]:
    """Let nothing onto the screen, of libraries in C++ either."""
    sys.stderr.flush()
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


@contextmanager
def _quiet_context(checkpoint: Path) -> Iterator[None]:
    """Have Ray Data write checkpoints, and nothing on the screen."""
    from ray.data import DataContext
    from ray.data.checkpoint import CheckpointConfig

    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.enable_auto_log_stats = False
    context.checkpoint_config = CheckpointConfig(
        "path", os.fspath(checkpoint), delete_checkpoint_on_success=False
    )
    logger = logging.getLogger("ray.data")
    screens = [one for one in logger.handlers if type(one).__name__ == "PlainRayHandler"]
    for handler in screens:
        handler.setLevel(logging.CRITICAL + 1)
    with DataContext.current(context):
        yield


class _Run:
    """One run on a cluster that is connected."""

    def __init__(
        self, directory: _Directory, model: RunModel, settings: TagSettings, watcher: Watcher
    ) -> None:
        self._directory, self._model = directory, model
        self._settings, self._watcher = settings, watcher

    def compute(self, images: int, known: int) -> None:
        """Compute what has no rows yet, of so many images."""
        import ray

        from evoca.tagger.cluster_stages import ShippedModel

        left = max(0, images - known)
        shipped = ray.put(ShippedModel.of(self._model))
        engine, precision, size = self._settled(shipped, left)
        self._directory.pin({"engine": engine, "precision": precision, "batch size": str(size)})
        self._watcher.begin(left, images)
        with _counted(self._watcher, left) as counter, _quiet_context(self._directory.checkpoint):
            try:
                self._stages(left, (shipped, engine, precision, size, counter))
            except Exception as error:
                raise _cause(error) from error

    def _settled(self, shipped: Any, left: int) -> tuple[str, str, int]:
        """Return engine, precision and batch size, as one machine of the cluster finds them."""
        import ray

        from evoca.tagger.cluster_stages import settled

        known = self._directory.pins()
        named = named_engine(self._settings, self._model.bundle, known, left)
        size = self._settings.batch_size or int(known.get("batch size", 0)) or None
        if size is None and left < MEASURED_FROM and named is not None:
            size = usual_batch_size(named[0])
        pixels = None
        if named is None or size is None:
            pixels = first_pixels(self._directory.first(), self._model.card.preprocessing)
        there = ray.remote(num_gpus=1 if named is not None and named[0] == _CUDA else 0)(settled)
        try:
            engine, precision, size, said = ray.get(there.remote(shipped, pixels, named, size))
        except Exception as error:  # Ray wraps what happens elsewhere in errors of its own
            raise _cause(error) from error
        for line in said:
            self._watcher.say(line)
        return engine, precision, size

    def _stages(self, left: int, computing: tuple[Any, ...]) -> None:
        import ray
        from ray.data import ActorPoolStrategy

        from evoca.tagger.cluster_stages import Computing, decode

        def among(least: int, most: int) -> int:
            return min(most, max(least, left // _FILES))

        images = ray.data.read_parquet(os.fspath(self._directory.list))
        images = images.repartition(target_num_rows_per_block=among(_LEAST_BLOCK, _BLOCK))
        decoded = images.map_batches(
            decode,
            batch_size=None,
            batch_format="pyarrow",
            fn_kwargs={"preprocessing": self._model.card.preprocessing},
        )
        # An actor holds its share of the CPUs to the end. Two, of which the filter of a resume is
        # the other, would leave nothing of two CPUs to what feeds them.
        few = ray.cluster_resources().get("CPU", 0) < _FEW_CPUS
        # Ray joins stages that ask for the same; decoding is to go on beside the model.
        rows = decoded.map_batches(
            Computing,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_args=computing,
            compute=ActorPoolStrategy(min_size=1, max_size=1 if few else None),
            num_cpus=0 if few else 1,
            num_gpus=1 if computing[1] == _CUDA else 0,
            memory=_MODEL_MEMORY,
        )
        rows.write_parquet(
            os.fspath(self._directory.tags),
            min_rows_per_file=among(_LEAST_FILE, _FILE),
            compression="zstd",  # three quarters of the size
        )


@contextmanager
def _counted(watcher: Watcher, left: int) -> Iterator[Any]:
    """Yield the actor that counts, and pass on what it counts meanwhile."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from evoca.tagger.cluster_stages import Counter

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    counter = ray.remote(num_cpus=0, scheduling_strategy=here)(Counter).remote()
    ended = threading.Event()

    def watch() -> None:
        done = failed = 0
        while True:
            last = ended.wait(_SECONDS_BETWEEN_COUNTS)
            with suppress(Exception):  # progress is no reason to end a run
                computed, unread = ray.get(counter.counts.remote(), timeout=10)
                computed = min(computed, left)  # what a machine had under way counts twice
                watcher.advance(max(0, computed - done), max(0, unread - failed))
                done, failed = max(done, computed), max(failed, unread)
            if last:
                return

    thread = threading.Thread(target=watch, name="evoca-progress", daemon=True)
    thread.start()
    try:
        yield counter
    finally:
        ended.set()
        thread.join()


def _cause(error: Exception) -> EvocaError:
    """Return the error of ours that Ray has wrapped, or a line on its own."""
    seen: BaseException | None = error
    while seen is not None:
        inner = getattr(seen, "cause", None)
        seen = inner if isinstance(inner, BaseException) else seen.__cause__
        if isinstance(seen, EvocaError) and not hasattr(seen, "cause_cls"):
            return seen
    return EvocaError(f"--ray: the cluster failed: {first_line(error)}; --resume goes on")
