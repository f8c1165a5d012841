"""TensorFlow's SavedModel, by its signatures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.models.batches import stacked_inputs
from beam_scanner.models.file_models import FileModelHandler, results_of
from beam_scanner.models.libraries import TENSORFLOW, tensorflow
from beam_scanner.models.model_files import local_files


class SavedModelHandler(FileModelHandler):
    """A folder that ``tf.saved_model.save`` or Keras' ``model.export`` has written.

    Arrays are cast to the types of the signature. A prediction is an array, or where
    the signature has several outputs a dict of arrays by their names.

    Args:
        path: Path or URL (``gs://``, ``s3://``) of the folder.
        signature: Which of its functions is called.
        **options: Of ``FileModelHandler``: ``threads``, ``max_batch_size``,
            ``large_model``, ``model_copies`` and ``env_vars``.

    Examples:
        >>> SavedModelHandler('plants', large_model=True).share_model_across_processes()
        True
    """

    needs = (TENSORFLOW,)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        signature: str = "serving_default",
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._signature = signature

    def load_model(self) -> Any:
        """Loads the folder.

        Raises:
            ArgumentError: It has no such signature.
        """
        tf = tensorflow("SavedModelHandler", self._threads)
        with local_files(self._path) as path:
            model = tf.saved_model.load(path)
        if self._signature not in model.signatures:
            known = ", ".join(map(repr, model.signatures)) or "none"
            raise ArgumentError(
                f"{self._path!r} has no signature {self._signature!r}; it has {known}"
            )
        return model

    def run_inference(
        self,
        batch: Sequence[Any],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        """Predictions of a batch of arrays, or of dicts by names of inputs."""
        tf = tensorflow("SavedModelHandler", self._threads)
        function = model.signatures[self._signature]
        specs = dict(function.structured_input_signature[1])
        more = dict(inference_args or {})
        arrays = stacked_inputs(batch, [name for name in specs if name not in more])
        given = {
            name: tf.constant(array.astype(specs[name].dtype.as_numpy_dtype))
            for name, array in arrays.items()
        }
        more = {n: tf.constant(v, specs[n].dtype) for n, v in more.items()}
        found = {n: tensor.numpy() for n, tensor in function(**given, **more).items()}
        return results_of(batch, found)

    def get_metrics_namespace(self) -> str:
        """``BeamML_TensorFlow``."""
        return "BeamML_TensorFlow"
