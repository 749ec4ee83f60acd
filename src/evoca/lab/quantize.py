"""A bundle of float32 to one of int8, by calibrated quantisation after training."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from evoca.cards import render_card
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import BundleError, DataError
from evoca.images import printable_name
from evoca.lab.features.extract import load_pixels
from evoca.metrics.bootstrap import mean_figure
from evoca.metrics.result import Figure
from evoca.privacy import onnxruntime
from evoca.progress import Announce, silent
from evoca.runs import new_run
from evoca.runtime.bundle import Bundle, read_bundle
from evoca.runtime.card import FORMAT_VERSION, Metric, ModelCard, Quantisation
from evoca.runtime.engines import DEFAULT_ENGINE, open_engine
from evoca.runtime.fixture import copy_fixture
from evoca.runtime.operating_point import operating_point
from evoca.words import counted

__all__ = ["LEAST_AGREEMENT", "Method", "is_as_good", "quantize_bundle"]

LEAST_AGREEMENT = 0.98
"""The share of images that must keep their top emotion."""

Method: TypeAlias = Literal["percentile", "entropy", "minmax"]
"""How the range of a tensor is chosen from its values on the calibration images: the middle
99.99% of them, the range that loses least information, or all of them."""

_METHODS = {"percentile": "Percentile", "entropy": "Entropy", "minmax": "MinMax"}
_PERCENTILE = 99.99
# What a convolutional network consists of. The linear head stays in float32.
_OPERATORS = ["Conv", "Add", "Clip", "Relu", "MaxPool", "AveragePool", "Concat"]
_AT_ONCE = 8  # images whose values are in memory together, and in a batch

Pixels = NDArray[np.uint8]


def quantize_bundle(
    bundle: Bundle,
    data: LabelledImages,
    out: Path,
    *,
    method: Method = "entropy",
    images: int = 64,
    exact_layers: int = 3,
    data_name: str | None = None,
    announce: Announce = silent,
) -> Bundle:
    """Return a bundle whose network computes in int8, with what that changed in its card.

    Weights have a scale per channel, activations one per tensor, which ``images`` choose.
    The first convolutions stay in float32: in the bundled model the first of all costs more
    agreement than all others together (docs/results.md). ``docs/how-to/run-faster.md`` shows
    how it is used.

    Args:
        bundle: of float32.
        data: labelled images. Those of the split ``train`` calibrate, all where there are no
            splits; those of ``test`` are held out, or else the rest of the first.
        out: the new bundle's directory; appears only when it is complete.
        method: see :data:`Method`.
        images: how many calibrate, a multiple of 8, spread evenly.
        exact_layers: how many convolutions stay in float32.
        data_name: of the images, for the card; the last part of their path if omitted.
        announce: returns a callback for each part of the work.

    Raises:
        BundleError: it is quantised already, or has no convolution to quantise.
        DataError: other labels, or too few images.
        ImageError: an image cannot be read.
    """
    if bundle.card.quantisation is not None:
        raise BundleError(f"{printable_name(bundle.path)}: is quantised already")
    if data.labels != bundle.card.labels:
        raise DataError(f"{data.source}: its labels are not those of the model")
    calibrating, held_out = _divided(data, images)
    advance = announce("calibrating", len(calibrating))
    pixels = np.concatenate(list(_pixels(calibrating, bundle.card)))
    with new_run(out) as folder:
        file = folder / "model.onnx"
        _quantize(bundle, pixels, file, method, exact_layers)
        advance(len(calibrating))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        name = data_name or Path(data.source).name
        begun = _placeholder(method, name, calibrating, held_out, bundle.card)
        card = _named(bundle.card, digest, begun)
        measured = _measured(bundle, Bundle(folder, card), held_out, announce)
        card = card.model_copy(update={"quantisation": measured})
        copy_fixture(bundle, folder)
        (folder / "model.json").write_text(card.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / "README.md").write_text(render_card(card), "utf-8")
    return read_bundle(out)


def is_as_good(found: Quantisation) -> bool:
    """Return whether int8 may take the place of float32.

    At least :data:`LEAST_AGREEMENT` of the images keep their top emotion, and the negative
    log-likelihood is not worse by more than its interval.
    """
    return found.same_emotion.value >= LEAST_AGREEMENT and found.nll_change.ci95[0] <= 0


def _divided(data: LabelledImages, images: int) -> tuple[LabelledImages, LabelledImages]:
    """Return the images that calibrate, and those that are held out."""
    if images < _AT_ONCE or images % _AT_ONCE:
        raise DataError(f"{counted(images, 'image')} to calibrate: take a multiple of {_AT_ONCE}")
    pool = data.in_split("train") if (data.split != "").any() else data
    tested = data.in_split("test")
    if len(pool) < images:
        raise DataError(
            f"{data.source}: {counted(len(pool), 'image')} to calibrate with, {images} are needed"
        )
    chosen = np.linspace(0, len(pool) - 1, images).round().astype(np.int64)
    rest = np.setdiff1d(np.arange(len(pool)), chosen)
    held_out = (tested if len(tested) else pool.take(rest)).with_truth()
    if not len(held_out):
        raise DataError(f"{data.source}: no labelled image is held out to measure with")
    return pool.take(chosen), held_out


def _pixels(data: LabelledImages, card: ModelCard) -> Iterator[Pixels]:
    return load_pixels(data.paths, card.preprocessing, batch_size=_AT_ONCE)


def _quantize(bundle: Bundle, pixels: Pixels, out: Path, method: Method, exact_layers: int) -> None:
    onnxruntime()
    library: Any = importlib.import_module("onnxruntime.quantization")
    graph = onnx.load_from_string(bundle.onnx_bytes()).graph
    with tempfile.TemporaryDirectory(prefix="evoca-") as folder, _silenced():
        source = Path(folder) / "model.onnx"
        source.write_bytes(bundle.onnx_bytes())
        library.quantize_static(
            str(source),
            str(out),
            _reader(library, pixels),
            quant_format=library.QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            activation_type=library.QuantType.QUInt8,
            weight_type=library.QuantType.QInt8,
            calibrate_method=getattr(library.CalibrationMethod, _METHODS[method]),
            nodes_to_exclude=_in_float(graph, exact_layers, bundle),
            extra_options={"CalibStridedMinMax": _AT_ONCE, "CalibPercentile": _PERCENTILE},
        )


def _in_float(graph: Any, exact_layers: int, bundle: Bundle) -> list[str]:
    """Return the nodes that stay in float32: the first layers, and what makes the outputs."""
    nodes = list(graph.node)
    ends = {output.name for output in graph.output}
    inner = [node for node in nodes if node.op_type == "Conv" and not ends & set(node.output)]
    if len(inner) <= exact_layers:
        raise BundleError(
            f"{printable_name(bundle.path)}: {len(inner)} convolutions, of which {exact_layers} "
            "are to stay in float32: nothing is left to quantise"
        )
    first = nodes[: nodes.index(inner[exact_layers])]
    last = [node for node in nodes if ends & set(node.output)]
    return [node.name for node in (*first, *last)]


def _reader(library: Any, pixels: Pixels) -> Any:
    class Reader(library.CalibrationDataReader):  # type: ignore[misc]
        """The images one by one, from one place to another."""

        def __init__(self) -> None:
            self.set_range(0, len(pixels))

        def __len__(self) -> int:
            return len(pixels)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._places = iter(range(start_index, end_index))

        def get_next(self) -> dict[str, Pixels] | None:
            place = next(self._places, None)
            return None if place is None else {"image": pixels[place : place + 1]}

    return Reader()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep the library's prints, and its advice to the root logger, from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _named(card: ModelCard, digest: str, quantisation: Quantisation) -> ModelCard:
    return card.model_copy(
        update={
            "format_version": FORMAT_VERSION,
            "name": f"{card.name[:95]}-int8",
            "sha256": digest,
            "quantisation": quantisation,
        }
    )


def _placeholder(
    method: Method,
    name: str,
    calibrating: LabelledImages,
    held_out: LabelledImages,
    card: ModelCard,
) -> Quantisation:
    """Return what is known of a quantisation before it is measured."""
    learnt = set(card.training_images)
    unknown = Metric(value=0.0, ci95=(0.0, 0.0))
    return Quantisation(
        method=f"percentile {_PERCENTILE:g}" if method == "percentile" else method,
        calibration=name,
        calibration_images=len(calibrating),
        images=len(held_out),
        seen=sum(digest[:16] in learnt for digest in held_out.file_hashes()),
        same_emotion=unknown,
        nll_change=unknown,
    )


def _measured(
    exact: Bundle, quantised: Bundle, data: LabelledImages, announce: Announce
) -> Quantisation:
    """Return a quantisation with what it changed on held-out images."""
    advance = announce("comparing", len(data))
    engines = [open_engine(DEFAULT_ENGINE, one) for one in (exact, quantised)]
    logits: list[list[NDArray[np.float32]]] = [[], []]
    for batch in _pixels(data, exact.card):
        for found, engine in zip(logits, engines, strict=True):
            found.append(engine.run(batch).logits)
        advance(len(batch))
    point = operating_point(exact.card, None)
    before, after = (point.probabilities(np.concatenate(found)) for found in logits)
    rows = np.arange(len(data)), data.truth
    change = np.log(before[rows]) - np.log(after[rows])
    same = (before.argmax(1) == after.argmax(1)).astype(np.float64)
    known = quantised.card.quantisation
    assert known is not None
    groups = data.group_names()
    return known.model_copy(
        update={
            "same_emotion": _metric(mean_figure(same, groups, share=True)),
            "nll_change": _metric(mean_figure(change, groups)),
        }
    )


def _metric(figure: Figure) -> Metric:
    return Metric(value=figure.value, ci95=figure.ci95)
