"""What ``RunInference`` counts, under the same names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from beam_scanner.kernels.inference.loaded_models import Loading
from beam_scanner.kernels.inference.predictions import bytes_of


class InferenceMetrics:
    """The metrics of one model.

    Args:
        namespace: Of the metrics.
    """

    def __init__(self, namespace: str) -> None:
        from beam_scanner.beam_internals.quiet_import import import_beam

        import_beam()
        from apache_beam.metrics import Metrics

        def distribution(name: str) -> Any:
            return Metrics.distribution(namespace, name)

        self._inferences = Metrics.counter(namespace, "num_inferences")
        self._failed = Metrics.counter(namespace, "failed_batches_counter")
        self._rows = distribution("inference_request_batch_size")
        self._bytes = distribution("inference_request_batch_byte_size")
        self._micros = distribution("inference_batch_latency_micro_secs")
        self._load_millis = distribution("load_model_latency_milli_secs")
        self._model_bytes = distribution("model_byte_size")

    def count_loading(self, loading: Loading) -> None:
        """Counts a model that was loaded."""
        self._load_millis.update(loading.milliseconds)
        self._model_bytes.update(loading.bytes)

    @contextmanager
    def batch(self, examples: list[Any]) -> Iterator[None]:
        """Counts a batch, and how long the model takes for it."""
        began = perf_counter()
        try:
            yield
        except BaseException:
            self._failed.inc()
            raise
        self._micros.update(int((perf_counter() - began) * 1e6))
        self._inferences.inc(len(examples))
        self._rows.update(len(examples))
        self._bytes.update(bytes_of(examples))
