"""A training that is killed, interrupted or spread over processes ends up the same."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import torch

from evoca.errors import EvocaError
from evoca.lab.training import RunOptions, fit
from evoca.lab.training.checkpoint import Identity, load_state, load_weights, save_weights
from evoca.lab.training.sampling import Position
from tiny_system import STEPS, TinySystem, drawn_task

SCRIPT = Path(__file__).with_name("fit_in_process.py")
QUIET = RunOptions(accelerator="cpu", workers=0, tensorboard=False, checkpoint_seconds=0)
PATIENCE = 300  # seconds; a machine may be busy with other things
WEIGHTS = Path("checkpoints") / "last" / "weights.safetensors"


@contextmanager
def started(data, run, devices=1, batches=0):
    """A training in a process of its own, ended with its children whatever happens."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(data), str(run), str(devices), str(batches)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Sums depend on how many threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "data"
    drawn_task(folder)
    return folder


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """What a training that nobody disturbs leaves."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fit(TinySystem(), drawn_task(data, *STEPS["resume"]), run, QUIET)
    return run


def history(run):
    """All but the times."""
    lines = (run / "history.csv").read_text().splitlines()
    return [line.rsplit(",", 1)[0] for line in lines]


@pytest.mark.parametrize(
    ("how", "batches", "place"),
    [
        (signal.SIGKILL, 9, Position(0, 1, 2)),  # saved after the batch before
        (signal.SIGKILL, 28, Position(1, 2, 3)),
        (signal.SIGINT, 16, Position(1, 0, 4)),  # saved on request
    ],
    ids=["killed in the first step", "killed in the second", "ctrl-c"],
)
def test_a_training_cut_off_mid_epoch_ends_up_byte_for_byte_the_same(
    how, batches, place, data, whole, tmp_path
):
    run = tmp_path / "run"
    with started(data, run, batches=batches) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(how)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    if how == signal.SIGINT:
        assert errors.rstrip().endswith("KeyboardInterrupt")
    assert not (run / WEIGHTS).exists()
    saved = load_state(run / "checkpoints" / "resume.pt", Identity("recipe", "data"))
    assert saved.position == place

    # Other initial weights must not matter.
    fit(TinySystem(seed=9), drawn_task(data, *STEPS["resume"]), run, QUIET, resume=True)
    assert (run / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert history(run) == history(whole)


def test_resuming_a_finished_training_changes_nothing(data, whole):
    before = (whole / WEIGHTS).read_bytes()
    fitted = fit(TinySystem(), drawn_task(data, *STEPS["resume"]), whole, QUIET, resume=True)
    assert (whole / WEIGHTS).read_bytes() == before
    assert len(fitted.history) == 6


def test_two_processes_learn_what_one_does(data, tmp_path):
    run = tmp_path / "two"
    with started(data, run, devices=2) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    fit(TinySystem(drop=0.0), drawn_task(data, *STEPS["ddp"]), tmp_path / "one", QUIET)
    one, two = load_weights(tmp_path / "one" / WEIGHTS), load_weights(run / WEIGHTS)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)
    assert [line.split(",")[:3] for line in history(run)] == [
        line.split(",")[:3] for line in history(tmp_path / "one")
    ]


def test_a_checkpoint_of_another_training_is_refused(data, whole, tmp_path):
    file = whole / "checkpoints" / "resume.pt"
    with pytest.raises(EvocaError, match="another training: its recipe differs"):
        load_state(file, Identity("other", "data"))
    with pytest.raises(
        EvocaError, match="another training: its images, or their splits or groups, differ"
    ):
        load_state(file, Identity("recipe", "other"))
    with pytest.raises(EvocaError, match=r"written by Evoca .* in format .*, this is 0\.0"):
        load_state(file, Identity("recipe", "data", version="0.0"))
    damaged = tmp_path / "resume.pt"
    damaged.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(EvocaError, match="not a checkpoint, or a damaged one"):
        load_state(damaged, Identity("recipe", "data"))


class Malicious:
    def __reduce__(self):
        return (Path.touch, (Path("unpickled"),))


def test_a_checkpoint_cannot_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"version": 1, "identity": Malicious()}, tmp_path / "resume.pt")
    with pytest.raises(EvocaError, match="not a checkpoint"):
        load_state(tmp_path / "resume.pt", Identity("recipe", "data"))
    assert not (tmp_path / "unpickled").exists()


def test_a_full_disk_keeps_the_last_good_checkpoint(data, tmp_path):
    run = tmp_path / "run"
    task = drawn_task(data, *STEPS["resume"])
    batches = iter(range(1000))

    def announce(name, total):
        def advance(amount):
            if next(batches) == 10:  # files can grow no further, as on a full disk
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

        return advance

    options = RunOptions(
        accelerator="cpu", workers=0, tensorboard=False, checkpoint_seconds=0, announce=announce
    )
    try:
        with pytest.raises(EvocaError, match=r"cannot be written: .*last good checkpoint is kept"):
            fit(TinySystem(), task, run, options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    saved = load_state(run / "checkpoints" / "resume.pt", task.identity)
    assert saved.position.epoch == 1
    assert [file.name for file in (run / "checkpoints").iterdir()] == ["resume.pt"]


def test_a_full_disk_is_called_so(tmp_path, monkeypatch):
    """What torch says where nothing can be written is about positions in its own file."""
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: full)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(EvocaError, match=r"weights: cannot be written: the disk is full$"):
            save_weights(tmp_path / "weights", {"a": torch.zeros(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.iterdir())
