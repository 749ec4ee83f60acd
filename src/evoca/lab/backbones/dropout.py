"""Dropout of whole channels inside a backbone (najid2018, section III.C)."""

from __future__ import annotations

from collections import OrderedDict
from fnmatch import fnmatchcase

from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.backbone import Backbone

__all__ = ["ChannelDropout", "drop_channels"]


class ChannelDropout(nn.Module):
    """Dropout of whole channels, of maps (N, C, h, w) or tokens (N, L, C)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Zero channels and scale up the rest, in training alone."""
        if not self.training:
            return x
        shape = (*x.shape[:2], 1, 1) if x.ndim == 4 else (x.shape[0], 1, x.shape[2])
        return x * nn.functional.dropout(x.new_ones(shape), self.p)

    def extra_repr(self) -> str:
        """Say the probability."""
        return f"p={self.p}"


def drop_channels(network: nn.Module, record: Backbone, p: float) -> None:
    """Put dropout before the modules that a record names.

    Args:
        network: changed in place; its weights must be loaded already, since names change.
        record: of the backbone.
        p: probability.

    Raises:
        EvocaError: the record names no such module.
    """
    patterns = record.channel_dropout
    found = [
        path
        for path, _ in network.named_modules()
        if any(fnmatchcase(path, pattern) for pattern in patterns)
    ]
    if not found:
        raise EvocaError(f"the backbone {record.name} names no place for channel_dropout")
    for path in found:
        parent, _, child = path.rpartition(".")
        within = OrderedDict(dropout=ChannelDropout(p), layer=network.get_submodule(path))
        setattr(network.get_submodule(parent), child, nn.Sequential(within))
