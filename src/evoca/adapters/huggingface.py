"""The output and the call of ``pipeline("image-classification")`` of transformers."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Iterator
from typing import Any, TypedDict

from evoca.errors import ImageError, needs_extra
from evoca.images.addresses import is_address
from evoca.images.sources import ONE_IMAGE, ImageInput
from evoca.prediction import Prediction
from evoca.runtime.predictor import Predictor, load

__all__ = [
    "TASK",
    "TOP_K",
    "ImageClassificationPipeline",
    "LabelScore",
    "labels_and_scores",
    "pipeline",
]

TASK = "image-classification"
"""The only task."""
TOP_K = 5
"""How many labels a pipeline of transformers returns where nothing else is asked for."""

_CPU = (None, -1, "cpu")


class LabelScore(TypedDict):
    """A label and its probability, 0..1."""

    label: str
    score: float


def labels_and_scores(predicted: Prediction | ImageError, top_k: int = TOP_K) -> list[LabelScore]:
    """Return the likeliest labels with their probabilities, the likeliest first.

    Args:
        predicted: a prediction; an error gives an empty list, so that places are kept.
        top_k: how many labels; all where there are fewer.

    Raises:
        ValueError: fewer than one.

    >>> import evoca
    >>> found = labels_and_scores(evoca.load().predict("examples/china.jpg"), top_k=2)
    >>> {one["label"]: round(one["score"], 1) for one in found}
    {'amusement': 0.6, 'awe': 0.4}
    """
    _require_top_k(top_k)
    if isinstance(predicted, ImageError):
        return []
    return [{"label": label, "score": p} for label, p in predicted.ranked()[:top_k]]


def pipeline(
    task: str = TASK,
    model: str | os.PathLike[str] | Predictor | None = None,
    *,
    top_k: int = TOP_K,
    function_to_apply: str | None = None,
    batch_size: int | None = None,
    device: int | str | None = None,
    **options: Any,
) -> ImageClassificationPipeline:
    """Return an object that is called like transformers' ``pipeline("image-classification")``.

    Args:
        task: ``image-classification``.
        model: a bundle directory, the name of a bundled model, or a loaded model; the default
            if omitted.
        top_k: labels per image; all where there are fewer.
        function_to_apply: ``softmax`` or ``default``, which are the same: the scores are
            the model's calibrated probabilities. Others would undo that.
        batch_size: images in one run of the model; what suits the engine if omitted.
        device: ``cpu``, -1 or nothing; for a GPU give ``engine="onnxruntime-cuda"``.
        options: of :func:`evoca.load`, such as ``engine`` and ``prior``.

    Raises:
        BundleError: no such model.
        ValueError: another task or function, another device, or fewer than one label.

    >>> import evoca
    >>> pipe = evoca.pipeline("image-classification", top_k=1)
    >>> (china,), (chelsea,) = pipe(["examples/china.jpg", "examples/chelsea.jpg"])
    >>> china["label"], chelsea["label"]
    ('amusement', 'contentment')
    """
    if task != TASK:
        raise ValueError(f"task {task!r}: a model of Evoca does {TASK} alone")
    if device not in _CPU and str(device) != "cpu":  # torch.device("cpu") has that name
        raise ValueError(f'device {device!r}: for a GPU give engine="onnxruntime-cuda"')
    predictor = model if isinstance(model, Predictor) else load(model, **options)
    return ImageClassificationPipeline(
        predictor, top_k=top_k, function_to_apply=function_to_apply, batch_size=batch_size
    )


class ImageClassificationPipeline:
    """A model, called as a pipeline of transformers is.

    Attributes:
        task: ``image-classification``.
        predictor: the model.
    """

    task = TASK

    def __init__(
        self,
        predictor: Predictor,
        *,
        top_k: int = TOP_K,
        function_to_apply: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        """Wrap a loaded model; prefer :func:`pipeline`."""
        _require_top_k(top_k)
        _require_softmax(function_to_apply)
        self.predictor = predictor
        self._top_k, self._batch_size = top_k, batch_size

    def __call__(
        self,
        inputs: Any,
        *,
        top_k: int | None = None,
        function_to_apply: str | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Return the labels and scores of one image, or of each of several.

        Args:
            inputs: a path, an address (``https://...``; extra ``data``), a text
                ``data:image/...;base64,...``, a PIL image, an array or bytes; a list of
                them; or anything else to iterate over, such as a generator or a data set.
            top_k: labels per image; that of the pipeline if omitted.
            function_to_apply: see :func:`pipeline`.
            batch_size: images in one run of the model; that of the pipeline if omitted.

        Returns:
            ``[{"label": ..., "score": ...}, ...]`` for one image, the likeliest first; a list of
            such lists for a list; an iterator over them for anything else.

        Raises:
            ImageError: an image cannot be read or fetched.
            ValueError: another function, or fewer than one label.
        """
        _require_softmax(function_to_apply)
        wanted = self._top_k if top_k is None else top_k
        _require_top_k(wanted)
        size = self._batch_size if batch_size is None else batch_size
        if isinstance(inputs, ONE_IMAGE):
            return next(self._stream([inputs], wanted, size))
        found = self._stream(inputs, wanted, size)
        return list(found) if isinstance(inputs, list | tuple) else found

    def _stream(
        self, inputs: Iterable[Any], top_k: int, batch_size: int | None
    ) -> Iterator[list[LabelScore]]:
        for predicted in self.predictor.stream(map(self._readable, inputs), batch_size=batch_size):
            if isinstance(predicted, ImageError):
                raise predicted
            yield labels_and_scores(predicted, top_k)

    def _readable(self, image: Any) -> ImageInput:
        """Return an input as the predictor takes it: addresses fetched, base64 decoded."""
        if isinstance(image, str) and image.startswith("data:image/"):
            try:
                return base64.b64decode(image.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise ImageError(f"not base64: {error}", image[:40]) from error
        if isinstance(image, str) and is_address(image):
            with needs_extra("data", "an image by its address"):
                from evoca.data.download.single import fetch_image
            size = self.predictor.card.preprocessing.decode_size
            return fetch_image(image, min_size=size).decoded.image
        return image  # type: ignore[no-any-return]


def _require_top_k(top_k: int) -> None:
    if top_k < 1:
        raise ValueError(f"top_k must be 1 or more, not {top_k}")


def _require_softmax(function: str | None) -> None:
    name = "default" if function is None else str(getattr(function, "value", function)).lower()
    if name not in ("default", "softmax"):
        raise ValueError(
            f"function_to_apply {function!r}: scores are calibrated probabilities, which softmax "
            "gives; leave it out"
        )
