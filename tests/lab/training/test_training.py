"""The runner on drawn pictures: it learns, keeps what is frozen, and refuses what it must."""

import gc
import multiprocessing
import os
import signal

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import torch
from pydantic import ValidationError

from evoca.data.manifest.labelled import load_labelled
from evoca.errors import DataError, EvocaError, ImageError
from evoca.lab.config.step import Mirror, Optimiser, Schedule, Step, Stop
from evoca.lab.training import RunOptions, fit
from evoca.lab.training.checkpoint import load_state
from evoca.lab.training.data import PixelExamples, targets_of
from evoca.lab.training.freezing import freeze, parameter_groups, trainable_parameters
from evoca.lab.training.inference import logits_of, plain_batches
from evoca.lab.training.sampling import Position, epoch_batches, epoch_order
from evoca.lab.training.schedule import Progress, rate_factor
from tiny_system import PREPROCESSING, TinySystem, draw_pictures, drawn_task, task_of

QUIET = RunOptions(accelerator="cpu", workers=0, tensorboard=False)


@pytest.fixture
def drawn(tmp_path):
    return tmp_path / "data"


def accuracy(system, images):
    pixels = PixelExamples(images, PREPROCESSING, (), 0)
    batches = plain_batches(pixels, len(images), 16, workers=0)
    logits = logits_of(system, batches, len(images), torch.device("cpu"))
    return float((logits.argmax(dim=1).numpy() == images.truth).mean())


def test_it_learns_a_tiny_set_and_writes_every_epoch_down(drawn, tmp_path):
    lines = []
    step = Step(
        name="all", rate=2e-2, epochs=20, batch_size=8, augmentation=[Mirror(kind="mirror")]
    )
    task = drawn_task(drawn, step)
    options = RunOptions(accelerator="cpu", workers=1, say=lines.append)
    fitted = fit(TinySystem(), task, tmp_path / "run", options)
    assert accuracy(fitted.system, task.train) > 0.95
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert rows[0].startswith("step,epoch,images,rate,train_loss")
    assert len(rows) == 1 + 20
    assert all(row["minutes"] > 0 for row in fitted.history)
    assert "epoch 20/20" in lines[-1]
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_workers_end_with_their_step(drawn, tmp_path):
    steps = [Step(name=name, rate=1e-2, epochs=2) for name in ("first", "second")]
    alive = []

    def announce(name, total):
        alive.append(len(multiprocessing.active_children()))
        return lambda amount: None

    options = RunOptions(accelerator="cpu", workers=1, tensorboard=False, announce=announce)
    gc.disable()
    try:
        fit(TinySystem(), drawn_task(drawn, *steps), tmp_path / "run", options)
        assert not multiprocessing.active_children()
    finally:
        gc.enable()
    assert alive == [0, 0]


def test_workers_leave_ctrl_c_to_the_process_that_trains(drawn, tmp_path):
    """A terminal sends it to all of them, and sends it again to who is impatient."""
    killed = set()

    def announce(name, total):
        def advance(amount):
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGINT)
                killed.add(child.pid)

        return advance

    options = RunOptions(accelerator="cpu", workers=1, tensorboard=False, announce=announce)
    step = Step(name="a", rate=1e-2, epochs=3, batch_size=8)
    fitted = fit(TinySystem(), drawn_task(drawn, step), tmp_path / "run", options)
    assert len(fitted.history) == 3
    assert killed


def test_ctrl_c_is_answered_while_features_are_computed(drawn, tmp_path):
    def announce(name, total):
        def advance(amount):
            if name == "frozen features":
                signal.raise_signal(signal.SIGINT)

        return advance

    options = RunOptions(
        accelerator="cpu", workers=0, tensorboard=False, cache=tmp_path / "c", announce=announce
    )
    task = drawn_task(drawn, Step(name="head", trainable=["head"], rate=1e-2, epochs=1))
    with pytest.raises(KeyboardInterrupt):
        fit(TinySystem(), task, tmp_path / "run", options)
    assert not (tmp_path / "run" / "checkpoints").exists()  # no batch was waited for
    assert fit(TinySystem(), task, tmp_path / "run", QUIET, resume=True).history


