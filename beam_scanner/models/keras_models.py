"""Keras models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from beam_scanner.models.batches import rows_of_outputs, stacked_inputs
from beam_scanner.models.libraries import library, tensorflow
from beam_scanner.models.model_files import local_files


class KerasModelHandler(ModelHandler):  # type: ignore[misc]
    """A Keras model from a file, as ``model.save`` writes it.

    A prediction is an array, or where the model has several outputs a dict of arrays by
    their names.

    Args:
        path: Path or URL (``gs://``, ``s3://``) of a ``.keras`` or ``.h5`` file.
        custom_objects: By name, classes and functions that the model is made of.
        threads: Of the processor, that one call may use. Results may depend on it, so
            it is not taken from the machine: workers are what is in parallel.
        **options: Of Beam's ``ModelHandler``, as ``max_batch_size``, ``large_model``,
            ``model_copies`` and ``env_vars``.

    Examples:
        >>> KerasModelHandler('plants.keras', max_batch_size=32).batch_elements_kwargs()
        {'max_batch_size': 32}
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        custom_objects: Mapping[str, Any] | None = None,
        threads: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._path = os.fspath(path)
        self._custom_objects = custom_objects
        self._threads = threads

    def load_model(self) -> Any:
        """Loads the file."""
        if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
            tensorflow("KerasModelHandler", self._threads)
        keras = library("keras", "tensorflow", "KerasModelHandler")
        with local_files(self._path) as path:
            model = keras.models.load_model(
                path, custom_objects=self._custom_objects, compile=False
            )
        # Now, in one thread: later several would.
        model.make_predict_function()
        return model

    def run_inference(
        self,
        batch: Sequence[Any],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        """Predictions of a batch of arrays, or of dicts by names of inputs."""
        names = list(model.input_names) if hasattr(model, "input_names") else ["input"]
        arrays = stacked_inputs(batch, names)
        given = arrays if len(names) > 1 else arrays[names[0]]
        found = model.predict_on_batch(given, **(inference_args or {}))
        if not isinstance(found, Mapping):
            listed = found if isinstance(found, (list, tuple)) else [found]
            found = dict(zip(_output_names(model, len(listed)), listed, strict=True))
        return [
            PredictionResult(example, prediction)
            for example, prediction in zip(batch, rows_of_outputs(found), strict=True)
        ]

    def update_model_path(self, model_path: str | None = None) -> None:
        """Another file, for the next run."""
        self._path = self._path if model_path is None else model_path

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        """Bytes of the arrays."""
        return sum(np.asarray(example).nbytes for example in batch)

    def get_metrics_namespace(self) -> str:
        """``BeamML_Keras``."""
        return "BeamML_Keras"


def _output_names(model: Any, count: int) -> list[str]:
    names = list(getattr(model, "output_names", ()))
    return names if len(names) == count else [f"output_{n}" for n in range(count)]
