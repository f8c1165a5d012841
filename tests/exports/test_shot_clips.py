"""A video cut into one file a shot."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    Client,
    FrameType,
    KernelConfig,
    NullElement,
    PerfParams,
    register_python_op,
)
from beam_scanner import video as videos
from beam_scanner.errors import VideoError
from beam_scanner.exports.shot_clips import write_clips
from beam_scanner.exports.shot_ranges import ShotRange, Shots
from beam_scanner.storage import NamedVideoStream
from tests.support.video_fixtures import frame_number, make_video


@pytest.mark.parametrize("stored", [False, True], ids=["in place", "made by a graph"])
def test_clips(stored: bool, tmp_path: Path) -> None:
    sc = Client(db_path=str(tmp_path / "db"))
    video = NamedVideoStream(sc, "a", path=make_video(tmp_path / "a.mp4", 40))
    if stored:
        frames = sc.io.Input([video])
        video = NamedVideoStream(sc, "copy")
        output = sc.io.Output(frames.lossless(), [video])
        sc.run(output, PerfParams.manual(4, 8), show_progress=False)
    else:
        video.ingest()
    ranges = [ShotRange(a, b, a / 25, b / 25) for a, b in ((0, 13), (13, 20), (30, 40))]
    paths = [str(tmp_path / f"{n}.mp4") for n in range(3)]
    write_clips(Shots(video, ranges, Fraction(25)), paths)
    for path, shot in zip(paths, ranges, strict=True):
        with videos.open(path) as clip:
            numbers = [frame_number(frame) for frame in clip]
            assert np.allclose(clip.pts_seconds, np.arange(len(clip)) / 25)
        assert numbers == list(range(shot.first, shot.end))


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    sc = Client(db_path=str(tmp_path / "db"))
    video = NamedVideoStream(sc, "a", path=make_video(tmp_path / "a.mp4", 9))
    video.ingest()
    before = set(os.listdir(tmp_path))
    shots = Shots(video, [ShotRange(0, 9, 0, 0.36)], Fraction(25))
    with pytest.raises(VideoError, match="cannot be written"):
        write_clips(shots, [str(tmp_path / "gone" / "a.mp4")])
    assert set(os.listdir(tmp_path)) == before


@register_python_op()
def ExportedInParts(config: KernelConfig, frame: FrameType) -> FrameType:
    null: Any = NullElement()
    return null if frame_number(frame) in (2, 3, 12, 13, 14, 15) else frame


def test_null_rows_have_no_frame(tmp_path: Path) -> None:
    sc = Client(db_path=str(tmp_path / "db"))
    film = NamedVideoStream(sc, "a", path=make_video(tmp_path / "a.mp4", 40))
    video = NamedVideoStream(sc, "some")
    frames = sc.ops.ExportedInParts(frame=sc.io.Input([film]))
    output = sc.io.Output(frames.lossless(), [video])
    sc.run(output, PerfParams.manual(4, 8), show_progress=False)
    bounds = [(0, 6), (6, 12), (12, 16), (30, 40)]
    ranges = [ShotRange(a, b, a / 25, b / 25) for a, b in bounds]
    paths = [str(tmp_path / f"{n}.mp4") for n in range(4)]
    write_clips(Shots(video, ranges, Fraction(25)), paths)
    assert not os.path.exists(paths[2])
    expected = [[0, 1, 4, 5], [*range(6, 12)], [*range(30, 40)]]
    for path, numbers in zip((paths[0], paths[1], paths[3]), expected, strict=True):
        with videos.open(path) as clip:
            assert [frame_number(frame) for frame in clip] == numbers
            times = (np.array(numbers) - numbers[0]) / 25
            assert np.allclose(clip.pts_seconds, times, atol=1e-3)