def test_frozen_parts_do_not_change_at_all(drawn, tmp_path):
    step = Step(name="head", trainable=["head"], rate=1e-2, epochs=2)
    system = TinySystem()
    before = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    fit(system, drawn_task(drawn, step), tmp_path / "run", QUIET)
    changed = {n for n, t in system.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {"head.linear.weight", "head.linear.bias"}


@pytest.mark.parametrize("augmentation", [(), (Mirror(kind="mirror"),)])
def test_kept_features_give_the_weights_that_pictures_give(augmentation, drawn, tmp_path):
    changes = {"rate": 1e-2, "epochs": 2, "batch_size": 8, "augmentation": augmentation}
    steps = (
        Step(name="head", trainable=["head"], **changes),
        Step(name="stage1", trainable=["stage1", "head"], **changes),
    )
    task = drawn_task(drawn, *steps)
    plain, kept = TinySystem(), TinySystem()
    fit(plain, task, tmp_path / "plain", QUIET)
    announced = []

    def announce(name, total):
        announced.append((name, total))
        return lambda amount: None

    options = RunOptions(
        accelerator="cpu", workers=0, tensorboard=False, cache=tmp_path / "c", announce=announce
    )
    fit(kept, task, tmp_path / "kept", options)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[name], tensor, atol=1e-6, rtol=1e-5)
    forms = 48 * (1 + len(augmentation))
    first, second = ("head", 12), ("stage1", 12)
    computed = [("frozen features", forms), ("frozen features", 16)]
    assert announced == [*computed, first, *computed, second]
    # Another run, of another seed, finds them all.
    announced.clear()
    fit(TinySystem(), drawn_task(drawn, *steps, seed=5), tmp_path / "again", options)
    assert announced == [first, second]
    # Other weights find none.
    fit(TinySystem(seed=1), drawn_task(drawn, steps[0]), tmp_path / "other", options)
    assert computed[0] in announced


def test_what_varies_is_not_kept(drawn, tmp_path):
    announced = []

    def announce(name, total):
        announced.append(name)
        return lambda amount: None

    options = RunOptions(
        accelerator="cpu", workers=0, tensorboard=False, cache=tmp_path / "c", announce=announce
    )
    steps = (
        Step(name="mixed", trainable=["head"], rate=1e-2, epochs=1, mixup=0.2),
        Step(
            name="turned",
            trainable=["head"],
            rate=1e-2,
            epochs=1,
            augmentation=[{"kind": "rotate"}],
        ),
        Step(name="all", rate=1e-2, epochs=1),
    )
    fit(TinySystem(), drawn_task(drawn, *steps), tmp_path / "run", options)
    assert announced == ["mixed", "turned", "all"]


def with_split(images, split):
    changed = images.take(np.arange(len(images)))
    changed.split[:] = split
    return changed


def test_test_images_choose_nothing(drawn, tmp_path):
    step = Step(name="a", rate=1e-2, epochs=1)
    task = drawn_task(drawn, step)
    for train, validation, said in (
        (task.train, with_split(task.validation, "test"), "16 of the validation images"),
        (with_split(task.train, "test"), task.validation, "48 of the training images"),
    ):
        with pytest.raises(DataError, match=f"{said} are of the split test"):
            fit(TinySystem(), task_of(train, validation, step), tmp_path / "run", QUIET)
    with pytest.raises(ValidationError, match="cannot stop on the split 'test': only val"):
        Stop(split="test")
    stops = Step(name="b", rate=1e-2, epochs=1, stop=Stop())
    with pytest.raises(DataError, match="step b stops early, but there are no validation"):
        fit(TinySystem(), task_of(task.train, None, stops), tmp_path / "run", QUIET)


def test_a_loss_that_is_no_number_says_where_and_keeps_the_checkpoint(drawn, tmp_path):
    good = Step(name="good", rate=1e-2, epochs=1)
    bad = Step(name="bad", optimiser=Optimiser(kind="sgd"), rate=1e30, epochs=3, batch_size=8)
    with pytest.raises(
        EvocaError, match=r"step bad, epoch 1, batch \d: the loss is not a number"
    ) as caught:
        fit(TinySystem(), drawn_task(drawn, good, bad), tmp_path / "run", QUIET)
    checkpoint = tmp_path / "run" / "checkpoints" / "resume.pt"
    assert str(checkpoint) in str(caught.value)
    assert checkpoint.is_file()


@pytest.mark.parametrize(
    ("decay", "message"),
    [
        (0.0, "step bad, epoch 1: the validation loss is not a number"),
        (1e20, "step bad, epoch 1: the weights are no numbers any more"),
    ],
)
def test_weights_that_the_last_update_ruined_are_not_kept(decay, message, drawn, tmp_path):
    good = Step(name="good", rate=1e-2, epochs=1)
    # One batch: its loss is judged before the update that ruins everything.
    ruinous = Optimiser(kind="sgd", weight_decay=decay)
    bad = Step(name="bad", rate=1e30, optimiser=ruinous, epochs=1, batch_size=64)
    task = drawn_task(drawn, good, bad)
    with pytest.raises(EvocaError, match=message):
        fit(TinySystem(), task, tmp_path / "run", QUIET)
    saved = load_state(tmp_path / "run" / "checkpoints" / "resume.pt", task.identity)
    assert saved.position.step == 1
    assert all(tensor.isfinite().all() for tensor in saved.weights.values())
    assert not (tmp_path / "run" / "checkpoints" / "last").exists()


