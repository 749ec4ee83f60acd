"""The predictor: a loaded model that returns predictions for images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from evoca.errors import ImageError
from evoca.evidence import EvidenceMap
from evoca.images.decode import ImageLimits
from evoca.images.sources import ONE_IMAGE, ImageInput, LoadedImage, load_image
from evoca.images.walk import printable_name
from evoca.prediction import Prediction, prediction_set
from evoca.runtime.bundle import Bundle, read_bundle
from evoca.runtime.engines import DEFAULT_ENGINE, Engine, Outputs
from evoca.runtime.operating_point import OperatingPoint, PriorLike, operating_point
from evoca.runtime.sessions import Sessions, in_order
from evoca.runtime.throughput import usual_batch_size

if TYPE_CHECKING:
    from evoca.runtime.card import ModelCard

__all__ = ["Predictor", "load", "prediction_of"]


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    limits: ImageLimits | None = None,
    engine: str = DEFAULT_ENGINE,
    precision: str | None = None,
    prior: PriorLike | None = None,
) -> Predictor:
    """Return a loaded model.

    Args:
        model: a bundle directory, or the name of a bundle inside the package; if
            omitted, the one in ``EVOCA_MODEL``, else the bundled default.
        threads: CPU threads for one run, 1 or more; by default ONNX Runtime uses all
            cores.
        limits: on the images; larger ones are refused.
        engine: that runs the graph: ``onnxruntime``, ``openvino`` (extra ``openvino``),
            ``onnxruntime-cuda``, ``onnxruntime-coreml``, ``onnxruntime-directml``, or one that
            another package adds.
        precision: ``float32``, ``bf16`` (OpenVINO, where the CPU has it) or ``int8`` (a bundle
            that was quantised); the bundle's own if omitted.
        prior: class frequencies that predictions are given for: ``natural``, ``balanced``,
            ``trained``, the path of a JSON file, or frequencies by label; the bundle's own
            if omitted.

    Raises:
        BundleError: the bundle is missing, damaged, of a newer format, or untrue.
        EngineError: no such engine or precision, or not here.
        EvocaError: no such prior.
        ValueError: fewer than one thread.

    >>> import evoca
    >>> model = evoca.load()
    >>> prediction = model.predict("examples/rocket.jpg")
    >>> prediction.emotion in model.labels
    True
    """
    return Predictor(
        read_bundle(model),
        threads=threads,
        limits=limits,
        engine=engine,
        precision=precision,
        prior=prior,
    )


_MANY = 16  # images from which on a second engine is worth the time to open it


class Predictor:
    """A loaded model. Safe to share between threads, to pickle, and to use after a fork."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        limits: ImageLimits | None = None,
        engine: str = DEFAULT_ENGINE,
        precision: str | None = None,
        prior: PriorLike | None = None,
    ) -> None:
        """Load a bundle; prefer :func:`evoca.load`.

        Raises:
            BundleError: the graph is damaged or contradicts the card.
            EngineError: no such engine or precision, or not here.
            ValueError: fewer than one thread.
        """
        self._bundle = bundle
        self._limits = limits or ImageLimits()
        self._batch_size = usual_batch_size(engine)
        self.operating_point = operating_point(bundle.card, prior)
        self._sessions = Sessions(bundle, engine, threads, precision)

    @property
    def card(self) -> ModelCard:
        """The description of the model in its bundle: figures, licences, preprocessing."""
        return self._bundle.card

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of every distribution."""
        return self.card.labels

    # A text is a sequence of texts too; the first that fits is taken, so it is one image.
    @overload
    def predict(self, images: ImageInput) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, images: Sequence[ImageInput]) -> list[Prediction]: ...

    def predict(self, images: ImageInput | Sequence[ImageInput]) -> Prediction | list[Prediction]:
        """Return the emotions that one image, or each of several, evokes in viewers.

        Args:
            images: a path, the bytes of an encoded file, a PIL image, an array of shape
                (H, W), (H, W, 3) or (H, W, 4) (uint8 0..255 or floating point 0..1), or
                a list of any of these.

        Returns:
            One :class:`~evoca.prediction.Prediction`, or a list in the order given.

        Raises:
            ImageError: an input cannot be read; :meth:`stream` continues after it.
            TypeError: an input is of another kind.
        """
        if isinstance(images, ONE_IMAGE):
            loaded = self._load(images)
            return self._predict_loaded([(images, loaded)], self._sessions.for_one_run())[0]
        if not isinstance(images, Sequence):
            raise TypeError(
                "give one image (a path, bytes, a PIL image or an array) or a list of them, "
                f"not {type(images).__name__}"
            )
        found: list[Prediction] = []
        for outcome in self.stream(cast("Sequence[ImageInput]", images)):
            if isinstance(outcome, ImageError):
                raise outcome
            found.append(outcome)
        return found

    def stream(
        self,
        images: Iterable[ImageInput],
        *,
        batch_size: int | None = None,
        picture_side: int | None = None,
    ) -> Iterator[Prediction | ImageError]:
        """Yield the predictions for many images in order, with errors in their place.

        Each core decodes and computes images of its own. Only a few are held in memory, so the
        input may be a generator without end.

        Args:
            images: any iterable of what :meth:`predict` takes.
            batch_size: images in one run of the model; if omitted 1 with an engine of the CPU,
                which is fastest there and takes least memory, and 8 with others.
            picture_side: keep each picture as :attr:`Prediction.picture
                <evoca.Prediction.picture>`, its longer side at most this many pixels, so
                that drawing it needs no second decode.

        Yields:
            For each input, in order, its prediction, or an :class:`~evoca.ImageError` with the
            reason why there is none.

        Raises:
            ValueError: fewer than one image in a run.
        """
        size = self._batch_size if batch_size is None else batch_size
        if size < 1:
            raise ValueError(f"batch_size must be at least 1, not {size}")
        load = partial(self._load, picture_side=picture_side)
        source = iter(images)
        first = list(islice(source, 2))
        if len(first) < 2:  # no threads for one image
            yield from self._predictions(first, load, self._sessions.for_few_runs())
            return

        def predicted(i: int, batch: list[ImageInput]) -> list[Prediction | ImageError]:
            # A second engine is opened only where there are images enough to be worth it.
            many = i * size >= _MANY
            engine = self._sessions.for_many_runs() if many else self._sessions.for_few_runs()
            return list(self._predictions(batch, load, engine))

        batches = _in_batches(chain(first, source), size)
        for found in in_order(predicted, batches, self._sessions.runs, self._sessions.abandon):
            yield from found

    def embed(self, images: Sequence[ImageInput]) -> NDArray[np.float32]:
        """Return the model's features, for search, clustering or another head.

        Args:
            images: a list of what :meth:`predict` takes.

        Returns:
            float32 (N, D).

        Raises:
            ImageError: an input cannot be read.
            ValueError: the model has no embedding, or the list is empty.
        """
        rows = [prediction.embedding for prediction in self.predict(list(images))]
        kept = [row for row in rows if row is not None]
        if not kept or len(kept) != len(rows):
            raise ValueError("no images given" if not rows else "this model has no embedding")
        return np.stack(kept)

    def self_test(self) -> None:
        """Run the model on a drawn picture, since only a run shows what a graph computes.

        Raises:
            BundleError: the outputs contradict the card.
        """
        ramp = np.linspace(0, 255, 64 * 64 * 3).astype(np.uint8)
        self.predict(ramp.reshape(64, 64, 3))

    def stop(self) -> None:
        """End running and later predictions of other threads with an error.

        Ctrl-C reaches only the main thread, which must then wait for the others.
        """
        self._sessions.stop()

    def _load(self, image: ImageInput, *, picture_side: int | None = None) -> LoadedImage:
        preprocessing = self.card.preprocessing
        return load_image(image, preprocessing, self._limits, picture_side=picture_side)

    def _predictions(
        self,
        images: Sequence[ImageInput],
        load: Callable[[ImageInput], LoadedImage],
        engine: Engine,
    ) -> Iterator[Prediction | ImageError]:
        outcomes = [_outcome(load, image) for image in images]
        pairs = zip(images, outcomes, strict=True)
        good = [(image, loaded) for image, loaded in pairs if isinstance(loaded, LoadedImage)]
        predictions = iter(self._predict_loaded(good, engine) if good else [])
        for outcome in outcomes:
            yield next(predictions) if isinstance(outcome, LoadedImage) else outcome

    def _predict_loaded(
        self, images: Sequence[tuple[ImageInput, LoadedImage]], engine: Engine
    ) -> list[Prediction]:
        outputs = engine.run(np.stack([loaded.pixels for _, loaded in images]))
        probabilities = self.operating_point.probabilities(outputs.logits)
        return [
            self._prediction(i, source, loaded, probabilities[i], outputs)
            for i, (source, loaded) in enumerate(images)
        ]

    def _prediction(
        self,
        i: int,
        source: ImageInput,
        image: LoadedImage,
        probabilities: NDArray[np.float64],
        outputs: Outputs,
    ) -> Prediction:
        card = self.card
        evidence = None
        if outputs.evidence is not None and card.evidence_kind is not None:
            evidence = EvidenceMap(
                outputs.evidence[i].copy(),
                card.evidence_kind,
                card.labels,
                card.preprocessing.seen_region(image.size),
            )
        return prediction_of(
            card,
            self.operating_point,
            probabilities,
            None if outputs.affect is None else outputs.affect[i],
            path=printable_name(source) if isinstance(source, str | os.PathLike) else None,
            size=image.size,
            sha256=image.sha256,
            evidence=evidence,
            embedding=None if outputs.embedding is None else outputs.embedding[i].copy(),
            warnings=image.warnings,
            picture=image.picture,
        )

    def __repr__(self) -> str:
        return f"<evoca.Predictor {self.card.name} at {printable_name(self._bundle.path)}>"


def prediction_of(
    card: ModelCard,
    point: OperatingPoint,
    probabilities: NDArray[np.float64],
    affect: NDArray[np.float32] | None,
    **facts: Any,
) -> Prediction:
    """Return the prediction of what a model computed for one image.

    Args:
        card: of the model.
        point: that gave the probabilities.
        probabilities: (K,).
        affect: (2,), valence and arousal; ``None`` where the model has none.
        facts: the other fields of :class:`~evoca.prediction.Prediction`.
    """
    distribution = dict(zip(card.labels, (float(p) for p in probabilities), strict=True))
    intervals = card.affect_intervals
    return Prediction(
        probabilities=distribution,
        prediction_set=prediction_set(distribution, point.threshold),
        model=card.name,
        affect=None if affect is None else _pair(affect),
        affect_range=card.affect_range,
        affect_errors=None if intervals is None else (intervals.valence, intervals.arousal),
        affect_coverage=None if intervals is None else intervals.coverage,
        prior=point.prior,
        **facts,
    )


def _pair(values: NDArray[np.float32]) -> tuple[float, float]:
    valence, arousal = values.tolist()
    return valence, arousal


def _outcome(
    load: Callable[[ImageInput], LoadedImage], image: ImageInput
) -> LoadedImage | ImageError:
    try:
        return load(image)
    except ImageError as error:
        return error


def _in_batches(images: Iterable[ImageInput], size: int) -> Iterator[list[ImageInput]]:
    source = iter(images)
    while batch := list(islice(source, size)):
        yield batch
