"""Where in the packets of a file a decoder is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from tests.support.corpus import indexed_kind, read_and_compare
from tests.support.video_fixtures import frame_number, make_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.mark.parametrize("threads", [0, 2])
def test_threads_change_nothing(folder, threads):
    for name in ("h264", "hevc", "vp9"):
        path, index, expected = indexed_kind(name, folder)
        with VideoDecoder(path, index, threads=threads) as decoder:
            for rows in (range(50), [3, 30], [1]):
                read_and_compare(decoder, rows, expected)


def test_a_changed_file_is_an_error(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    index = index_video(path)
    make_video(path, first_number=100)
    with (
        VideoDecoder(path, index) as decoder,
        pytest.raises(VideoError, match="has changed since it was indexed"),
    ):
        list(decoder.read([0]))
    Path(path).unlink()
    with pytest.raises(VideoError, match="does not exist"):
        list(VideoDecoder(path, index).read([0]))


def test_a_touched_or_copied_file_is_the_same(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    index = index_video(path)
    copy = shutil.copy(path, tmp_path / "b.mp4")
    Path(copy).touch()
    with VideoDecoder(copy, index) as decoder:
        assert frame_number(next(iter(decoder.read([7])))) == 7


def test_an_index_of_other_frames_is_never_believed(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    index = index_video(path)
    wrong = index.pts.copy()
    wrong[5:] += 1
    with VideoDecoder(path, replace(index, pts=wrong)) as decoder:
        assert frame_number(next(decoder.read([3]))) == 3
        with pytest.raises(VideoError, match=r"row 7 \(at 0.280 s\) cannot be decoded"):
            next(decoder.read([7]))
        assert frame_number(next(decoder.read([4]))) == 4
    longer = np.append(index.pts, index.pts[-1] + 512)
    with VideoDecoder(path, replace(index, pts=longer)) as decoder:
        with pytest.raises(VideoError, match="the video ends before it"):
            next(decoder.read([30]))
        assert frame_number(next(decoder.read([29]))) == 29
