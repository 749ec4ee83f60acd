"""What a step learns from several sources: targets, and the loss of sums."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
import torch

from evoca.data.manifest.labelled import load_labelled
from evoca.data.sources import join_sources
from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.lab.config.recipe import Sources
from evoca.lab.config.step import Step
from evoca.lab.training.lessons import lessons_of
from evoca.lab.training.losses import cross_entropy, smooth, sums_cross_entropy

STEP = Step(name="all", rate=1e-3, epochs=1)
RATED = Step(name="all", rate=1e-3, epochs=1, affect_weight=0.5)


@pytest.fixture
def joined(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("image,emotion\n" + "".join(f"{e}.jpg,{e}\n" for e in MIKELS8))
    six = tmp_path / "six.csv"
    six.write_text(
        "image,p_anger,p_disgust,p_fear,p_joy,p_sadness,p_surprise,p_neutral,valence,arousal,"
        "source,taxonomy\na.jpg,0.2,0,0,0.5,0,0.3,0,6,4,emotion6,ekman7\n"
    )
    return join_sources([load_labelled(f, require_files=False) for f in (labels, six)])


def test_with_single_labels_it_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(6, 4)), dtype=torch.float32)
    shares = torch.tensor(rng.dirichlet(np.ones(4), 6), dtype=torch.float32)
    for share in (0.0, 0.1):
        found = sums_cross_entropy(logits, shares, torch.eye(4), share)
        assert torch.allclose(found, cross_entropy(logits, smooth(shares, share)), atol=1e-5)


def test_a_set_has_the_sum_of_its_probabilities():
    logits = torch.randn(5, 4, requires_grad=True)
    matrix = torch.cat([torch.eye(4), torch.tensor([[1.0, 1, 0, 0]])])
    shares = torch.zeros(5, 5)
    shares[:, 4] = 0.6
    loss = sums_cross_entropy(logits, shares, matrix)
    wanted = -0.6 * logits.softmax(dim=1)[:, :2].sum(dim=1).log()
    assert torch.allclose(loss, wanted, atol=1e-6)
    loss.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_targets_hold_shares_by_weight_frequencies_and_ratings(joined):
    lessons = lessons_of(joined, RATED, Sources(weights=(0.5,)))
    targets = lessons.targets(joined)
    columns = len(joined.teaching.columns)
    assert targets.shape == (9, columns + 8 + 2)
    assert targets[:8, :columns].sum(axis=1) == pytest.approx(1)
    assert targets[8, :columns].sum() == pytest.approx(0.5 * 0.7)
    assert targets[:8, columns : columns + 8] == pytest.approx(0)
    assert np.isnan(targets[:8, -2:]).all()
    assert targets[8, -2:].tolist() == [6, 4]
    loss = lessons.criterion()
    predictions = torch.zeros(9, 10)
    predictions[:, 8] = 6
    found = loss(predictions, torch.from_numpy(targets))
    assert found[:8].tolist() == pytest.approx([np.log(8)] * 8)
    offsets = torch.from_numpy(targets[8, columns : columns + 8]).softmax(dim=0)
    names = [tuple(joined.labels[i] for i in c) for c in joined.teaching.columns]
    expected = -sum(
        share * np.log(sum(float(offsets[joined.labels.index(n)]) for n in name))
        for share, name in zip(targets[8, :columns].tolist(), names, strict=True)
        if share
    )
    assert float(found[8]) == pytest.approx(expected + 0.5 * (0**2 + 4**2) / 2, rel=1e-4)


def test_weights_that_are_not_chosen_are_refused(joined):
    with pytest.raises(DataError, match="takes one weight"):
        lessons_of(joined, STEP, Sources(weights=(0.3, 1.0)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": {"kind": "emd"}}, "the loss emd is not defined for sums of emotions"),
        ({"sampling": "weighted"}, "sampling: shuffle and without mixup"),
        ({"mixup": 0.2}, "sampling: shuffle and without mixup"),
    ],
)
def test_what_sums_do_not_allow_is_refused(joined, changed, message):
    step = Step.model_validate({"name": "all", "rate": 1e-3, "epochs": 1, **changed})
    with pytest.raises(DataError, match=message):
        lessons_of(joined, step, Sources(weights=(1.0,))).criterion()
