"""Runs beside each other: known differences, other orders, and what cannot be compared."""

import numpy as np
import pytest

from evoca.errors import DataError
from evoca.metrics import Affect
from evoca.metrics.significance import compare_affect, compare_predictions, mcnemar
from evoca.runs import Predictions, read_run, write_json, write_predictions
from evoca.runs.comparison import compare_runs
from evoca.runs.shared_images import common_images

LABELS = ("awe", "fear", "sadness")
N = 90


def scores(skill, repeats=1, seed=0):
    """Predictions that know the truth to a degree."""
    random = np.random.default_rng(seed)
    truth = np.arange(N) % 3
    logits = random.normal(size=(repeats, N, 3)) + skill * np.eye(3)[truth]
    p = np.exp(logits)
    return p / p.sum(axis=2, keepdims=True)


@pytest.fixture
def make(tmp_path):
    """Write a run and read it back."""

    def write(name, p, rows=None, kind="cross-validation", **changes):
        rows = np.arange(N) if rows is None else rows
        known = {
            "images": tuple(f"{i}.jpg" for i in rows),
            "groups": ("",) * len(rows),
            "truth": rows % 3,
            "labels": LABELS,
            "probabilities": p[:, rows],
            "fold": np.full((len(p), len(rows)), -1),
        }
        folder = tmp_path / name
        folder.mkdir()
        description = {"run_version": 1, "kind": kind, "labels": changes.get("labels", LABELS)}
        write_json(folder / "run.json", description)
        write_predictions(folder / "predictions.csv", Predictions(**{**known, **changes}))
        return read_run(folder)

    return write


def by_name(comparison):
    return {run.name: run for run in comparison.runs}


def test_a_table_has_the_figures_of_the_functions(make):
    weak, strong = scores(0.5), scores(2.5, seed=1)
    found = compare_runs([make("weak", weak), make("strong", strong)], draws=300)
    assert [run.name for run in found.runs] == ["strong", "weak"]
    assert (found.reference, found.n, found.groups) == ("weak", N, N)
    truth = np.arange(N) % 3
    expected = compare_predictions(truth, weak, strong, LABELS, draws=300)["accuracy"]
    run = by_name(found)["strong"]
    assert run.difference == expected
    assert run.p_holm == run.difference.p < 0.01
    hits = [p[0].argmax(axis=1) == truth for p in (weak, strong)]
    assert run.mcnemar == pytest.approx(mcnemar(*hits))


def test_the_order_of_images_and_labels_does_not_matter(make):
    p = scores(1.0)
    shuffled = np.random.default_rng(3).permutation(N)
    turned = make(
        "turned",
        p,
        shuffled,
        labels=LABELS[::-1],
        truth=2 - shuffled % 3,
        probabilities=p[:, shuffled][..., ::-1],
    )
    found = compare_runs([make("straight", p), turned], draws=50)
    assert by_name(found)["turned"].difference.value == 0
    assert by_name(found)["turned"].p_holm == 1


def test_other_numbers_of_repeats_are_compared_mean_against_mean(make):
    two, three = scores(0.5, 2), scores(1.5, 3, seed=1)
    found = compare_runs([make("two", two), make("three", three)], draws=50)
    hits = [(p.argmax(axis=2) == np.arange(N) % 3).mean() for p in (two, three)]
    assert by_name(found)["three"].difference.value == pytest.approx(hits[1] - hits[0])
    assert not any("one seed only" in note for note in found.notes)


def test_one_seed_is_said(make):
    found = compare_runs([make("a", scores(1)), make("b", scores(1, 2, seed=2))], draws=20)
    assert [note.split()[0] for note in found.notes if "one seed only" in note] == ["a:"]


def test_three_runs_are_corrected_for_two_comparisons(make):
    runs = [
        make(name, scores(skill, seed=i))
        for i, (name, skill) in enumerate([("a", 0.3), ("b", 0.9), ("c", 1.0)])
    ]
    found = by_name(compare_runs(runs, draws=200))
    p = sorted([found["b"].difference.p, found["c"].difference.p])
    assert min(found["b"].p_holm, found["c"].p_holm) == pytest.approx(min(1, 2 * p[0]))
    best = compare_runs(runs, against="best", draws=20)
    assert best.reference == best.runs[0].name
    assert all(run.difference.value <= 0 for run in best.runs[1:])


