"""An estimator of scikit-learn: images or features in, emotions out. It needs no PyTorch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.emotions import MIKELS8
from evoca.errors import ImageError, needs_extra
from evoca.runtime.predictor import Predictor, load
from evoca.softmax import softmax

with needs_extra("eval", "evoca.EmotionClassifier"):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )

    from evoca.lab.heads.logistic import fit_logistic_path

__all__ = ["EmotionClassifier"]

Floats = NDArray[np.float64]

_ONE_IMAGE = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)
_SUMS_TO_1 = 1e-3


class EmotionClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A regularised logistic regression on the features of a model, as scikit-learn expects it.

    ``X`` is a list (or one-dimensional array, or column of a data frame) of images: paths, bytes,
    PIL images, arrays; an array (N, H, W, 3); or the features themselves, an array (N, D) such
    as ``evoca embed`` or :meth:`evoca.Predictor.embed` gives. Features are computed anew at each
    call: where a search or a cross-validation reads the same images many times, compute them once.

    Args:
        model: a bundle directory, or the name of a bundled model, whose embedding images get;
            the default if omitted. Features that are given need none.
        C: inverse L2 penalty, on standardised features whose mean squared norm is 100.
        standardise: whether every feature counts alike; else by its own scale.
        labels: names of the columns of ``y`` where it is an array of distributions; those of
            a data frame, else the eight emotions if there are eight, if omitted.
        tol: gradient at which the fit stops.
        batch_size: images in one run of the model; what suits the engine if ``None``.

    Attributes:
        classes_: (K,), the labels in the order of every distribution.
        coef_: float64 (K, D).
        intercept_: float64 (K,).
        n_features_in_: D.
        embedding_of_: SHA-256 of the model whose embedding the images got; ``None`` where
            features were given.

    >>> import evoca
    >>> photos = [f"examples/{name}.jpg" for name in ("china", "rocket", "flower", "coffee")]
    >>> features = evoca.load().embed(photos)
    >>> classifier = evoca.EmotionClassifier(C=1.0)
    >>> classifier = classifier.fit(features, ["awe", "awe", "contentment", "contentment"])
    >>> classifier.predict(["examples/china.jpg", "examples/flower.jpg"]).tolist()
    ['awe', 'contentment']
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        C: float = 0.025,  # noqa: N803 - scikit-learn's name
        standardise: bool = True,
        labels: Sequence[str] | None = None,
        tol: float = 1e-4,
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.C = C
        self.standardise = standardise
        self.labels = labels
        self.tol = tol
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EmotionClassifier:  # noqa: N803
        """Return itself, fitted.

        Args:
            X: N images or features.
            y: N labels; or distributions, an array (N, K) or a data frame whose columns are the
                labels (or ``p_<label>``), of which the cross-entropy is minimised.
            sample_weight: (N,), how often each image counts; once if omitted.

        Raises:
            ImageError: an image cannot be read.
            ValueError: features that are no numbers or not finite, fewer than two labels,
                rows that are no distributions, or another number of labels than of images.
        """
        features = self._features(X, reset=True)
        check_consistent_length(features, y)
        classes, truth = _targets(y, self.labels)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, features, ensure_non_negative=True)
        path = fit_logistic_path(
            features,
            truth,
            [self.C],
            standardise=self.standardise,
            weights=weights,
            tol=self.tol,
        )
        layer = next(iter(path))
        self.classes_, self.coef_, self.intercept_ = classes, layer.weight, layer.bias
        return self

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """Return the distribution of each image, float64 (N, K), in the order of ``classes_``.

        Args:
            X: N images or features.

        Raises:
            ImageError: an image cannot be read.
            ValueError: another number of features, or images for the features of another model.
        """
        check_is_fitted(self)
        logits = self._features(X, reset=False) @ self.coef_.T + self.intercept_
        return softmax(logits)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the likeliest label of each image, (N,); raises as :meth:`predict_proba` does."""
        likeliest: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803
        """Return the share of images whose likeliest label is right, 0..1.

        Args:
            X: N images or features.
            y: N labels, or distributions, whose likeliest label is then the right one.
            sample_weight: (N,), how often each image counts; once if omitted.
        """
        if _is_distribution(y):
            names, shares = _distributions(
                y, None if hasattr(y, "columns") else list(self.classes_)
            )
            y = names[shares.argmax(axis=1)]
        return float(super().score(X, y, sample_weight))

    def _features(self, X: Any, *, reset: bool) -> Floats:  # noqa: N803
        """Return features (N, D); of images, the embedding of the model."""
        images = _images_of(X)
        if images is None:
            if reset:
                self.embedding_of_ = None
            found = validate_data(self, X, dtype=(np.float64, np.float32), reset=reset)
            return np.asarray(found)
        predictor = self._predictor()
        sha256 = predictor.card.sha256
        if reset:
            self.embedding_of_ = sha256
        elif self.embedding_of_ not in (None, sha256):
            raise ValueError(
                f"fitted on the embedding of another model than {predictor.card.name}: name that "
                "one as model"
            )
        return np.asarray(
            validate_data(self, self._embedded(predictor, images), reset=reset), dtype=np.float64
        )

    def _embedded(self, predictor: Predictor, images: list[Any]) -> NDArray[np.float32]:
        rows = []
        for predicted in predictor.stream(images, batch_size=self.batch_size):
            if isinstance(predicted, ImageError):
                raise predicted
            if predicted.embedding is None:
                raise ValueError(f"the model {predictor.card.name} has no embedding")
            rows.append(predicted.embedding)
        return np.stack(rows)

    def _predictor(self) -> Predictor:
        model = None if self.model is None else os.fspath(self.model)
        return _loaded(model, os.environ.get("EVOCA_MODEL"))


