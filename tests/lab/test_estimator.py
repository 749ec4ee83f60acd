"""The estimator, held against scikit-learn's own checks and used as its users do."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import evoca

sklearn = pytest.importorskip("sklearn", reason="needs the extra eval")
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from evoca.lab.heads.logistic import standardised  # noqa: E402

# None fails. The check of array API inputs skips itself, as it does for most of scikit-learn.
EXPECTED_FAILED_CHECKS: dict[str, str] = {}
LABELS = ["awe", "fear", "awe", "fear", "awe", "fear"]


@parametrize_with_checks(
    [evoca.EmotionClassifier(), evoca.EmotionClassifier(C=100.0, tol=1e-10)],
    expected_failed_checks=lambda _: EXPECTED_FAILED_CHECKS,
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def photos(examples):
    return sorted(str(path) for path in examples.glob("*.jpg"))


@pytest.fixture(scope="module")
def embedded(photos):
    return evoca.load().embed(photos)


@pytest.fixture(scope="module")
def fitted(photos):
    return evoca.EmotionClassifier().fit(photos, LABELS)


@pytest.fixture(scope="module")
def drawn():
    """120 rows of 12 features, three classes that overlap, and distributions over them."""
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 3, 120)
    features = generator.normal(size=(120, 12)) + 1.5 * np.eye(3, 12)[codes]
    shares = generator.dirichlet(np.ones(3), 120) * 0.5 + 0.5 * np.eye(3)[codes]
    return features, np.array(["awe", "fear", "sadness"])[codes], shares


def test_images_and_their_features_are_the_same(fitted, photos, embedded):
    from_features = evoca.EmotionClassifier().fit(embedded, LABELS)
    expected = from_features.predict_proba(embedded)
    assert fitted.predict_proba(photos) == pytest.approx(expected, abs=1e-5)
    assert from_features.predict_proba(photos) == pytest.approx(expected, abs=1e-5)
    assert fitted.predict_proba(embedded) == pytest.approx(expected, abs=1e-5)
    assert fitted.classes_.tolist() == ["awe", "fear"]
    assert fitted.score(photos, LABELS) == 1.0


@pytest.mark.parametrize("kind", ["pictures", "arrays", "one array", "object array", "series"])
def test_images_of_every_kind(fitted, photos, kind):
    pandas = pytest.importorskip("pandas")
    pictures = [Image.open(path).convert("RGB") for path in photos[:2]]
    small = [np.asarray(picture.resize((64, 64))) for picture in pictures]
    kinds = {
        "pictures": pictures,
        "arrays": [np.asarray(picture) for picture in pictures],
        "one array": np.stack(small),
        "object array": np.array(photos[:2], dtype=object),
        "series": pandas.Series(photos[:2]),
    }
    found = fitted.predict(kinds[kind])
    assert found.shape == (2,)
    if kind in ("object array", "series"):
        assert found.tolist() == LABELS[:2]


def test_it_works_in_a_pipeline_and_in_searches(photos, drawn):
    features, labels, _ = drawn
    steps = make_pipeline(StandardScaler(), evoca.EmotionClassifier())
    assert cross_val_score(steps, features, labels, cv=3).mean() > 0.6
    search = GridSearchCV(evoca.EmotionClassifier(), {"C": [1e-6, 0.1]}, cv=3)
    search.fit(features, labels)
    assert search.best_params_ == {"C": 0.1}
    assert search.predict_proba(features).sum(axis=1) == pytest.approx(1)
    # The pictures pass a step that leaves them as they are, and folds take lists apart.
    images = make_pipeline(FunctionTransformer(), evoca.EmotionClassifier())
    assert cross_val_score(images, photos, LABELS, cv=2).shape == (2,)


def test_the_fit_is_that_of_scikit_learn(drawn):
    features, labels, _ = drawn
    ours = evoca.EmotionClassifier(C=0.05, tol=1e-10).fit(features, labels)
    scaled, *_ = standardised(features)
    theirs = LogisticRegression(C=0.05, tol=1e-10, max_iter=1000).fit(scaled, labels)
    expected = theirs.predict_proba(scaled)
    assert ours.predict_proba(features) == pytest.approx(expected, abs=1e-6)


def test_distributions_minimise_their_cross_entropy(drawn):
    pandas = pytest.importorskip("pandas")
    features, labels, shares = drawn
    c = 0.05
    ours = evoca.EmotionClassifier(C=c, tol=1e-10, labels=["awe", "fear", "sadness"])
    ours.fit(features, shares)
    # At the minimum the gradient of the penalised cross-entropy vanishes.
    scaled, _, spread = standardised(features)
    residual = ours.predict_proba(features) - shares
    gradient = c * residual.T @ scaled + ours.coef_ * spread
    assert np.abs(gradient).max() < 1e-5
    assert np.abs(residual.sum(axis=0)).max() < 1e-4
    frame = pandas.DataFrame(shares, columns=["p_awe", "p_fear", "p_sadness"])
    named = evoca.EmotionClassifier(C=c, tol=1e-10).fit(features, frame)
    assert named.classes_.tolist() == ["awe", "fear", "sadness"]
    assert named.coef_ == pytest.approx(ours.coef_)
    assert named.score(features, shares) == named.score(features, labels)
    # A fold may lack a class, and a frame may have its columns in another order.
    assert named.score(features[:1], frame[:1][["p_sadness", "p_awe", "p_fear"]]) == named.score(
        features[:1], shares[:1]
    )
    certain = evoca.EmotionClassifier(C=c, tol=1e-10).fit(features, np.eye(8)[np.arange(120) % 8])
    hard = np.array([str(emotion) for emotion in evoca.Emotion])[np.arange(120) % 8]
    again = evoca.EmotionClassifier(C=c, tol=1e-10).fit(features, hard)
    assert certain.classes_.tolist() == again.classes_.tolist()
    assert certain.coef_ == pytest.approx(again.coef_, abs=1e-6)


def test_it_is_pickled_without_its_model(fitted, photos):
    content = pickle.dumps(fitted)
    assert len(content) < 100_000
    again = pickle.loads(content)
    assert again.predict(photos).tolist() == fitted.predict(photos).tolist()
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "coef_")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, x: f.predict(x[0]), "a list of images"),
        (lambda f, x: f.predict([x[0], "gone.jpg"]), "gone.jpg: no such file"),
        (lambda f, x: f.predict(np.zeros((2, 5))), "expecting 2136 features"),
        (lambda f, x: clone(f).fit(x, ["awe"] * 6), "one class: awe"),
        (lambda f, x: clone(f).fit(x, ["awe"]), "inconsistent numbers"),
        (lambda f, x: clone(f).fit(x, np.full((6, 8), 0.2)), "row 0 is no distribution"),
        (lambda f, x: clone(f).fit(x, np.eye(8)[:6]), "no row has a share of fear, sadness"),
    ],
)
def test_what_cannot_be_meant_is_refused(fitted, photos, call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted, photos)


def test_images_for_the_features_of_another_model_are_refused(fitted, photos):
    other = pickle.loads(pickle.dumps(fitted))
    other.embedding_of_ = "0" * 64
    with pytest.raises(ValueError, match="another model"):
        other.predict(photos)


def test_it_needs_no_pytorch_and_says_what_it_needs():
    script = (
        "import sys, evoca; evoca.EmotionClassifier;"
        "assert not {'torch', 'timm'} & set(sys.modules);"
        "[sys.modules.pop(n) for n in list(sys.modules) if n.startswith('evoca.lab')];"
        "[sys.modules.pop(n) for n in list(sys.modules) if n.startswith('sklearn')];"
        "sys.modules['sklearn'] = None; evoca.EmotionClassifier"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert "evoca.EmotionClassifier needs the package scikit-learn: install it" in last
