"""Timecodes of files, and when they start."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from beam_scanner.exports.source_clock import SourceClock, source_clock
from beam_scanner.storage import NamedStorage, NamedVideoStream
from tests.support.video_fixtures import make_video


def test_the_timecode_of_a_camera(tmp_path: Path) -> None:
    path = str(tmp_path / "camera.mov")
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        file.metadata["timecode"] = "10:00:00:05"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    video = NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a", path=path)
    video.ingest()
    assert source_clock(video) == SourceClock("10:00:00:05", 0.0)


def test_a_file_that_starts_late(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.ts", 5)
    video = NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a", path=path)
    video.ingest()
    with av.open(path) as file:
        assert file.start_time is not None
        assert source_clock(video) == SourceClock(None, file.start_time / 1e6)
    os.remove(path)
    with pytest.warns(UserWarning, match="timecode is unknown"):
        assert source_clock(video) == SourceClock()
