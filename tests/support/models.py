"""Models for tests: handlers of Beam, classes with ``load``, and files of ONNX."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from tests.support.video_fixtures import frame_number


def note(folder: str, text: str = "") -> None:
    """Leaves a file whose name says which process did something."""
    Path(folder, f"{text}{os.getpid()}-{uuid.uuid4().hex}").touch()


def noted(folder: Any, text: str = "") -> list[int]:
    """The processes that did it, once for each time."""
    names = (path.name for path in Path(folder).glob(f"{text}*"))
    return sorted(int(name.removeprefix(text).partition("-")[0]) for name in names)


def noting(kind: Any, loads: Any) -> Any:
    """A kind of handler that notes each load, under its own name.

    Args:
        kind: A class of handlers.
        loads: Folder for the notes.
    """
    folder = os.fspath(loads)

    class Noting(kind):
        def load_model(self) -> Any:
            note(folder, f"{kind.__name__}-")
            return super().load_model()

    return Noting


class Configured(ModelHandler):
    """A handler with the options that the newest Beam's constructor takes."""

    def __init__(
        self,
        large_model: bool = False,
        model_copies: int | None = None,
        env_vars: Any = None,
        **batching: Any,
    ) -> None:
        self._env_vars = env_vars or {}
        self._own = (large_model or model_copies is not None, model_copies or 1)
        self._batching = batching

    def batch_elements_kwargs(self) -> Any:
        return self._batching

    def share_model_across_processes(self) -> bool:
        return self._own[0]

    def model_copies(self) -> int:
        return self._own[1]


class NumberHandler(Configured):
    """Says which numbered frame an example is; notes each load.

    Args:
        loads: Folder for notes of loads.
        path: A file whose content is added to each number.
        fault: '', or what is wrong with the predictions.
    """

    def __init__(
        self, loads: Any, path: Any = None, fault: str = "", **options: Any
    ) -> None:
        super().__init__(**options)
        self._loads = os.fspath(loads)
        self._path = None if path is None else os.fspath(path)
        self._fault = fault
        self._loaded_by = 0

    def load_model(self) -> dict[str, int]:
        time.sleep(0.2)  # so that others come meanwhile
        note(self._loads)
        self._loaded_by = os.getpid()
        return {"add": int(Path(self._path).read_text()) if self._path else 0}

    def run_inference(
        self, batch: Sequence[Any], model: Any, inference_args: Any = None
    ) -> Any:
        # Only the handler that has loaded knows what loading has set.
        assert self._loaded_by == os.getpid()
        more = (inference_args or {}).get("more", 0)
        found = [frame_number(frame) + model["add"] + more for frame in batch]
        if self._fault == "lost" and 20 in found:
            found.pop()
        if self._fault == "extra" and 20 in found:
            found.append(0)
        for frame, number in zip(batch, found, strict=False):
            if self._fault == "late" and number == 20:
                raise ValueError("frame 20 is not for me")
            yield PredictionResult(frame, number, "number")
        yield from found[len(batch) :]

    def validate_inference_args(self, inference_args: Any) -> None:
        if set(inference_args or {}) - {"more"}:
            raise ValueError("it takes more, and nothing else")

    def update_model_path(self, model_path: Any = None) -> None:
        self._path = model_path

    def get_metrics_namespace(self) -> str:
        return "Numbers"


class Means:
    """A class with ``load`` and ``__call__``: the mean of each example."""

    def __init__(self, loads: str = "") -> None:
        self.loads = loads

    def load(self) -> None:
        if self.loads:
            note(self.loads, "Means-")
        self.scale = 2.0

    def __call__(self, batch: Any) -> Sequence[float]:
        return self.scale * batch.reshape(len(batch), -1).mean(axis=1)


def onnx_means(path: Any, scale: float = 2.0) -> str:
    """Writes a model that gives the mean of each channel, times a number."""
    import onnx
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", None, None, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "scale"], ["y"]),
        ],
        "means",
        [x],
        [y],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("scale", TensorProto.FLOAT, [], [scale]),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return os.fspath(path)


def as_floats(frame: np.ndarray) -> np.ndarray:
    """A frame as a network takes it."""
    return frame.astype(np.float32)


def first(values: Any) -> float:
    """The first of a prediction's numbers."""
    return float(values[0])


