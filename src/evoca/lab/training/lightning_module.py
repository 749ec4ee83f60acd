"""One step of a recipe as Lightning drives it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, distributed, nn
from torchmetrics import MeanMetric
from torchmetrics.functional.classification import multiclass_accuracy

from evoca.lab.training.augmentation import mixed, seed_network
from evoca.lab.training.checkpoint import (
    HistoryRow,
    TrainingState,
    all_finite,
    save_state,
    weights_of,
)
from evoca.lab.training.data import Batch, StepLoader
from evoca.lab.training.freezing import SystemOutput
from evoca.lab.training.history import epoch_line, write_history
from evoca.lab.training.inference import logits_of
from evoca.lab.training.losses import objective
from evoca.lab.training.sampling import torch_seed
from evoca.lab.training.schedule import build_optimiser, rate_factor
from evoca.lab.training.step_context import Interrupted, Job, TrainingError

__all__ = ["StepModule"]

_CHECK_EVERY = 50  # batches; reading a value from a GPU waits for the GPU


class StepModule(pl.LightningModule):
    """Trains from a state to the end of its step; the state is updated."""

    def __init__(self, job: Job, state: TrainingState) -> None:
        super().__init__()
        self.network = job.network
        self.job = job
        self.state = state
        self.train_loss = MeanMetric(nan_strategy="disable")
        self.train_accuracy = MeanMetric(nan_strategy="disable")
        self.gradient_norm = MeanMetric(nan_strategy="disable")
        self._objective = objective(job.step, job.criterion)
        self._finite = torch.tensor(True)
        self._saved_at = time.monotonic()
        self._epoch_began = time.monotonic()

    # What Lightning calls.

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the step's optimiser."""
        return build_optimiser(self.job.system, self.job.step)

    def train_dataloader(self) -> StepLoader:
        """Return the loader of the rest of the epoch."""
        self.job.loader.go_to(self.state.position, self.global_rank, self.trainer.world_size)
        return self.job.loader

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss of a batch."""
        del batch_idx  # counts from where this process began; the state holds the place
        seed_network(torch_seed(self.job.seed, self.state.position, self.global_rank), self.device)
        inputs, targets, weights = batch
        if self.job.step.mixup:
            pictures = cast("Tensor", inputs)
            where = self.job.seed, self.state.position, self.global_rank
            inputs, targets = mixed(pictures, targets, self.job.step.mixup, *where)
        output: SystemOutput = self.network(inputs)
        losses = self._objective(output, targets)
        self._note(losses.detach(), output.logits.detach(), targets, weights)
        return (losses * weights).mean()

    # What happens around it.

    def on_train_start(self) -> None:
        """Go on from the state of the optimiser."""
        if self.state.optimiser:
            self.trainer.optimizers[0].load_state_dict(self.state.optimiser)
        if self.state.scaler:
            self.trainer.precision_plugin.load_state_dict(self.state.scaler)
        if self.state.sums and self.global_rank == 0:  # the sums are of all processes
            for name, metric in self._running().items():
                metric.mean_value.copy_(self.state.sums[f"{name}.value"])
                metric.weight.copy_(self.state.sums[f"{name}.weight"])
                metric._update_count = 1
        self._finite = self._finite.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Start the clock."""
        self._epoch_began = time.monotonic()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the rates of this batch."""
        del batch, batch_idx
        position = self.state.position
        done = position.epoch + (position.batch + 0.5) / self.job.loader.in_epoch
        factor = rate_factor(self.job.step, done)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base_rate"] * factor

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Note the norm of the gradients as they are before any clipping."""
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.gradient_norm.update(torch.nn.utils.get_total_norm(gradients))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Move on, and save when it is due or requested."""
        del outputs, batch, batch_idx
        position = self.state.position
        self.state.position = replace(position, batch=position.batch + 1)
        self.job.advance(1)
        last = self.state.position.batch == self.job.loader.in_epoch
        if last:  # the epoch is saved when it has been measured
            return
        asked, due = self._decide()
        if asked or due:
            self._save()
        if asked:
            raise Interrupted

    def on_train_epoch_end(self) -> None:
        """Measure the epoch, record it, and stop where the step's rule requires it."""
        self._require_finite()
        state, stop = self.state, self.job.step.stop
        state.seconds += time.monotonic() - self._epoch_began
        self._require_sound_weights()  # no loss has been computed after the last update yet
        row = self._row()
        row |= self._validate()
        if not math.isfinite(float(row.get("val_loss", 0.0))):
            raise self._gone_wrong("the validation loss is not a number")
        state.history.append(row)
        if stop is not None:
            value = float(row[f"val_{stop.metric}"])
            state.progress = state.progress.after(state.position.epoch, value, stop)
            if stop.keep == "best" and state.progress.best_epoch == state.position.epoch:
                state.best = weights_of(self._system)
        state.position = replace(state.position, epoch=state.position.epoch + 1, batch=0)
        state.seconds = 0.0
        for metric in self._running().values():
            metric.reset()
        self._report(row)
        over = stop is not None and state.progress.is_over(stop)
        self.trainer.should_stop = over
        asked, due = self._decide()
        # The end of a step is saved when the next one begins.
        if (asked or due) and not over and state.position.epoch < self.job.step.epochs:
            self._save()
            if asked:
                raise Interrupted

    # How.

    @property
    def _system(self) -> nn.Module:
        return cast("nn.Module", self.job.system)

    def _running(self) -> dict[str, MeanMetric]:
        return {
            "train_loss": self.train_loss,
            "train_accuracy": self.train_accuracy,
            "gradient_norm": self.gradient_norm,
        }

    def _note(self, losses: Tensor, logits: Tensor, targets: Tensor, weights: Tensor) -> None:
        counted = (weights > 0).to(losses.dtype)
        emotions = targets[:, : self.job.labels]
        hit = (logits.argmax(dim=1) == emotions.argmax(dim=1)).to(losses.dtype)
        _add(self.train_loss, losses, counted)
        _add(self.train_accuracy, hit, counted * _single(emotions))
        self._finite = self._finite & torch.isfinite(losses).all()
        if self.device.type == "cpu" or self.state.position.batch % _CHECK_EVERY == 0:
            self._require_finite()

    def _require_finite(self) -> None:
        if not bool(self._finite):
            batch = f", batch {self.state.position.batch + 1}"
            raise self._gone_wrong("the loss is not a number", batch)

    def _require_sound_weights(self) -> None:
        if not all_finite(self._system):
            raise self._gone_wrong("the weights are no numbers any more")

    def _gone_wrong(self, how: str, batch: str = "") -> TrainingError:
        step, kept = self.job.step.name, self.job.checkpoint
        return TrainingError(
            f"step {step}, epoch {self.state.position.epoch + 1}{batch}: {how}: lower the rate, "
            "add a warm-up or a clip"
            + (f"; the last good checkpoint is {kept}" if kept.is_file() else "")
        )

    def _decide(self) -> tuple[bool, bool]:
        """Return whether to stop and whether to save, the same in every process."""
        late = time.monotonic() - self._saved_at >= self.job.options.checkpoint_seconds
        if self.trainer.world_size == 1:
            return self.job.interrupts.asked, late
        requests = torch.tensor([self.job.interrupts.asked, late], device=self.device).int()
        distributed.all_reduce(requests, distributed.ReduceOp.MAX)
        return bool(requests[0]), bool(requests[1])

    def _save(self) -> None:
        self._require_finite()
        self._require_sound_weights()
        state = self.state
        now = time.monotonic()
        state.sums = self._sums()
        if self.trainer.is_global_zero:
            state.weights = weights_of(self._system)
            state.optimiser = self.trainer.optimizers[0].state_dict()
            state.scaler = self.trainer.precision_plugin.state_dict()
            spent = now - self._epoch_began if state.position.batch else 0.0
            saved = replace(state, seconds=state.seconds + spent)
            save_state(self.job.checkpoint, saved, self.job.identity)
        self._saved_at = time.monotonic()

    def _sums(self) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        for name, metric in self._running().items():
            with metric.sync_context(should_sync=self.trainer.world_size > 1):
                sums[f"{name}.value"] = metric.mean_value.detach().to("cpu", copy=True)
                sums[f"{name}.weight"] = metric.weight.detach().to("cpu", copy=True)
        return sums

    def _row(self) -> HistoryRow:
        return {
            "step": self.job.step.name,
            "epoch": self.state.position.epoch + 1,
            "images": self.job.loader.images,
            "rate": float(self.trainer.optimizers[0].param_groups[0]["lr"]),
            "train_loss": float(self.train_loss.compute()),
            "train_accuracy": float(self.train_accuracy.compute()),
            "train_gradient_norm": float(self.gradient_norm.compute()),
            "kept_features": int(self.job.on_cached_features),
            "minutes": self.state.seconds / 60,
        }

    def _validate(self) -> HistoryRow:
        validation = self.job.validation
        if validation is None:
            return {}
        predictions = logits_of(
            self.network,
            validation.batches(),
            len(validation.targets),
            self.device,
            self.trainer.precision_plugin.val_step_context,
        )
        targets, classes = validation.targets, self.job.labels
        if not self.job.step.affect_weight:
            predictions = predictions[:, :classes]
        loss = self.job.criterion(predictions, targets).mean()
        row: HistoryRow = {"val_loss": float(loss)}
        known = _single(targets[:, :classes])
        if known.any():
            logits, truth = predictions[known, :classes], targets[known, :classes].argmax(dim=1)
            overall = multiclass_accuracy(logits, truth, classes, average="micro")
            balanced = multiclass_accuracy(logits, truth, classes, average="macro")
            row |= {"val_accuracy": float(overall), "val_balanced_accuracy": float(balanced)}
        return row

    def _report(self, row: HistoryRow) -> None:
        if not self.trainer.is_global_zero:
            return
        write_history(self.job.folder / "history.csv", self.state.history)
        self.job.options.say(epoch_line(row, self.job.step.epochs))
        if isinstance(self.logger, TensorBoardLogger):
            figures = {name: float(v) for name, v in row.items() if name not in {"step", "epoch"}}
            self.logger.log_metrics(figures, step=len(self.state.history))


def _single(emotions: Tensor) -> Tensor:
    """Return which images have targets among single labels, (N,), rather than sums of them."""
    return emotions.isfinite().all(dim=1) & (emotions.sum(dim=1) > 0.5)


def _add(metric: MeanMetric, values: Tensor, weights: Tensor) -> None:
    """Add values to a mean by their weights.

    A MeanMetric that does not check for NaN, which would wait for a GPU, takes every
    weight for 1 (torchmetrics 1.9).
    """
    metric.update(values * weights)
    metric.weight += (weights - 1).sum()
