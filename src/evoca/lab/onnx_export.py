"""PyTorch to ONNX, checked to be what the bundle contract asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime as ort
import torch
from torch import nn

from evoca.errors import EvocaError

__all__ = ["OUTPUT_NAMES", "export_onnx", "parity"]

OUTPUT_NAMES = ("logits", "evidence", "embedding")
_OPSET = 18


def export_onnx(
    system: nn.Module,
    height: int,
    width: int,
    file: Path,
    outputs: Sequence[str] = OUTPUT_NAMES,
) -> None:
    """Write a system as a self-contained ONNX file of standard operators.

    Args:
        system: takes uint8 (N, H, W, 3), returns one tensor an output.
        height: of the input in pixels.
        width: of the input in pixels.
        file: where to write.
        outputs: names of the outputs, in order.

    Raises:
        EvocaError: the graph uses operators outside the standard domain, or keeps
            weights outside the file.
    """
    sample = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    batch = torch.export.Dim("N", min=1, max=4096)
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
    # Traces name the source files of the machine that exported; nobody needs them.
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    model.ClearField("functions")
    _check(model)
    onnx.save_model(model, str(file), save_as_external_data=False)


def _check(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model, full_check=True)
    foreign = {n.domain for n in model.graph.node if n.domain not in {"", "ai.onnx"}}
    if foreign:
        raise EvocaError(f"the exported graph uses operators of {', '.join(sorted(foreign))}")
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
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    ours = session.run(list(OUTPUT_NAMES), {"image": image.numpy()})
    theirs = system.eval()(image)
    return {
        name: float((torch.from_numpy(mine) - reference).abs().max())
        for name, mine, reference in zip(OUTPUT_NAMES, ours, theirs, strict=True)
    }
