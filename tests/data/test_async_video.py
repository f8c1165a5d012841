"""SLEAP's class for frames that are loaded in the background."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import beam_scanner.scannerpy
from beam_scanner.data import AsyncVideo
from beam_scanner.errors import ArgumentError, RowError
from tests.support.corpus import linear_decode
from tests.support.decoding import check, processes, wait_for_end
from tests.support.video_fixtures import make_video

FRAMES = 70


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("async") / "a.mp4", FRAMES)


@pytest.fixture(scope="module")
def expected(path):
    return linear_decode(path)


def test_the_whole_video(path, expected):
    loading = AsyncVideo.from_video(path)
    workers = processes(loading._frames)
    chunks = list(loading.chunks)
    assert [len(rows) for rows, _ in chunks] == [64, 6]
    assert isinstance(chunks[0][0], list)
    assert chunks[0][1].dtype == np.uint8
    check(chunks, range(FRAMES), expected)
    wait_for_end(workers, 0.1)
    assert list(loading.chunks) == []


def test_rows_as_they_are_asked_for_of_several_at_a_time(path, expected):
    video = SimpleNamespace(filename=path)
    rows = [9, 3, 3, 69, 0]
    with (
        AsyncVideo.from_video(video, frame_idxs=iter(rows), frames_per_chunk=2) as one,
        AsyncVideo(base_port=9010) as other,
    ):
        other.load_by_chunk(video, frame_idxs=np.array(rows[:2]), frames_per_chunk=3)
        chunks = list(one.chunks)
        assert [found for found, _ in chunks] == [[9, 3], [3, 69], [0]]
        check(chunks, rows, expected)
        check(list(other.chunks), rows[:2], expected)


def test_another_request_takes_the_place_of_the_first(path, expected):
    with AsyncVideo.from_video(path, frames_per_chunk=10) as loading:
        first = loading.chunks
        next(first)
        loading.load_by_chunk(path, [5, 6], 10)
        assert list(first) == []
        check(list(loading.chunks), [5, 6], expected)


def test_no_rows_and_no_video(path):
    assert list(AsyncVideo.from_video(path, []).chunks) == []
    with pytest.raises(ArgumentError, match="call load_by_chunk first"):
        _ = AsyncVideo().chunks
    with pytest.raises(ArgumentError, match="expected a video, or its path, got 3"):
        AsyncVideo.from_video(3)
    with pytest.raises(RowError, match="row 70 is outside"):
        AsyncVideo.from_video(path, [70])


def test_closing_twice(path):
    loading = AsyncVideo.from_video(path)
    workers = processes(loading._frames)
    loading.close()
    loading.close()
    wait_for_end(workers, 0.1)


def test_it_is_where_scanners_names_are():
    assert beam_scanner.scannerpy.AsyncVideo is AsyncVideo
