"""Each loss against an independent formula or implementation."""

import itertools

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
import torch
from pydantic import TypeAdapter
from scipy.optimize import linprog
from torch.nn import functional

from evoca.emotions import MIKELS8, MIKELS_WHEEL, POSITIVE, wheel_steps
from evoca.errors import EvocaError
from evoca.lab.config.step import Loss, Step
from evoca.lab.training import losses
from evoca.lab.training.losses import criterion, objective

LABELS = tuple(str(emotion) for emotion in MIKELS8)
COUNTS = (40, 10, 25, 44, 13, 24, 8, 23)


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 8, generator=draw, dtype=torch.float64)
    truth = torch.tensor([0, 3, 3, 7, 1, 6])
    soft = torch.softmax(2 * torch.randn(6, 8, generator=draw, dtype=torch.float64), dim=1)
    return logits, truth, functional.one_hot(truth, 8).double(), soft


def named(**content):
    return criterion(TypeAdapter(Loss).validate_python(content), LABELS, COUNTS)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(batch, smoothing):
    logits, truth, hard, soft = batch
    loss = named(kind="cross_entropy", smoothing=smoothing)
    for target, reference in ((hard, truth), (soft, soft)):
        expected = functional.cross_entropy(
            logits, reference, label_smoothing=smoothing, reduction="none"
        )
        torch.testing.assert_close(loss(logits, target), expected)


def test_divergence_is_torchs_and_zero_at_the_target(batch):
    logits, _, hard, soft = batch
    loss = named(kind="kl")
    expected = functional.kl_div(logits.log_softmax(1), soft, reduction="none").sum(1)
    torch.testing.assert_close(loss(logits, soft), expected)
    torch.testing.assert_close(loss(soft.log(), soft), torch.zeros(6, dtype=torch.float64))
    torch.testing.assert_close(loss(logits, hard), losses.cross_entropy(logits, hard))


def test_class_balanced_weighs_by_the_effective_number(batch):
    logits, truth, hard, _ = batch
    # The effective number as the sum of the series beta^0 + ... + beta^(n-1).
    effective = np.array([sum(0.99**j for j in range(n)) for n in COUNTS])
    weights = (1 / effective) * 8 / (1 / effective).sum()
    expected = functional.cross_entropy(
        logits, truth, weight=torch.tensor(weights), reduction="none"
    )
    torch.testing.assert_close(named(kind="class_balanced", beta=0.99)(logits, hard), expected)
    equal = named(kind="class_balanced", beta=0.0)
    torch.testing.assert_close(equal(logits, hard), losses.cross_entropy(logits, hard))


def test_logit_adjustment_is_a_softmax_weighted_by_the_prior(batch):
    logits, truth, hard, _ = batch
    prior = np.array(COUNTS) / sum(COUNTS)
    weighted = np.exp(logits.numpy()) * prior**1.5
    share = weighted / weighted.sum(axis=1, keepdims=True)
    expected = -np.log(share[np.arange(6), truth.numpy()])
    found = named(kind="logit_adjusted", tau=1.5)(logits, hard)
    np.testing.assert_allclose(found.numpy(), expected)


def test_multi_hot_marks_what_holds_and_is_binary_cross_entropy(batch):
    logits, *_ = batch
    shares = torch.tensor(
        [[0.25, 0.25, 0.5, 0, 0, 0, 0, 0], [0.2, 0.15, 0.2] + [0.09] * 5]
    ).double()
    marks = losses.multi_hot(shares, 0.25)
    assert marks.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0, 0]]
    p = torch.sigmoid(logits[:2])
    expected = -(marks * p.log() + (1 - marks) * (1 - p).log()).mean(dim=1)
    found = named(kind="multi_hot", threshold=0.25)(logits[:2], shares)
    torch.testing.assert_close(found, expected)


