"""A step handed to Lightning."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import TensorBoardLogger

from evoca.errors import EvocaError, single_line
from evoca.lab.logs import quiet_loggers
from evoca.lab.training.checkpoint import TrainingState
from evoca.lab.training.lightning_module import StepModule
from evoca.lab.training.machine import RunOptions, require_available
from evoca.lab.training.step_context import Interrupted, Job

__all__ = ["is_main", "require_machine", "run_job"]


def is_main() -> bool:
    """Whether this process writes files: the first of all of them."""
    rank = int(getattr(pl.utilities.rank_zero_only, "rank", 0) or 0)
    # Before its first trainer, Lightning does not count the machines.
    node = int(os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0")))
    return rank == 0 and node == 0


def require_machine(options: RunOptions) -> None:
    """Refuse what this machine does not have before anything is computed.

    Raises:
        EvocaError: no such accelerator, strategy or precision, or too few devices.
    """
    require_available(options)
    try:
        with _quiet():
            pl.Trainer(**_machine(options), logger=False, enable_checkpointing=False)
    except (MisconfigurationException, ValueError, RuntimeError, ImportError) as error:
        raise EvocaError(
            f"this machine cannot train so: {single_line(str(error))}; see accelerator, "
            "devices, strategy and precision"
        ) from error


def run_job(job: Job, state: TrainingState) -> None:
    """Train to the end of the step; the state is updated.

    Raises:
        KeyboardInterrupt: stopped on request, after saving.
    """
    module = StepModule(job, state)
    try:
        with _quiet():
            pl.Trainer(**_trainer_settings(job, state)).fit(module)
    except Interrupted:
        raise KeyboardInterrupt from None
    except SystemExit:  # how Lightning handles a second Ctrl-C
        raise KeyboardInterrupt from None
    finally:
        job.loader.close()


def _trainer_settings(job: Job, state: TrainingState) -> dict[str, Any]:
    options, folder = job.options, job.folder
    strategy = options.strategy
    many = options.devices * options.nodes > 1
    if many and strategy in {"auto", "ddp"} and job.step.objective == "branches":
        strategy = "ddp_find_unused_parameters_true"  # what joins the branches gets no gradient
    logger = (
        TensorBoardLogger(folder, name="tensorboard", version="") if options.tensorboard else False
    )
    return _machine(options) | {
        "strategy": strategy,
        "deterministic": options.deterministic,
        "max_epochs": job.step.epochs - state.position.epoch,
        "gradient_clip_val": job.step.clip,
        "logger": logger,
        "reload_dataloaders_every_n_epochs": 1,
        "use_distributed_sampler": False,  # the loader selects each process's share
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": folder,
    }


def _machine(options: RunOptions) -> dict[str, Any]:
    return {
        "accelerator": options.accelerator,
        "devices": options.devices,
        "num_nodes": options.nodes,
        "strategy": options.strategy,
        "precision": options.lightning_precision,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's own messages out of the run's output."""
    with (
        quiet_loggers("pytorch_lightning", "lightning_fabric", "lightning.pytorch"),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
        yield
