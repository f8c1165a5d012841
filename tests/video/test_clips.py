"""Clips have the frames of their rows, bit for bit where they are copied."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError
from beam_scanner.video.clips import cut_clips
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.indexing import index_video
from tests.support.corpus import REAL, SHARED, linear_decode
from tests.support.video_fixtures import frame_number, numbered_frame

ROWS = 48


def film(folder: Path, codec: str) -> str:
    path = str(folder / f"{codec}.mp4")
    with VideoEncoder(path, Encoding(codec, keyframe_distance=12)) as encoder:
        for row in range(ROWS):
            encoder.write(numbered_frame(row, (64, 48)), row / 25)
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "lossless"])
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(bounds=st.sets(st.integers(0, ROWS), min_size=2, max_size=6))
def test_clips(codec: str, bounds: set[int], tmp_path: Path) -> None:
    path = film(tmp_path, codec)
    index, frames = index_video(path), linear_decode(path)
    edges = sorted(bounds)
    ranges = list(itertools.pairwise(edges))
    paths = [str(tmp_path / f"{number}.mp4") for number in range(len(ranges))]
    copied = list(cut_clips(path, index, ranges, paths))
    keys = {*index.keyframes.tolist(), ROWS}
    for own, (first, end), is_copy in zip(paths, ranges, copied, strict=True):
        found = linear_decode(own)
        assert is_copy or not {first, end} <= keys
        assert len(found) == end - first
        assert [frame_number(f) for f in found] == list(range(first, end))
        if is_copy:
            assert np.array_equal(found, frames[first:end])


@pytest.mark.parametrize("name", REAL)
def test_real_films(name: str, tmp_path: Path) -> None:
    path = str(SHARED / name)
    index = index_video(path)
    edges = sorted({0, *index.keyframes[1:3].tolist(), min(len(index), 90)})
    ranges = list(itertools.pairwise(edges))
    paths = [str(tmp_path / f"{number}.mp4") for number in range(len(ranges))]
    frames = linear_decode(path)
    made = cut_clips(path, index, ranges, paths)
    for own, (first, end), is_copy in zip(paths, ranges, made, strict=True):
        found = linear_decode(own)
        assert len(found) == end - first
        if is_copy:
            assert np.array_equal(found, frames[first:end])
        else:
            error = np.abs(
                np.int16(np.stack(found)) - np.int16(np.stack(frames[first:end]))
            )
            assert error.mean() < 4


@pytest.mark.parametrize("ranges", [[(0, 0)], [(0, 9), (5, 12)], [(40, 49)], [(-1, 3)]])
def test_wrong_ranges(ranges: list[tuple[int, int]], tmp_path: Path) -> None:
    path = film(tmp_path, "h264")
    with pytest.raises(ArgumentError, match="no clip"):
        list(cut_clips(path, index_video(path), ranges, ["x.mp4"] * len(ranges)))
