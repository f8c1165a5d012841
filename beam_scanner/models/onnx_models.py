"""ONNX models, with all their outputs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from beam_scanner.models.batches import stacked_inputs
from beam_scanner.models.file_models import FileModelHandler, results_of
from beam_scanner.models.libraries import ONNX, Package, library
from beam_scanner.models.model_files import local_files


class OnnxModelHandler(FileModelHandler):
    """A model for onnxruntime.

    Arrays are cast to the types of its inputs. A prediction is an array, or where the
    model has several outputs a dict of arrays by their names. A model that was exported
    for a fixed number of rows is called with so many, as often as a batch needs; what is
    missing in the last call is filled up and left out again.

    Args:
        path: Path or URL (``gs://``, ``s3://``) of the file.
        providers: Where it may run, the best first; those that this onnxruntime does not
            have are passed over.
        **options: Of ``FileModelHandler``: ``threads``, ``max_batch_size``,
            ``large_model``, ``model_copies`` and ``env_vars``.

    Examples:
        >>> OnnxModelHandler('yunet.onnx').get_metrics_namespace()
        'BeamML_Onnx'
    """

    needs: tuple[Package, ...] = (ONNX,)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        providers: Sequence[str] = ("CUDAExecutionProvider", "CPUExecutionProvider"),
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._providers = list(providers)

    def load_model(self) -> Any:
        """Makes a session."""
        ort = library(ONNX, "OnnxModelHandler")
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        available = ort.get_available_providers()
        providers = [name for name in self._providers if name in available]
        with local_files(self._path) as path:
            return ort.InferenceSession(path, options, providers=providers)

    def run_inference(
        self,
        batch: Sequence[Any],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        """Predictions of a batch of arrays, or of dicts by names of inputs."""
        more = dict(inference_args or {})
        inputs = {each.name: each for each in model.get_inputs()}
        arrays = stacked_inputs(batch, [name for name in inputs if name not in more])
        arrays = {
            n: array.astype(_dtype(inputs[n].type)) for n, array in arrays.items()
        }
        fixed = [inputs[n].shape[0] for n in arrays if inputs[n].shape]
        size = next((n for n in fixed if isinstance(n, int)), len(batch))
        names = [each.name for each in model.get_outputs()]
        found: dict[str, list[Any]] = {name: [] for name in names}
        for first in range(0, len(batch), size):
            part = {
                n: _filled(a[first : first + size], size) for n, a in arrays.items()
            }
            count = min(size, len(batch) - first)
            for name, values in zip(
                names, model.run(None, {**part, **more}), strict=True
            ):
                found[name] += list(values[:count])
        return results_of(batch, found)

    def get_metrics_namespace(self) -> str:
        """``BeamML_Onnx``."""
        return "BeamML_Onnx"


_DTYPES = {"float": "float32", "double": "float64", "string": "object"}


def _dtype(kind: str) -> Any:
    """The dtype of ``tensor(float)`` and others, as onnxruntime says them."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype(_DTYPES.get(name, name))


def _filled(array: Any, size: int) -> Any:
    """As many rows as a model of fixed batch wants."""
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