def onnx_faces(path: Any, score: float) -> str:
    """Writes a model like YuNet, which finds one face in the middle of every frame.

    Args:
        path: Of the file.
        score: The product of the two scores of the face.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = TensorProto.FLOAT
    nodes, outputs, constants = [], [], []
    for stride in (8, 16, 32):
        cells = (640 // stride) ** 2
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            values = np.zeros((1, cells, width), np.float32)
            if stride == 32 and name in ("cls", "obj"):
                values[0, cells // 2] = score if name == "cls" else 1
            label = f"{name}_{stride}"
            constants.append(numpy_helper.from_array(values, f"{label}_values"))
            # So that it depends on its input, as all models do.
            nodes.append(
                helper.make_node("Add", [f"{label}_values", "nothing"], [label])
            )
            outputs.append(
                helper.make_tensor_value_info(label, kind, [1, cells, width])
            )
    constants += [
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
        numpy_helper.from_array(np.array([0, 1, 2, 3]), "axes"),
    ]
    nodes = [
        helper.make_node("Mul", ["input", "zero"], ["black"]),
        helper.make_node("ReduceMax", ["black", "axes"], ["nothing"], keepdims=0),
        *nodes,
    ]
    inputs = [helper.make_tensor_value_info("input", kind, [1, 3, 640, 640])]
    graph = helper.make_graph(nodes, "faces", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return os.fspath(path)


def onnx_encoder(path: Any, kind: str, outputs: str = "image_embeds") -> str:
    """Writes an encoder of small random weights, of pictures or texts.

    Args:
        path: Of the file.
        kind: 'image' takes ``pixel_values`` [n, 3, 8, 8]; 'text' takes ``input_ids`` and
            ``attention_mask`` [n, tokens], of which it adds up a vector for each token.
        outputs: Name of the one output, [n, 5].
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(5)

    def constant(name: str, values: Any) -> Any:
        return numpy_helper.from_array(np.asarray(values), name)

    kinds = TensorProto
    if kind == "image":
        inputs = [
            helper.make_tensor_value_info("pixel_values", kinds.FLOAT, ["n", 3, 8, 8])
        ]
        constants = [
            constant("shape", np.array([-1, 192])),
            constant("weights", random.normal(size=(192, 5)).astype(np.float32)),
        ]
        nodes = [
            helper.make_node("Reshape", ["pixel_values", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], [outputs]),
        ]
    else:
        inputs = [
            helper.make_tensor_value_info(name, kinds.INT64, ["n", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        constants = [
            constant("vectors", random.normal(size=(50, 5)).astype(np.float32)),
            constant("last", np.array([-1])),
            constant("middle", np.array([1])),
        ]
        nodes = [
            helper.make_node("Gather", ["vectors", "input_ids"], ["tokens_of"]),
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=kinds.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
            helper.make_node("Mul", ["tokens_of", "wide"], ["seen"]),
            helper.make_node("ReduceSum", ["seen", "middle"], [outputs], keepdims=0),
        ]
    output = helper.make_tensor_value_info(outputs, kinds.FLOAT, ["n", 5])
    graph = helper.make_graph(nodes, kind, inputs, [output], constants)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return os.fspath(path)


def onnx_flow(path: Any) -> str:
    """Writes a network of two pictures of 8 x 16 pixels.

    Its flow is, at each pixel, their difference in red (to the right) and in green
    (down); it also gives one of half the size.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = TensorProto.FLOAT
    side: Any = ["n", 3, 8, 16]
    inputs = [helper.make_tensor_value_info(name, kind, side) for name in "ab"]
    constants = [
        numpy_helper.from_array(np.array(values), name)
        for name, values in (("begin", [0]), ("end", [2]), ("axis", [1]))
    ]
    nodes = [
        helper.make_node("Sub", ["b", "a"], ["difference"]),
        helper.make_node("Slice", ["difference", "begin", "end", "axis"], ["fine"]),
        helper.make_node(
            "AveragePool", ["fine"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]
        ),
    ]
    outputs = [
        helper.make_tensor_value_info("coarse", kind, ["n", 2, 4, 8]),
        helper.make_tensor_value_info("fine", kind, ["n", 2, 8, 16]),
    ]
    graph = helper.make_graph(nodes, "flow", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return os.fspath(path)