@lru_cache(maxsize=2)
def _loaded(model: str | None, _chosen: str | None) -> Predictor:
    """Return a model, loaded once for all clones of an estimator, which are pickled without it."""
    return load(model)


def _images_of(X: Any) -> list[Any] | None:  # noqa: N803
    """Return images as a list; ``None`` where there are numbers."""
    if isinstance(X, _ONE_IMAGE):
        raise ValueError("give a list of images, not one alone")
    if isinstance(X, np.ndarray) and X.ndim == 4:
        return list(X)
    if not isinstance(X, list | tuple):
        if len(getattr(X, "shape", ())) != 1 or not hasattr(X, "__array__"):
            return None
        X = np.asarray(X).tolist()  # noqa: N806 - a column of paths
    first = X[0] if len(X) else None
    is_picture = isinstance(first, np.ndarray) and first.ndim > 1
    return list(X) if is_picture or isinstance(first, _ONE_IMAGE) else None


def _is_distribution(y: Any) -> bool:
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def _targets(y: Any, labels: Sequence[str] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the classes (K,), and the class of each row (N,) or its distribution (N, K)."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if _is_distribution(y):
        names, shares = _distributions(y, labels)
        absent = names[shares.sum(axis=0) == 0]
        if len(absent):
            raise ValueError(f"no row has a share of {', '.join(map(str, absent))}: leave it out")
        return names, shares
    column = column_or_1d(y, warn=True)
    check_classification_targets(column)
    classes, codes = np.unique(column, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"two classes or more are needed, and there is one class: {classes[0]}")
    return classes, codes


def _distributions(y: Any, labels: Sequence[str] | None) -> tuple[NDArray[Any], Floats]:
    """Return the labels of distributions, and the distributions, each of sum 1."""
    shares = np.asarray(y, dtype=np.float64)
    names = labels
    if names is None and hasattr(y, "columns"):
        names = [str(name).removeprefix("p_") for name in y.columns]
    if names is None:
        names = [str(e) for e in MIKELS8] if shares.shape[1] == len(MIKELS8) else None
    classes = np.arange(shares.shape[1]) if names is None else np.asarray(names)
    if len(classes) != shares.shape[1]:
        raise ValueError(f"y has {shares.shape[1]} columns, and there are {len(classes)} labels")
    sums = shares.sum(axis=1)
    bad = ~((shares >= 0).all(axis=1) & (np.abs(sums - 1) <= _SUMS_TO_1))
    if bad.any():
        raise ValueError(
            f"y: row {int(bad.argmax())} is no distribution: shares of 0 or more that sum to 1"
        )
    return classes, shares / sums[:, None]
