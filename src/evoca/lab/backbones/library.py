"""The interface of libraries of backbones: one adapter per library.

There is no silent fall-back to random weights, and nothing is unpickled without a
recorded SHA-256.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError, MissingExtraError
from evoca.lab.backbones.hub import HubError, asking_hub
from evoca.lab.backbones.tokens import Tokens, as_tokens
from evoca.lab.config.backbone import Backbone, Library, libraries

__all__ = ["Adapter", "TextTower", "adapter_for", "adapter_of", "module_of"]


class TextTower(Protocol):
    """Embeds sentences where a backbone's pictures are embedded.

    Attributes:
        scale: what cosines of images and sentences are multiplied with to be logits.
    """

    scale: float

    def __call__(self, sentences: Sequence[str]) -> Tensor:
        """Return (S, D), each of length 1."""


class Adapter(ABC):
    """How a library builds its networks, and where their weights come from.

    Attributes:
        host: of the library's hub, as the beginning of an address; that of Hugging Face if
            ``None``.
        classifies: whether its networks keep the classifier they were trained with.
        takes_folders: whether weights may be a folder in the form of ``save_pretrained``.
        has_texts: whether its pictures are embedded beside sentences.
        writes: whether its networks write captions.
    """

    host: str | None = None
    classifies: bool = False
    takes_folders: bool = False
    has_texts: bool = False
    writes: bool = False

    @abstractmethod
    def create(self, record: Backbone) -> nn.Module:
        """Return a network with random weights.

        Raises:
            RuntimeError, ValueError: the library has no such architecture.
            MissingExtraError: the library is not installed.
        """

    def fetch(self, record: Backbone, hub: str) -> nn.Module:
        """Return a network with the weights of a name in the library.

        Any error is taken for an unreachable hub.
        """
        raise NotImplementedError(f"{record.library} has no hub: {hub}")

    def network(self, record: Backbone, weights: str) -> nn.Module:
        """Return a network with the weights of its record, or random ones for any others.

        Args:
            record: of the backbone.
            weights: ``recorded``, ``random``, a ``.safetensors`` file, which is loaded
                later, or a folder.

        Raises:
            EvocaError: the weights cannot be had.
            MissingExtraError: what carries them is not installed.
        """
        source = record.weights
        if weights.endswith("/"):
            raise EvocaError(f"model.weights: {weights}: {record.name} takes a .safetensors file")
        if weights != "recorded":
            return self._created(record)
        if source.hub is not None:
            return self._fetched(record, source.hub)
        if source.package is None:
            raise EvocaError(
                f"the weights of {record.name} are on no hub: pass "
                "model.weights=FILE.safetensors, or model.weights=random to start from nothing"
            )
        network = self._created(record)
        _load_in_order(network, _packaged_file(record), record)
        return network

    def tensors(self, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the tensors of a user's file by the network's names."""
        return stored

    def tokens(self, network: nn.Module, record: Backbone, size: tuple[int, int]) -> Tokens | None:
        """Return a transformer prepared for an input size in pixels; ``None`` for others."""
        return as_tokens(network, record, size) if record.layout == "tokens" else None

    def text_tower(self, record: Backbone, weights: str) -> TextTower:
        """Return the text tower that was trained with a backbone.

        Args:
            record: of the backbone.
            weights: ``recorded``, ``random`` or the path of a file that holds both towers.

        Raises:
            EvocaError: the backbone has none, or its weights or its tokenizer cannot be had.
        """
        del weights
        raise EvocaError(f"model.backbone: {record.name} has no text tower, CLIP and SigLIP have")

    def _created(self, record: Backbone) -> nn.Module:
        try:
            return self.create(record)
        except (RuntimeError, ValueError) as error:
            raise EvocaError(
                f"{record.name}: {record.library} has no architecture {record.architecture}"
            ) from error

    def _fetched(self, record: Backbone, hub: str) -> nn.Module:
        what = f"the weights {hub} of {record.architecture}"
        try:
            with asking_hub(what, self.host):
                return self.fetch(record, hub)
        except HubError as error:
            raise EvocaError(
                f"{what} cannot be fetched ({error}): pass model.weights=FILE.safetensors, or "
                "model.weights=random to start from nothing"
            ) from error


_adapters: dict[str, Adapter] = {}


def adapter_for(
    name: str, facts: Library | None = None
) -> Callable[[type[Adapter]], type[Adapter]]:
    """Return a decorator that registers a class as the adapter of a library.

    Args:
        name: of the library in records.
        facts: what a record may state of its backbones, for a library that Evoca lacks.
    """
    if facts is not None:
        libraries[name] = facts

    def register(adapter: type[Adapter]) -> type[Adapter]:
        _adapters[name] = adapter()
        return adapter

    return register


def adapter_of(record: Backbone) -> Adapter:
    """Return the adapter of a backbone's library."""
    return _adapters[record.library]


def module_of(network: nn.Module, path: str, record: Backbone) -> nn.Module:
    """Return a module of a network by its path.

    Raises:
        EvocaError: there is none.
    """
    try:
        return network.get_submodule(path)
    except AttributeError as error:
        raise EvocaError(
            f"backbone {record.name}: {record.architecture} has no module {path}"
        ) from error


def _packaged_file(record: Backbone) -> Path:
    package, file = str(record.weights.package), str(record.weights.file)
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtraError(f"the backbone {record.name}", "train", package.replace("_", "-"))
    return Path(found.origin).parent / file


def _load_in_order(network: nn.Module, file: Path, record: Backbone) -> None:
    """Load a state dict whose names differ but whose order and shapes are the library's."""
    if hashlib.sha256(file.read_bytes()).hexdigest() != record.weights.sha256:
        raise EvocaError(f"{file}: not the recorded weights of {record.name} (SHA-256 differs)")
    stored = torch.load(file, map_location="cpu", weights_only=True)
    own = network.state_dict()
    pairs = list(zip(own.items(), stored.values(), strict=True))
    if any(mine.shape != theirs.shape for (_, mine), theirs in pairs):
        raise EvocaError(f"{file}: the shapes are not those of {record.architecture}")
    network.load_state_dict({key: theirs for (key, _), theirs in pairs})
