"""EstimateFlow, with a network whose flow is the difference of colors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner import NamedVideoStream, PerfParams, video
from beam_scanner.models.flow_models import FlowPictures
from tests.support.client_helpers import open_client
from tests.support.models import onnx_flow
from tests.support.video_fixtures import make_video

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")


def test_each_row_sees_the_next(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", 7)
    model = onnx_flow(tmp_path / "flow.onnx")
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        flow = sc.ops.EstimateFlow(frame=frames, model_uri=model, width=16, height=8)
        drawn = sc.ops.DrawFlow(frame=frames, flow=flow)
        outputs = [NamedVideoStream(sc, name) for name in ("flow", "drawn")]
        sc.run(
            [sc.io.Output(flow, outputs[:1]), sc.io.Output(drawn, outputs[1:])],
            PerfParams.manual(2, 4),
        )
        found = list(outputs[0].load())
        assert outputs[1].len() == 7
    with video.open(film) as reader:
        rows = list(reader)
    pictures = FlowPictures(16, 8)
    for row, flow_of_row in enumerate(found):
        pair = np.stack([rows[row], rows[min(row + 1, 6)]])
        first, second = pictures.preprocess(pair)
        wanted = pictures.postprocess((second - first)[:2], pair)
        assert np.allclose(flow_of_row, wanted, atol=1e-3)
