"""PyTorch to ONNX, checked against the bundle contract."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from evoca.errors import EvocaError
from evoca.lab.models.base import OUTPUT_NAMES, SystemOutputs
from evoca.privacy import onnxruntime

__all__ = ["export_onnx", "export_system", "parity"]

_OPSET = 18


def export_onnx(
    system: nn.Module,
    height: int,
    width: int,
    file: Path,
    outputs: Sequence[str],
) -> None:
    """Write a network as a self-contained ONNX file of standard operators.

    Args:
        system: takes uint8 (N, H, W, 3), returns one tensor per output.
        height: of the input in pixels.
        width: of the input in pixels.
        file: where to write.
        outputs: names of the outputs, in order.

    Raises:
        EvocaError: the graph uses operators outside the standard domain, keeps weights
            outside the file, or takes one number of images alone.
    """
    sample = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    batch = torch.export.Dim("N", min=1, max=4096)
    with warnings.catch_warnings(), _out_of_place(system):
        # The exporter warns about its own code; the exported graph is checked below.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            system.eval(),
            (sample,),
            input_names=["image"],
            output_names=list(outputs),
            dynamic_shapes=({0: batch},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise EvocaError("torch.onnx.export returned nothing")
    model = program.model_proto
    # Traces name the source files of the exporting machine; they are not needed.
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    model.ClearField("functions")
    _check(model)
    onnx.save_model(model, str(file), save_as_external_data=False)


@contextmanager
def _out_of_place(system: nn.Module) -> Iterator[None]:
    """Make activations return new tensors: rewriting in-place ones takes half of an export."""
    changed: list[Any] = [
        module for module in system.modules() if getattr(module, "inplace", None) is True
    ]
    for module in changed:
        module.inplace = False
    try:
        yield
    finally:
        for module in changed:
            module.inplace = True


class _Graph(nn.Module):
    """A system whose outputs are those that it has, in a bundle's order."""

    def __init__(self, system: nn.Module) -> None:
        super().__init__()
        self.system = system

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(_present(self.system(image)).values())


def _present(outputs: SystemOutputs) -> dict[str, torch.Tensor]:
    found = {name: getattr(outputs, name) for name in OUTPUT_NAMES}
    return {name: output for name, output in found.items() if output is not None}


@torch.no_grad()
def export_system(system: nn.Module, height: int, width: int, file: Path) -> None:
    """Write a system as an ONNX file with the outputs of a bundle, those that it has.

    Args:
        system: takes uint8 (N, H, W, 3), returns :class:`SystemOutputs`.
        height: of the input in pixels.
        width: of the input in pixels.
        file: where to write.

    Raises:
        EvocaError: the graph is not what a bundle may hold.
    """
    system.eval()
    names = _present(system(torch.zeros((1, height, width, 3), dtype=torch.uint8)))
    export_onnx(_Graph(system), height, width, file, tuple(names))


def _check(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model, full_check=True)
    foreign = {n.domain for n in model.graph.node if n.domain not in {"", "ai.onnx"}}
    if foreign:
        raise EvocaError(f"the exported graph uses operators of {', '.join(sorted(foreign))}")
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise EvocaError("the exported graph takes one number of images alone")
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        raise EvocaError("the exported graph keeps weights outside the file")


@torch.inference_mode()
def parity(system: nn.Module, file: Path, image: torch.Tensor) -> dict[str, float]:
    """Return the largest absolute difference between PyTorch and ONNX Runtime, by output.

    Args:
        system: the exported system.
        file: the ONNX file.
        image: uint8 (N, H, W, 3).
    """
    session = onnxruntime().InferenceSession(str(file), providers=["CPUExecutionProvider"])
    theirs = _present(system.eval()(image))
    ours = session.run(list(theirs), {"image": image.numpy()})
    return {
        name: float((torch.from_numpy(mine) - theirs[name]).abs().max())
        for name, mine in zip(theirs, ours, strict=True)
    }
