"""One file is opened, and nothing but that file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.indexing import index_video
from tests.support.hostile import box, replace_box
from tests.support.video_fixtures import make_video


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"just some text, no video at all\n" * 50, "is not a file that FFmpeg"),
        (bytes(100_000), "is not a file that FFmpeg"),
    ],
    ids=["missing", "empty", "text", "zeros"],
)
@pytest.mark.parametrize("extension", ["mp4", "mkv", "txt"])
def test_no_video(tmp_path, content, message, extension):
    path = tmp_path / f"a.{extension}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        index_video(path)
    assert str(path) in str(caught.value)
    if extension != "txt":
        assert message in str(caught.value)


def test_folder_and_audio_only(tmp_path):
    with pytest.raises(VideoError, match="is a folder"):
        index_video(tmp_path)
    path = str(tmp_path / "a.wav")
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(VideoError, match="has no video stream"):
        index_video(path)


def test_too_many_tracks(tmp_path):
    whole = Path(make_video(tmp_path / "a.mp4", 2, size=(64, 48))).read_bytes()
    start = box(whole, b"trak") - 8
    track = whole[start : start + int.from_bytes(whole[start : start + 4], "big")]
    path = tmp_path / "many.mp4"
    path.write_bytes(replace_box(whole, b"trak", track * 1001, (b"moov",)))
    with pytest.raises(VideoError, match=r"many\.mp4.* more than 1000 tracks"):
        index_video(path)


def test_a_name_that_looks_like_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video("plain.mp4")
    Path("plain.mp4").rename("concat:a|b.mp4")
    assert len(index_video("concat:a|b.mp4")) == 30