def test_a_broken_image_is_named_even_from_a_worker(drawn, tmp_path):
    task = drawn_task(drawn, Step(name="a", rate=1e-2, epochs=1))
    (drawn / "train" / "awe" / "3.png").write_bytes(b"broken")
    for workers in (0, 1):
        options = RunOptions(accelerator="cpu", workers=workers, tensorboard=False)
        with pytest.raises(ImageError, match=r"awe/3\.png: [^\n]*$"):
            fit(TinySystem(), task, tmp_path / f"run{workers}", options)


def test_one_image_and_unlabelled_ones(drawn, tmp_path):
    step = Step(name="a", rate=1e-2, epochs=1)
    task = drawn_task(drawn, step)
    fit(TinySystem(), task_of(task.train.take([0]), None, step), tmp_path / "one", QUIET)
    unlabelled = task.train.take(np.arange(8))
    unlabelled.truth[2] = -1
    with pytest.raises(DataError, match="1 image has no label, the first is train/amusement/2"):
        fit(TinySystem(), task_of(unlabelled, None, step), tmp_path / "run", QUIET)
    nothing = task_of(task.train.take(np.arange(0)), None, step)
    with pytest.raises(DataError, match="no images to train on"):
        fit(TinySystem(), nothing, tmp_path / "run", QUIET)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainable": ["hed"]}, "step a: trainable: no part hed; did you mean head?"),
        ({"rates": {"zzz": 1.0}}, "step a: rates: no part zzz; parts: stem, stage1"),
        ({"trainable": ["head"], "rates": {"stem": 1.0}}, "stem is not trained in this step"),
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(changes, message):
    with pytest.raises(EvocaError) as caught:
        parameter_groups(TinySystem(), Step(name="a", rate=1, epochs=1, **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"accelerator": "abacus"}, "accelerator abacus: not known"),
        ({"strategy": "hope"}, "strategy hope: not known"),
        ({"precision": "3-mixed"}, "precision 3-mixed: not known"),
    ],
)
def test_what_no_machine_has_is_refused_in_a_line(machine, message):
    with pytest.raises(EvocaError) as caught:
        RunOptions(**{"accelerator": "cpu", "tensorboard": False} | machine)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": {"zzz": 1.0}}, "step last: rates: no part zzz"),
        ({"loss": {"kind": "class_balanced"}}, "the loss class_balanced weighs classes, but none"),
    ],
)
def test_a_fault_of_the_last_step_shows_before_the_first(changes, message, drawn, tmp_path):
    last = Step(name="last", rate=1e-2, epochs=1, **changes)
    task = drawn_task(drawn, Step(name="first", rate=1e-2, epochs=1), last)
    few = task_of(task.train.take(task.train.truth < 7), None, *task.steps)
    with pytest.raises(EvocaError, match=message):
        fit(TinySystem(), few, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_parts_rates_and_decay_reach_the_right_parameters():
    system = TinySystem()
    step = Step(
        name="a",
        trainable=["stage*", "head"],
        optimiser=Optimiser(kind="adamw", weight_decay=0.1, decay="matrices"),
        rate=1e-4,
        rates={"all": 1e-3, "head": 1e-2},
        epochs=1,
    )
    names = trainable_parameters(system, step)
    assert {name.split(".")[0] for name in names} == {"stage1", "head"}
    name_of = {id(p): n for n, p in system.named_parameters()}
    found = {
        name_of[id(p)]: (g["lr"], g["weight_decay"])
        for g in parameter_groups(system, step)
        for p in g["params"]
    }
    assert found == {
        "stage1.0.weight": (1e-3, 0.1),
        "stage1.1.weight": (1e-3, 0.0),
        "stage1.1.bias": (1e-3, 0.0),
        "head.linear.weight": (1e-2, 0.1),
        "head.linear.bias": (1e-2, 0.0),
    }
    freeze(system, {"head.linear.weight"})
    modes = {name: module.training for name, module in system.named_modules()}
    assert not modes["stem.norm"]
    assert not modes["stage1.3"]
    assert modes["head.drop"]


TRUTH = np.repeat(np.arange(4), (50, 30, 15, 6))


@pytest.mark.parametrize("sampling", ["shuffle", "weighted"])
def test_batches_follow_from_seed_step_and_epoch_alone(sampling):
    step = Step(name="a", rate=1, epochs=9, batch_size=10, sampling=sampling)
    whole = list(epoch_batches(TRUTH, step, 3, Position(0, 2)))
    rest = list(epoch_batches(TRUTH, step, 3, Position(0, 2, 4)))
    assert whole[4:] == rest
    assert [len(batch) for batch in whole] == [10] * 9 + [11]  # no batch of a single image
    others = [
        epoch_order(TRUTH, step, s, Position(k, e)).tolist()
        for s, k, e in ((4, 0, 2), (3, 1, 2), (3, 0, 3))
    ]
    order = epoch_order(TRUTH, step, 3, Position(0, 2)).tolist()
    assert order not in others
    assert [draw.image for batch in whole for draw in batch] == order
    if sampling == "shuffle":
        assert sorted(order) == list(range(len(TRUTH)))


def test_weighted_sampling_draws_every_class_as_often():
    step = Step(name="a", rate=1, epochs=200, sampling="weighted")
    draws = np.concatenate([epoch_order(TRUTH, step, 0, Position(0, e)) for e in range(200)])
    shares = np.bincount(TRUTH[draws]) / len(draws)
    np.testing.assert_allclose(shares, 0.25, atol=0.015)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch_and_weigh_it_alike(world):
    step = Step(name="a", rate=1, epochs=1, batch_size=10)
    single = list(epoch_batches(TRUTH, step, 0, Position()))
    shares = [
        list(epoch_batches(TRUTH, step, 0, Position(), rank=r, world=world)) for r in range(world)
    ]
    for batch, *parts in zip(single, *shares, strict=True):
        assert len({len(part) for part in parts}) == 1
        real = [draw.image for part in parts for draw in part if draw.weight]
        assert sorted(real) == sorted(draw.image for draw in batch)
        # The mean over processes of each one's weighted mean is the batch's mean.
        values = np.mean([np.mean([d.image * d.weight for d in part]) for part in parts])
        assert values == pytest.approx(np.mean([draw.image for draw in batch]))


def test_rates_warm_up_and_fall_along_a_cosine():
    step = Step(
        name="a",
        rate=1,
        epochs=10,
        schedule=Schedule(kind="cosine", warmup_epochs=2, final=0.1),
    )
    found = [rate_factor(step, done) for done in (0.5, 1, 2, 6, 10)]
    np.testing.assert_allclose(found, [0.25, 0.5, 1, 0.55, 0.1])
    assert rate_factor(Step(name="a", rate=1, epochs=3), 2.5) == 1


@pytest.mark.parametrize(
    ("metric", "values", "best", "over_after"),
    [
        ("loss", [3, 2, 2, 2.5, 1], 1, 3),
        ("accuracy", [0.1, 0.4, 0.3, 0.4, 0.9], 1, 3),
        ("accuracy", [0.1, 0.2, 0.3, 0.4, 0.5], 4, None),
    ],
)
def test_a_step_stops_when_patience_runs_out(metric, values, best, over_after):
    stop = Stop(metric=metric, patience=2)
    progress, over = Progress(), None
    for epoch, value in enumerate(values):
        progress = progress.after(epoch, value, stop)
        if progress.is_over(stop):
            over = epoch
            break
    assert over == over_after
    assert progress.best_epoch == best


def test_the_best_epoch_is_what_goes_on(drawn, tmp_path):
    # The rate is so high that later epochs are worse than the first.
    step = Step(
        name="a",
        optimiser=Optimiser(kind="sgd"),
        rate=3.0,
        epochs=6,
        batch_size=8,
        stop=Stop(metric="loss", patience=6),
    )
    task = drawn_task(drawn, step)
    fitted = fit(TinySystem(), task, tmp_path / "run", QUIET)
    losses = [row["val_loss"] for row in fitted.history]
    assert np.argmin(losses) < 5
    pixels = PixelExamples(task.validation, PREPROCESSING, (), 0)
    logits = logits_of(fitted.system, plain_batches(pixels, 16, 16, 0), 16, torch.device("cpu"))
    kept = torch.nn.functional.cross_entropy(logits, torch.from_numpy(task.validation.truth))
    assert float(kept) == pytest.approx(min(losses), rel=1e-5)


def test_targets_are_distributions_where_the_step_uses_them(tmp_path):
    draw_pictures(tmp_path / "d", each=1)
    names = [path.relative_to(tmp_path) for path in sorted((tmp_path / "d").rglob("*.png"))]
    header = "image,emotion,p_amusement,p_awe"
    rows = [f"{names[0]},amusement,0.75,0.25", f"{names[1]},,0.5,0.5", f"{names[2]},awe,,"]
    (tmp_path / "m.csv").write_text("\n".join([header, *rows]) + "\n")
    data = load_labelled(tmp_path / "m.csv")
    soft = targets_of(data, Step(name="a", rate=1, epochs=1, targets="distribution"))
    np.testing.assert_allclose(soft[:, [0, 2]], [[0.75, 0.25], [0.5, 0.5], [0, 1]])
    with pytest.raises(DataError, match="1 image has no label"):
        targets_of(data, Step(name="a", rate=1, epochs=1))