def test_a_wrong_polarity_costs_more(batch):
    logits, truth, hard, soft = batch
    p = logits.softmax(1).numpy()
    side = np.array([label in POSITIVE for label in LABELS])
    right = np.where(side[truth.numpy()], p[:, side].sum(1), p[:, ~side].sum(1))
    found = named(kind="polarity", weight=2.0)(logits, hard)
    plain = losses.cross_entropy(logits, hard)
    np.testing.assert_allclose((found - plain).numpy(), -2 * np.log(right))
    sure = torch.zeros(1, 8, dtype=torch.float64)
    awe, contentment, fear = (LABELS.index(e) for e in ("awe", "contentment", "fear"))
    target = functional.one_hot(torch.tensor([awe]), 8).double()
    costs = []
    for guess in (contentment, fear):
        wrong = sure.clone()
        wrong[0, guess] = 8
        costs.append(named(kind="polarity")(wrong, target).item())
    assert costs[1] > costs[0] + 1
    assert torch.isfinite(named(kind="polarity")(1000 * logits, soft)).all()


def transport(p, q):
    """Least work to turn p into q around the wheel, by linear programming."""
    cost = np.array([[wheel_steps(a, b) for b in LABELS] for a in LABELS])
    rows = np.kron(np.eye(8), np.ones(8))
    columns = np.kron(np.ones(8), np.eye(8))
    solved = linprog(
        cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([p, q]), method="highs"
    )
    return solved.fun


def test_wheel_distance_is_the_optimal_transport_cost(batch):
    logits, _, hard, soft = batch
    around = torch.tensor([LABELS.index(emotion) for emotion in MIKELS_WHEEL])
    for target in (hard, soft):
        found = losses.wheel_distance(logits, target, around)
        expected = [transport(p, q) for p, q in zip(logits.softmax(1), target, strict=True)]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-8)
        plain = losses.cross_entropy(logits, target)
        torch.testing.assert_close(named(kind="emd")(logits, target), found)
        whole = named(kind="wheel", weight=0.5)(logits, target)
        torch.testing.assert_close(whole - plain, 0.5 * found)


def test_wheel_distance_between_two_labels_is_their_steps():
    around = torch.tensor([LABELS.index(emotion) for emotion in MIKELS_WHEEL])
    for a, b in itertools.product(range(8), repeat=2):
        sure = 100 * functional.one_hot(torch.tensor([a]), 8).double()
        target = functional.one_hot(torch.tensor([b]), 8).double()
        steps = wheel_steps(LABELS[a], LABELS[b])
        assert losses.wheel_distance(sure, target, around).item() == pytest.approx(steps)


@pytest.mark.parametrize(
    "kind",
    [
        "cross_entropy",
        "class_balanced",
        "logit_adjusted",
        "kl",
        "multi_hot",
        "polarity",
        "wheel",
        "emd",
    ],
)
def test_gradients_are_right(kind, batch):
    logits, _, hard, soft = batch
    loss = named(kind=kind)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, hard), logits)
    assert torch.autograd.gradcheck(lambda z: loss(z, soft), logits)


def test_what_a_loss_cannot_serve_is_an_error():
    wheel = TypeAdapter(Loss).validate_python({"kind": "wheel"})
    with pytest.raises(EvocaError, match="Mikels' eight emotions, not for joy, fear"):
        criterion(wheel, ("joy", "fear"), (1, 1))
    balanced = TypeAdapter(Loss).validate_python({"kind": "class_balanced"})
    with pytest.raises(EvocaError, match="none is fear"):
        criterion(balanced, ("joy", "fear"), (1, 0))


class Output:
    def __init__(self, logits, branch_logits=None):
        self.logits, self.branch_logits = logits, branch_logits


def test_the_branches_losses_add_up(batch):
    logits, _, hard, _ = batch
    loss = named(kind="cross_entropy")
    both = torch.stack([logits, -logits], dim=1)
    step = Step(name="a", rate=1, epochs=1, objective="branches")
    found = objective(step, loss)(Output(logits, both), hard)
    torch.testing.assert_close(
        found, loss(logits.float(), hard) + loss(-logits.float(), hard), check_dtype=False
    )
    with pytest.raises(EvocaError, match="step a: this system has no branches"):
        objective(step, loss)(Output(logits), hard)