@pytest.mark.parametrize(("metric", "better"), [("nll", "strong"), ("ece", None), ("kl", "strong")])
def test_figures_of_every_kind(make, metric, better):
    votes = np.eye(3)[np.arange(N) % 3] * 0.8 + 0.2 / 3
    runs = [
        make("weak", scores(0.2), distribution=votes),
        make("strong", scores(2.0, seed=1), distribution=votes),
    ]
    found = compare_runs(runs, metric, draws=100)
    assert found.to_dict()["lower_is_better"]
    if better:
        assert found.runs[0].name == better
        assert by_name(found)["strong"].p_holm < 0.05


def test_only_shared_images_count_and_groups_are_joined(make):
    first = make("first", scores(1), np.arange(60), groups=tuple("ab" * 30))
    other = make("other", scores(1, seed=1), np.arange(40, 90))
    common = common_images([first, other])
    assert common.images == tuple(f"{i}.jpg" for i in range(40, 60))
    assert len(set(common.groups.tolist())) == 2
    assert [note.split(":")[0] for note in common.notes] == ["first", "other"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": tuple(f"x{i}.jpg" for i in range(N))}, "share no image"),
        (
            {"truth": (np.arange(N) + (np.arange(N) == 4)) % 3},
            r"rows 4 \(4.jpg\); the first is fear",
        ),
        ({"labels": ("awe", "fear", "joy")}, "other predicts awe, fear, joy, but first"),
    ],
)
def test_what_cannot_be_compared_says_why(make, change, message):
    message = message.replace("rows 4", "row 4")
    runs = [make("first", scores(1)), make("other", scores(1), **change)]
    with pytest.raises(DataError, match=message):
        compare_runs(runs, draws=10)


def test_wrong_use(make):
    run = make("a", scores(1))
    with pytest.raises(DataError, match="at least two runs"):
        compare_runs([run])
    with pytest.raises(DataError, match="the same run is named twice"):
        compare_runs([run, run])
    with pytest.raises(DataError, match="no figure 'speed' can be compared here; known are acc"):
        compare_runs([run, make("b", scores(1))], "speed", draws=10)


RATED = np.random.default_rng(5).uniform(1, 7, (N, 2))


def felt(noise, repeats=1, seed=7):
    return RATED + noise * np.random.default_rng(seed).normal(size=(repeats, N, 2))


def test_ratings_are_compared_too(make):
    far, near = felt(1.5), felt(0.5, repeats=2, seed=8)
    runs = [
        make("far", scores(1.0), rated=RATED, predicted_affect=far),
        make("near", scores(1.0, repeats=2), rated=RATED, predicted_affect=near),
    ]
    for metric, sign in (("ccc", 1), ("pearson", 1), ("mae", -1), ("mae_valence", -1)):
        found = compare_runs(runs, metric, draws=100)
        assert [run.name for run in found.runs] == ["near", "far"]
        run = by_name(found)["near"]
        assert sign * run.difference.value > 0
        assert run.p_holm < 0.05
        assert run.mcnemar is None
    gap = by_name(compare_runs(runs, "mae_arousal", draws=50))["near"].difference
    error = np.abs(near - RATED).mean(axis=0)[:, 1] - np.abs(far - RATED)[0, :, 1]
    assert gap.value == pytest.approx(error.mean(), abs=1e-6)


def test_the_correlations_of_a_comparison_are_those_of_numpy():
    far, near = felt(1.5), felt(0.5, seed=8)
    found = compare_affect(Affect(RATED, far), Affect(RATED, near), draws=50)

    def pearson(predicted, i):
        return np.corrcoef(RATED[:, i], predicted[0, :, i])[0, 1]

    each = [pearson(near, i) - pearson(far, i) for i in range(2)]
    assert found["pearson_valence"].value == pytest.approx(each[0])
    assert found["pearson"].value == pytest.approx(np.mean(each))
    same = compare_affect(Affect(RATED, far), Affect(RATED, far), draws=50)
    assert (same["ccc"].value, same["ccc"].p) == (0, 1)


def test_other_ratings_of_an_image_are_named(make):
    p, other = scores(1.0), RATED.copy()
    other[3] += 1
    runs = [
        make(name, p, rated=r, predicted_affect=felt(1)) for name, r in (("a", RATED), ("b", other))
    ]
    with pytest.raises(DataError, match=r"disagree about the ratings of 1 image: row 3 \(3.jpg"):
        compare_runs(runs, "ccc", draws=10)


def test_a_scale_without_ratings_is_left_out(make):
    p, rated = scores(1.0), RATED.copy()
    rated[:, 1] = np.nan
    runs = [
        make(name, p, rated=rated, predicted_affect=felt(n)) for name, n in (("a", 1), ("b", 2))
    ]
    assert compare_runs(runs, "ccc", draws=10).n == N
    with pytest.raises(DataError, match="no figure 'ccc_arousal'"):
        compare_runs(runs, "ccc_arousal", draws=10)
