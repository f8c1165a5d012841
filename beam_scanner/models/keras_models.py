"""Keras models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beam_scanner.models.batches import stacked_inputs
from beam_scanner.models.file_models import FileModelHandler, results_of
from beam_scanner.models.libraries import (
    KERAS,
    TENSORFLOW,
    Package,
    library,
    tensorflow,
)
from beam_scanner.models.model_files import local_files


class KerasModelHandler(FileModelHandler):
    """A Keras model from a file, as ``model.save`` writes it.

    A prediction is an array, or where the model has several outputs a dict of arrays by
    their names.

    Args:
        path: Path or URL (``gs://``, ``s3://``) of a ``.keras`` or ``.h5`` file.
        custom_objects: By name, classes and functions that the model is made of.
        **options: Of ``FileModelHandler``: ``threads``, ``max_batch_size``,
            ``large_model``, ``model_copies`` and ``env_vars``.

    Examples:
        >>> KerasModelHandler('plants.keras', max_batch_size=32).batch_elements_kwargs()
        {'max_batch_size': 32}
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        custom_objects: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._custom_objects = custom_objects

    @property
    def needs(self) -> tuple[Package, ...]:
        """Keras, and what it computes with where that is TensorFlow."""
        return (KERAS, TENSORFLOW) if _on_tensorflow() else (KERAS,)

    def load_model(self) -> Any:
        """Loads the file."""
        if _on_tensorflow():
            tensorflow("KerasModelHandler", self._threads)
        keras = library(KERAS, "KerasModelHandler")
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
        named = isinstance(batch[0], Mapping)
        names = _input_names(model) or (list(batch[0]) if named else ["input"])
        arrays = stacked_inputs(batch, names)
        given = arrays if named else arrays[names[0]]
        found = model.predict_on_batch(given, **(inference_args or {}))
        if not isinstance(found, Mapping):
            listed = found if isinstance(found, (list, tuple)) else [found]
            found = dict(zip(_output_names(model, len(listed)), listed, strict=True))
        return results_of(batch, found)

    def get_metrics_namespace(self) -> str:
        """``BeamML_Keras``."""
        return "BeamML_Keras"


def _input_names(model: Any) -> list[str]:
    """As Keras finds inputs in a dict; none of a model with a ``call`` of its own."""
    inputs = getattr(model, "inputs", None) or ()
    whole = getattr(model, "input", None) if inputs else None
    return list(whole if isinstance(whole, Mapping) else (each.name for each in inputs))


def _output_names(model: Any, count: int) -> list[str]:
    names = list(getattr(model, "output_names", ()))
    return names if len(names) == count else [f"output_{n}" for n in range(count)]


def _on_tensorflow() -> bool:
    return os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
