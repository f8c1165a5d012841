"""Options of handlers of files, on every supported Beam."""

from __future__ import annotations

import os

import numpy as np
import pytest
from apache_beam.ml.inference.base import ModelHandler

from beam_scanner.kernels.inference.model_kinds import model_kind
from beam_scanner.models.file_models import FileModelHandler, results_of


def test_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_FILE_MODELS", "before")
    plain = FileModelHandler("a.onnx")
    assert isinstance(plain, ModelHandler)
    assert model_kind(plain).copies == 0
    full = FileModelHandler(
        "a.onnx",
        max_batch_size=5,
        large_model=True,
        env_vars={"TEST_FILE_MODELS": "on"},
    )
    kind = model_kind(full.with_preprocess_fn(len))
    assert (kind.copies, kind.batch(None)) == (1, 5)
    kind.set_environment()
    assert os.environ["TEST_FILE_MODELS"] == "on"
    assert model_kind(FileModelHandler("a", model_copies=3)).copies == 3


def test_bytes_and_results() -> None:
    handler = FileModelHandler("a.onnx")
    frame = np.zeros((4, 5, 3), np.uint8)
    assert handler.get_num_bytes([frame, {"x": frame, "y": frame}]) == 180
    found = results_of([1, 2], {"a": [3, 4], "b": [5, 6]})
    assert found[1].example == 2
    assert found[1].inference == {"a": 4, "b": 6}
