"""The counters of RunInference, under its names."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner.beam_internals.metrics_tracker import tracked_metrics
from beam_scanner.kernels.inference.inference_metrics import InferenceMetrics
from beam_scanner.kernels.inference.loaded_models import Loading


def test_what_is_counted() -> None:
    frames = [np.zeros((4, 5, 3), np.uint8)] * 7
    with tracked_metrics() as tracker:
        metrics = InferenceMetrics("Mine")
        metrics.count_loading(Loading(milliseconds=12, bytes=3000))
        with metrics.batch(frames):
            pass
        with pytest.raises(ValueError, match="no"), metrics.batch(frames):
            raise ValueError("no")
    updates = [(u.__reduce__()[1][1], value) for u, value in tracker.updates()]
    assert {name.namespace for name, _ in updates} == {"Mine"}
    found = {name.name: value for name, value in updates}
    assert found.pop("inference_batch_latency_micro_secs") >= 0
    assert found == {
        "num_inferences": 7,
        "failed_batches_counter": 1,
        "inference_request_batch_size": 7,
        "inference_request_batch_byte_size": 420,
        "load_model_latency_milli_secs": 12,
        "model_byte_size": 3000,
    }
