"""Bundles that want what they must not have, written with the package onnx."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from evoca.runtime.bundle import bundled_models

SIDE = 8
LABELS = 8


def weights() -> np.ndarray:
    """What makes the logits of the harmless bundle, (3, 8)."""
    return np.linspace(-1e-2, 1e-2, 3 * LABELS, dtype=np.float32).reshape(3, LABELS)


def write_bundle(
    folder: Path,
    *,
    initializers: Sequence[Any] | None = None,
    sparse: Sequence[Any] = (),
    nodes: Sequence[Any] = (),
    evidence: str | None = None,
    **card: Any,
) -> Path:
    """Write a bundle whose logits are the mean colour times the initializer ``weights``.

    Args:
        folder: made.
        initializers: in the place of ``weights``.
        sparse: sparse initializers.
        nodes: before the rest; they may make ``weights`` from ``image``.
        evidence: name of the tensor that is evidence, of the kind relevance.
        card: changes to ``model.json``.
    """
    folder.mkdir()
    given = (
        [numpy_helper.from_array(weights(), "weights")] if initializers is None else initializers
    )
    axes = numpy_helper.from_array(np.array([1, 2], np.int64), "axes")
    last = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", LABELS])]
    if evidence is not None:
        outputs.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, None))
    graph = helper.make_graph(
        [*nodes, *last],
        "hostile",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        outputs,
        [*given, axes],
        sparse_initializer=list(sparse),
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return write_files(folder, model.SerializeToString(), evidence=evidence is not None, **card)


def write_files(folder: Path, data: bytes, *, evidence: bool = False, **card: Any) -> Path:
    """Write ``model.onnx`` and the ``model.json`` that describes it."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    content = json.loads((bundled_models()["default"] / "model.json").read_text())
    content |= {
        "preprocessing": {"height": SIDE, "width": SIDE},
        "evidence_kind": "relevance" if evidence else None,
        "evidence_bias": None,
        "affect_range": None,
        "affect_intervals": None,
        "deletion_test": None,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (folder / "model.json").write_text(json.dumps(content | card))
    return folder


def external(location: str, *, offset: int | None = None, name: str = "weights") -> Any:
    """A tensor (3, 8) whose values lie elsewhere."""
    tensor = TensorProto()
    tensor.name, tensor.data_type = name, TensorProto.FLOAT
    tensor.dims.extend([3, LABELS])
    tensor.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "length": str(3 * LABELS * 4)}
    if offset is not None:
        entries["offset"] = str(offset)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def sparse(indices: Sequence[int] | Sequence[Sequence[int]]) -> Any:
    """A sparse tensor (3, 8) named weights with a value at each index."""
    where = numpy_helper.from_array(np.array(indices, np.int64), "")
    values = numpy_helper.from_array(np.ones(len(indices), np.float32), "weights")
    return helper.make_sparse_tensor(values, where, [3, LABELS])


def constant(value: Any) -> Any:
    """A node that gives ``weights``."""
    return helper.make_node("Constant", [], ["weights"], value=value)


def branch(tensor: Any) -> list[Any]:
    """Nodes that give ``weights`` from inside a branch of an If."""
    result = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [3, LABELS])
    node = helper.make_node("Identity", [tensor.name], ["inner"])
    body = helper.make_graph([node], "branch", [], [result], [tensor])
    return [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("ReduceSum", ["shape"], ["total"], keepdims=0),
        helper.make_node("Cast", ["total"], ["yes"], to=TensorProto.BOOL),
        helper.make_node("If", ["yes"], ["weights"], then_branch=body, else_branch=body),
    ]


def endless() -> list[Any]:
    """Nodes that give ``weights`` after a loop that no one waits for."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("before", TensorProto.FLOAT, [3, LABELS]),
        ],
        [value("on", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, [3, LABELS])],
    )
    start = numpy_helper.from_array(weights(), "start")
    often = numpy_helper.from_array(np.array(2**62, np.int64), "often")
    return [
        helper.make_node("Constant", [], ["start"], value=start),
        helper.make_node("Constant", [], ["often"], value=often),
        helper.make_node("Loop", ["often", "", "start"], ["weights"], body=body),
    ]


def slow_to_load(products: int = 400, side: int = 2000) -> list[Any]:
    """Nodes that give ``weights`` after constant products, which are computed at loading."""
    of_side = numpy_helper.from_array(np.array([side, side], np.int64), "of_side")
    tiny = numpy_helper.from_array(np.array(1 / side, np.float32), "tiny")
    start = numpy_helper.from_array(weights(), "start")
    nodes = [
        helper.make_node("Constant", [], ["start"], value=start),
        helper.make_node("Constant", [], ["of_side"], value=of_side),
        helper.make_node("Constant", [], ["tiny"], value=tiny),
        helper.make_node("Expand", ["tiny", "of_side"], ["product0"]),
    ]
    for i in range(products):
        factors = [f"product{i}", "product0"]
        nodes.append(helper.make_node("MatMul", factors, [f"product{i + 1}"]))
    return [
        *nodes,
        helper.make_node("ReduceMean", [f"product{products}"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["start", "mean"], ["weights"]),
    ]


def map_of(shape: Sequence[int]) -> list[Any]:
    """Nodes that give evidence of any shape."""
    size = numpy_helper.from_array(np.array(shape, np.int64), "size")
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    return [
        helper.make_node("Constant", [], ["size"], value=size),
        helper.make_node("ConstantOfShape", ["size"], ["evidence"], value=zero),
    ]


def nested(depth: int) -> bytes:
    """A model whose graphs lie inside each other."""
    graph = b""
    for _ in range(depth):  # GraphProto.node (1) > NodeProto.attribute (5) > AttributeProto.g (6)
        for field in (6, 5, 1):
            graph = bytes([field << 3 | 2]) + _varint(len(graph)) + graph
    return b"\x08\x09" + b"\x3a" + _varint(len(graph)) + graph


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
