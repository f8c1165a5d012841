"""Ops that are calls of Infer: DetectFaces with a file of the user's for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    Client,
    DeviceType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    errors,
)
from beam_scanner.transforms import DetectFaces, ReadFromVideo
from tests.support.client_helpers import open_client
from tests.support.models import onnx_faces
from tests.support.video_fixtures import make_video

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

PERF = PerfParams.manual(4, 8)


@pytest.fixture
def sc(tmp_path: Path) -> Any:
    with open_client(tmp_path / "db") as client:
        yield client


def faces(sc: Client, film: Any, model: str) -> tuple[list[Any], Any]:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    found = sc.ops.DetectFaces(frame=frames, model_uri=model, score=0.5, batch=3)
    output = NamedStream(sc, "faces")
    report = sc.run(sc.io.Output(found, [output]), PERF, cache_mode=CacheMode.Overwrite)
    return list(output.load()), report


def test_a_model_of_the_users(sc: Client, tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", 12)
    model = onnx_faces(tmp_path / "faces.onnx", score=0.81)
    found, _ = faces(sc, film, model)
    assert [[round(box.score, 2) for box in row] for row in found] == [[0.9]] * 12
    # Other weights at the same path are other results.
    onnx_faces(tmp_path / "faces.onnx", score=0.64)
    frames = sc.io.Input([NamedVideoStream(sc, "film")])
    again = sc.ops.DetectFaces(frame=frames, model_uri=model, score=0.5, batch=3)
    output = sc.io.Output(again, [NamedStream(sc, "faces")])
    assert "DetectFaces" in str(sc.explain(output))
    assert "batch 3, on CPU, OnnxModelHandler" in str(sc.explain(output))
    with pytest.raises(errors.ScannerException, match="faces"):
        sc.run(output, PERF, cache_mode=CacheMode.Error)
    sc.run(output, PERF, cache_mode=CacheMode.Overwrite)
    found = list(NamedStream(sc, "faces").load())
    assert np.isclose([row[0].score for row in found], 0.8).all()


def test_what_is_refused(sc: Client, tmp_path: Path) -> None:
    model = onnx_faces(tmp_path / "faces.onnx", score=0.81)
    film = make_video(tmp_path / "film.mp4", 4)
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    ops: Any = sc.ops  # arguments that type checkers would refuse
    numbers = ops.Histogram(frame=frames)
    with pytest.raises(errors.ScannerException, match="op DetectFaces takes FrameType"):
        ops.DetectFaces(frame=numbers, model_uri=model)
    with pytest.raises(errors.ScannerException, match="stencil"):
        ops.DetectFaces(frame=frames, model_uri=model, stencil=[0, 1])
    with pytest.raises(errors.ScannerException, match="nonsense"):
        ops.DetectFaces(frame=frames, model_uri=model, nonsense=1)
    with pytest.raises(errors.ArgumentError, match=r"DetectObjects.*model_uri"):
        ops.DetectObjects(frame=frames)
    with pytest.raises(
        errors.ArgumentError, match=r"op DetectObjects cannot.*size='640'"
    ):
        ops.DetectObjects(frame=frames, model_uri=model, size="640")
    with pytest.raises(errors.ArgumentError, match="layout must be one of"):
        ops.DetectObjects(frame=frames, model_uri=model, layout="yolo")
    sc.ops.DetectFaces(frame=frames, model_uri=model, device=DeviceType.GPU)


def test_as_a_transform(tmp_path: Path) -> None:
    import apache_beam as beam
    from apache_beam.testing.util import assert_that, equal_to

    model = onnx_faces(tmp_path / "faces.onnx", score=0.81)
    film = make_video(tmp_path / "film.mp4", 4)
    with beam.Pipeline("FnApiRunner") as p:
        rows = p | ReadFromVideo(film) | DetectFaces(model_uri=model)
        counts = rows | beam.MapTuple(lambda key, boxes: (key.row, len(boxes)))
        assert_that(counts, equal_to([(row, 1) for row in range(4)]))
