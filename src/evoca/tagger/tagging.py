"""``evoca tag``: predict images by the million into one table, and lose none."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoca.drafts import drafted
from evoca.errors import EvocaError, ImageError
from evoca.images.walk import printable_name
from evoca.runtime.choice import choose_engine
from evoca.runtime.engines import DEFAULT_ENGINE, open_engine, own_precision
from evoca.runtime.operating_point import PriorLike
from evoca.runtime.throughput import AUTO, Machine, best_batch_size, usual_batch_size
from evoca.tagger.inputs import Listed, list_inputs
from evoca.tagger.journal import Computed, Journal, journal_of
from evoca.tagger.model import ESTIMATE, RunModel
from evoca.tagger.pipeline import compute
from evoca.tagger.reading import first_pixels
from evoca.tagger.shards import Shard
from evoca.tagger.table_file import Predicted, TableFile, require_table
from evoca.words import counted

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle
    from evoca.runtime.engines import Engine

__all__ = [
    "MEASURED_FROM",
    "Summary",
    "TagSettings",
    "Watcher",
    "named_engine",
    "record_of",
    "tag",
    "write_record",
]

MEASURED_FROM = 2_000
"""Images below which measuring takes longer than it saves."""
_SECONDS_BETWEEN_RECORDS = 1.0
_MOST_UNRECORDED = 1_000


@dataclass(frozen=True)
class TagSettings:
    """What a run computes with.

    Attributes:
        model: a bundle; the bundled default if ``None``.
        prior: as :func:`evoca.load` takes it, or ``estimate``: the frequencies of these images.
        engine: that runs the model; ``auto`` takes the fastest here of those whose outputs are
            right; if ``None``, that for many images, and ONNX Runtime for few and for a share.
        precision: to compute in, with an engine by name; the model's own if ``None``.
        threads: CPU threads in all; one per core if ``None``.
        batch_size: images per run of the model; measured, for many images, if ``None``; not
            measured for a share, since all shares of a run must compute alike.
        resume: go on with what an earlier run of the same output left.
        retry_errors: with ``resume``, read again what could not be read.
        shard: the share of the images that is computed here.
    """

    model: str | os.PathLike[str] | None = None
    prior: PriorLike | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    batch_size: int | None = None
    resume: bool = False
    retry_errors: bool = False
    shard: Shard = field(default_factory=Shard)


@dataclass
class Summary:
    """What a run has done.

    Attributes:
        images: rows of the table.
        computed: images that this run computed; the others were there.
        seconds: that it took.
        emotions: top emotion to its number of images.
        errors: cause to the number of images that could not be read.
    """

    images: int = 0
    computed: int = 0
    seconds: float = 0.0
    emotions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, predicted: Predicted) -> None:
        """Count a row of the table."""
        self.images += 1
        if isinstance(predicted, ImageError):
            self.errors[predicted.cause] += 1
        else:
            self.emotions[predicted.emotion] += 1

    @property
    def unread(self) -> int:
        """The images that could not be read."""
        return self.errors.total()


class Watcher:
    """What a run reports as it goes; it reports nothing unless a subclass does."""

    def say(self, line: str) -> None:
        """Take a remark."""

    def begin(self, left: int, listed: int) -> None:
        """Take the number of images that are left to compute, of so many."""

    def advance(self, computed: int, unread: int) -> None:
        """Take how many more were computed, and how many of them could not be read."""


def tag(
    paths: Sequence[str],
    out: str | Path,
    settings: TagSettings | None = None,
    watcher: Watcher | None = None,
) -> Summary:
    """Return what a run did: images predicted into one table, in constant memory, none lost.

    What is computed is recorded in a journal beside the table (``OUT.journal``) as it comes; the
    table itself appears at the end, whole and in the order of the images, with a record of the
    run (``OUT.run.json``). A run that was interrupted or killed goes on with ``resume``; images
    that were added or changed since are then computed, the others are not.

    Args:
        paths: what :func:`evoca.tagger.inputs.list_inputs` takes.
        out: a .csv, .jsonl or .parquet.
        settings: of the run.
        watcher: told of its progress.

    Raises:
        EvocaError: the output is no run that can go on, or was begun with another model, prior,
            engine or share; or it cannot be written.

    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "tags.csv"
    >>> done = tag(["examples"], out)
    >>> done.images, done.unread, len(out.read_text().splitlines())
    (6, 0, 7)
    """
    settings, watcher = settings or TagSettings(), watcher or Watcher()
    began, out = time.monotonic(), Path(out)
    require_table(out)
    _require_one_engine(settings)
    _require_own(out, resume=settings.resume)
    with Journal(journal_of(out)) as journal:
        run = _Run(settings, watcher, journal)
        listed = run.list_images(paths)
        computed = run.compute()
        summary = run.write(out)
        counts = {
            "images": summary.images,
            "unread": summary.unread,
            "bytes": out.stat().st_size,
        }
        write_record(out, {"listed_sha256": listed, **run.record(), **counts})
    summary.computed, summary.seconds = computed, time.monotonic() - began
    return summary


def _require_own(out: Path, *, resume: bool) -> None:
    """Refuse an output that is no run of this command, or one that is not to go on."""
    name, journal = printable_name(out), journal_of(out)
    begun = False
    if journal.exists():
        with Journal(journal) as known:
            begun = bool(known.pins())
    if not begun and out.exists():
        raise EvocaError(
            f"{name}: exists, and no run of evoca tag that can go on wrote it (no "
            f"{journal.name} of one beside it): name another --out"
        )
    if begun and not resume:
        raise EvocaError(
            f"{name}: a run of evoca tag is there: --resume goes on with it and computes only "
            "what is new, or name another --out"
        )


def _require_one_engine(settings: TagSettings) -> None:
    """Refuse a measured engine for a share: each machine might take another."""
    if settings.engine == AUTO and settings.shard.count > 1:
        raise EvocaError(
            f"--engine auto and --shard {settings.shard}: shares of different engines cannot be "
            "merged: name the same engine for every share, such as --engine openvino"
        )


def named_engine(
    settings: TagSettings, bundle: Bundle, known: Mapping[str, str], left: int
) -> tuple[str, str] | None:
    """Return the engine and precision of a run, or ``None`` where the fastest is to be taken.

    Args:
        settings: of the run.
        bundle: of the model.
        known: what the run was begun with.
        left: images to compute.

    Raises:
        EvocaError: a precision is named without its engine.
    """
    wanted, precision = settings.engine, settings.precision
    if precision is not None and wanted in (None, AUTO):
        raise EvocaError(
            f"precision {precision}: name the engine too, such as openvino; auto takes the "
            "fastest of both"
        )
    if wanted in (None, AUTO) and "engine" in known:
        return known["engine"], known["precision"]
    if wanted == AUTO or (wanted is None and _is_measured(settings, left)):
        return None
    return wanted or DEFAULT_ENGINE, precision or own_precision(bundle)


def _is_measured(settings: TagSettings, left: int) -> bool:
    """Return whether what is not named is measured: not for shares, which must be alike."""
    return left >= MEASURED_FROM and settings.shard.count == 1


class _Run:
    """One run, from its list of images to its table."""

    def __init__(self, settings: TagSettings, watcher: Watcher, journal: Journal) -> None:
        self._settings, self._watcher, self._journal = settings, watcher, journal
        self._threads = settings.threads or os.cpu_count() or 1
        self._model = RunModel.read(settings.model, settings.prior)
        self._pins = {**self._model.pins(), "shard": str(settings.shard)}
        journal.require(self._pins)

    def list_images(self, paths: Sequence[str]) -> str:
        """List the images of this run's share, and return a hash of the names of all."""
        names = hashlib.sha256()

        def named() -> Iterator[Listed]:
            for one in list_inputs(paths, self._watcher.say):
                names.update(f"{one.path}\n".encode())
                yield one

        self._journal.set_listed(named())
        self._journal.keep(self._settings.shard)
        return names.hexdigest()

    def compute(self) -> int:
        """Compute what is left, and return how many images that were."""
        retry = self._settings.retry_errors
        counts = self._journal.counts(retry_errors=retry)
        name, precision = self._engine_and_precision(counts.left)
        self._journal.require({"engine": name, "precision": precision})
        # Each run of the model has one thread, and there are as many runs as threads: they wait
        # for each other less than the threads of one run do.
        engine = open_engine(name, self._model.bundle, 1, precision, runs=self._threads)
        # A run that could not even start has not begun.
        self._journal.pin({**self._pins, "engine": name, "precision": precision})
        size = self._batch_size(name, engine, counts.left)
        self._journal.pin({"batch size": str(size)})
        self._watcher.begin(counts.left, counts.listed)
        machine = Machine(self._threads, self._threads, size)
        images = self._journal.left(retry_errors=retry)
        computed = compute(images, engine, self._model.card.preprocessing, machine)
        return _record(self._journal, computed, self._watcher)

    def _engine_and_precision(self, left: int) -> tuple[str, str]:
        """Return what the settings name, what the run was begun with, or what is fastest."""
        named = named_engine(self._settings, self._model.bundle, self._journal.pins(), left)
        if named is not None:
            if self._settings.engine is None and left >= MEASURED_FROM and not self._journal.pins():
                self._watcher.say(
                    f"{' '.join(named)}, as every share takes it; for another, give --engine NAME "
                    "with all of them"
                )
            return named
        found = choose_engine(self._model.bundle, self._batch, self._threads)
        self._watcher.say(found.why)
        return found.engine, found.precision

    def _batch_size(self, name: str, engine: Engine, left: int) -> int:
        given, before = self._settings.batch_size, self._journal.pins().get("batch size")
        if given is not None or before is not None:
            return given or int(before or 0)
        if not _is_measured(self._settings, left):
            return usual_batch_size(name)
        size = best_batch_size(engine, self._batch, self._threads)
        self._watcher.say(f"{counted(size, 'image')} per run of the model: the fastest here")
        return size

    @cached_property
    def _batch(self) -> NDArray[np.uint8]:
        """Pixels to measure engines and batches with: those of the first images."""
        return first_pixels(self._journal.left(), self._model.card.preprocessing)

    def write(self, out: Path) -> Summary:
        """Write the table, in the order of the images."""
        if self._settings.prior == ESTIMATE:
            logits = self._journal.logits(len(self._model.card.labels))
            self._model = self._model.estimated(logits, self._watcher.say)
        summary = Summary()
        table = TableFile(out, self._model.card.labels)
        with closing(table):
            for predicted in map(self._model.predicted, self._journal.results()):
                summary.add(predicted)
                table.add(predicted)
        return summary

    def record(self) -> dict[str, Any]:
        """Return what the run computed with."""
        return {**self._journal.pins(), "frequencies": self._model.frequencies}


def _record(journal: Journal, computed: Iterator[Computed], watcher: Watcher) -> int:
    """Record images as they come, about once a second, and return how many there were."""
    count, waiting, last = 0, [], time.monotonic()
    try:
        for one in computed:
            count += 1
            waiting.append(one)
            watcher.advance(1, int(one.logits is None))
            now = time.monotonic()
            if now - last > _SECONDS_BETWEEN_RECORDS or len(waiting) >= _MOST_UNRECORDED:
                journal.record(waiting)
                waiting, last = [], now
    finally:  # what is computed is kept, whatever ends the run
        journal.record(waiting)
    return count


def record_of(out: Path) -> Path:
    """Return the path of the record of the run that wrote a table.

    >>> print(record_of(Path("tags.parquet")))
    tags.parquet.run.json
    """
    return out.with_name(f"{out.name}.run.json")


def write_record(out: Path, run: dict[str, Any]) -> None:
    """Write the record of a run beside its table."""
    text = json.dumps({"format_version": 1, **run}, indent=2, ensure_ascii=False)
    with drafted(record_of(out)) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8")
