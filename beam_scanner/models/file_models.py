"""What handlers of models in files have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from beam_scanner.models.batches import rows_of_outputs


class FileModelHandler(ModelHandler):  # type: ignore[misc]
    """A model in a file or folder.

    Args:
        path: Path or URL (``gs://``, ``s3://``).
        threads: Of the processor, that one call may use. Results may depend on it, so
            it is not taken from the machine: workers are what is in parallel.
        max_batch_size: Most rows a call; None leaves it to the op.
        large_model: Whether all processes of a machine share one copy.
        model_copies: How many copies they share.
        env_vars: Environment variables that are set before the model is loaded.

    Examples:
        >>> FileModelHandler('a.onnx', max_batch_size=8).batch_elements_kwargs()
        {'max_batch_size': 8}
        >>> FileModelHandler('a.onnx', model_copies=2).share_model_across_processes()
        True
    """

    # The oldest Beam that is supported has a constructor that takes none of these.
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int = 1,
        max_batch_size: int | None = None,
        large_model: bool = False,
        model_copies: int | None = None,
        env_vars: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._path = os.fspath(path)
        self._threads = threads
        self._batching_kwargs = {}
        if max_batch_size is not None:
            self._batching_kwargs["max_batch_size"] = max_batch_size
        self._shared = large_model or model_copies is not None
        self._copies = model_copies or 1
        self._env_vars = dict(env_vars or {})

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """The size of batches, if it was given."""
        return self._batching_kwargs

    def share_model_across_processes(self) -> bool:
        """Whether processes share copies."""
        return self._shared

    def model_copies(self) -> int:
        """How many copies they share."""
        return self._copies

    def update_model_path(self, model_path: str | None = None) -> None:
        """Another file, for the next run."""
        self._path = self._path if model_path is None else model_path

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        """Bytes of the arrays."""
        return sum(
            np.asarray(array).nbytes
            for example in batch
            for array in (
                example.values() if isinstance(example, Mapping) else [example]
            )
        )


def results_of(batch: Sequence[Any], outputs: Mapping[str, Iterable[Any]]) -> list[Any]:
    """Beam's results of a batch.

    Args:
        batch: The examples.
        outputs: By name, each with one part a row.
    """
    return [
        PredictionResult(example, prediction)
        for example, prediction in zip(batch, rows_of_outputs(outputs), strict=True)
    ]
