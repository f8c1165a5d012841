"""EmbedFrames and LabelFrames, with encoders of small random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from beam_scanner import (
    CacheMode,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    errors,
    video,
)
from beam_scanner.models.image_inputs import ImageInput, embedding_of
from beam_scanner.types import Label
from tests.models.test_zero_shot import word_tokenizer
from tests.support.client_helpers import open_client
from tests.support.models import onnx_encoder
from tests.support.video_fixtures import make_video

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")


@pytest.fixture
def film(tmp_path: Path) -> str:
    return make_video(tmp_path / "film.mp4", 7)


def run(tmp_path: Path, film: str, make: Any) -> list[Any]:
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        output = NamedStream(sc, "output")
        sc.run(sc.io.Output(make(sc, frames), [output]), PerfParams.manual(4, 4))
        return list(output.load())


def test_embeddings(tmp_path: Path, film: str) -> None:
    model = onnx_encoder(tmp_path / "image.onnx", "image")
    found = run(
        tmp_path,
        film,
        lambda sc, frames: sc.ops.EmbedFrames(
            frame=frames, model_uri=model, family="dino", size=8
        ),
    )
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    prepare = ImageInput("dino", 8)
    with video.open(film) as reader:
        wanted = [
            embedding_of(session.run(None, {"pixel_values": prepare(frame)[None]})[0])
            for frame in reader
        ]
    assert np.allclose(found, wanted, atol=1e-5)
    assert found[0].dtype == np.float32


def test_embeddings_of_a_known_length(tmp_path: Path, film: str) -> None:
    model = onnx_encoder(tmp_path / "image.onnx", "image")
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        output = NamedStream(sc, "output")

        def run_with(length: int) -> None:
            column = sc.ops.EmbedFrames(
                frame=frames, model_uri=model, size=8, length=length
            )
            sc.run(
                sc.io.Output(column, [output]),
                PerfParams.manual(4, 4),
                cache_mode=CacheMode.Overwrite,
            )

        run_with(5)
        column = pq.read_schema(output.files()[0]).field("value").type
        assert str(column) == "fixed_size_list<element: float>[5]"
        assert [each.shape for each in output.load()] == [(5,)] * 7
        with pytest.raises(errors.JobFailure, match="op EmbedFrames"):
            run_with(6)


def test_labels(tmp_path: Path, film: str) -> None:
    arguments = {
        "model_uri": onnx_encoder(tmp_path / "image.onnx", "image"),
        "text_model_uri": onnx_encoder(tmp_path / "text.onnx", "text"),
        "tokenizer_uri": word_tokenizer(tmp_path / "tokenizer.json"),
    }
    labels = ["cat", "dog", "photo"]
    found = run(
        tmp_path,
        film,
        lambda sc, frames: sc.ops.LabelFrames(
            frame=frames, labels=labels, size=8, scale=3.0, **arguments
        ),
    )
    assert len(found) == 7
    for row in found:
        assert [type(label) for label in row] == [Label] * 3
        assert sorted(label.name for label in row) == labels
        assert all(label.name == labels[label.index] for label in row)
        assert np.isclose(sum(label.score for label in row), 1)
        assert row[0].score >= row[1].score >= row[2].score
    with pytest.raises(errors.ArgumentError, match="list of names"):
        run(
            tmp_path,
            film,
            lambda sc, frames: sc.ops.LabelFrames(
                frame=frames, labels="cat", **arguments
            ),
        )
