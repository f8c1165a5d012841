"""ONNX models, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import StreamNotFoundError
from beam_scanner.models import OnnxModelHandler
from tests.support.models import onnx_means

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RANDOM = np.random.default_rng(20)
FRAMES = [RANDOM.integers(0, 255, (6, 5, 3), dtype=np.uint8) for _ in range(7)]


def inferences(handler: Any, batch: Any, arguments: Any = None) -> list[Any]:
    found = handler.run_inference(batch, handler.load_model(), arguments)
    return [each.inference for each in found]


def test_bytes_are_cast(tmp_path: Path) -> None:
    handler = OnnxModelHandler(onnx_means(tmp_path / "means.onnx", 3.0))
    found = inferences(handler, FRAMES)
    wanted = [3 * frame.mean(axis=(0, 1)) for frame in FRAMES]
    assert np.allclose(found, wanted, rtol=1e-5)
    assert handler.get_num_bytes(FRAMES) == 7 * 90


@pytest.mark.parametrize("rows", [1, 3, "n"])
def test_several_outputs_and_a_fixed_batch(tmp_path: Path, rows: Any) -> None:
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", kind, [rows, 2])
    y = helper.make_tensor_value_info("y", kind, [rows, 2])
    sums = helper.make_tensor_value_info("sum", kind, [rows, 2])
    product = helper.make_tensor_value_info("product", kind, [rows, 2])
    nodes = [
        helper.make_node("Add", ["x", "y"], ["sum"]),
        helper.make_node("Mul", ["x", "y"], ["product"]),
    ]
    graph = helper.make_graph(nodes, "two", [x, y], [sums, product])
    path = tmp_path / "two.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    batch = [{"x": [n, n + 1], "y": [2, 3]} for n in range(7)]
    found = inferences(OnnxModelHandler(path), batch)
    assert [each["sum"].tolist() for each in found] == [
        [n + 2, n + 4] for n in range(7)
    ]
    assert found[6]["product"].tolist() == [12, 21]


def test_what_is_not_there(tmp_path: Path) -> None:
    handler = OnnxModelHandler(tmp_path / "gone.onnx")
    with pytest.raises(StreamNotFoundError, match="no model at"):
        handler.load_model()
    handler.update_model_path(onnx_means(tmp_path / "there.onnx"))
    assert len(inferences(handler, FRAMES)) == 7
