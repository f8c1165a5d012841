"""Networks for flow, with one whose flow is the difference of colors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.models.flow_models import FlowModelHandler, FlowPictures
from tests.support.models import onnx_flow, onnx_means

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.0, 1.0)])
def test_flow_is_in_pixels_of_the_frame(
    tmp_path: Path, low: float, high: float
) -> None:
    handler = FlowModelHandler(onnx_flow(tmp_path / "flow.onnx"))
    pictures = FlowPictures(16, 8, low, high)
    pair = np.zeros((2, 24, 64, 3), np.uint8)
    pair[0], pair[1] = (10, 50, 0), (40, 20, 9)
    prepared = pictures.preprocess(pair)
    (found,) = handler.run_inference([prepared], handler.load_model())
    flow = pictures.postprocess(found.inference, pair)
    assert flow.shape == (24, 64, 2)
    assert flow.dtype == np.float32
    # 30 more red, 30 less green; the frame is 4 times as wide and 3 times as high.
    assert np.allclose(flow, np.array([120, -90]) * (high - low) / 255, rtol=1e-3)


def test_what_is_no_network_for_flow(tmp_path: Path) -> None:
    handler = FlowModelHandler(onnx_means(tmp_path / "means.onnx"))
    with pytest.raises(ElementTypeError, match="two inputs, this one 1: x"):
        handler.run_inference([np.zeros((2, 3, 8, 16))], handler.load_model())
    with pytest.raises(ArgumentError, match="got 0 and 8"):
        FlowPictures(0, 8)
