"""Starts and rows of an index, confirmed by decoding."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from tests.support.corpus import linear_decode
from tests.support.video_fixtures import make_video
from tests.support.video_fuzzing import fuzz


def _read(decoder: VideoDecoder, rows, expected) -> None:
    frames = list(decoder.read(rows))
    assert len(frames) == len(rows)
    for row, frame in zip(rows, frames, strict=True):
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        assert np.array_equal(frame, expected[row]), f"row {row} of {rows}"


def test_a_false_keyframe_is_worked_around(tmp_path):
    # A keyframe that is none: row 18 has the time of a P-frame.
    path = make_video(tmp_path / "a.mp4", gop=12, bframes=0)
    index = index_video(path)
    false = replace(
        index,
        keyframes=np.array([0, 12, 18, 24]),
        seek_pts=np.insert(index.seek_pts, 2, index.pts[18]),
        seek_dts=np.insert(index.seek_dts, 2, index.pts[18]),
        seek_pos=np.insert(index.seek_pos, 2, -1),
        gop_bytes=np.insert(index.gop_bytes, 2, 0),
    )
    expected = linear_decode(path)
    with VideoDecoder(path, false) as decoder:
        with contextlib.suppress(VideoError):
            _read(decoder, [20], expected)
        _read(decoder, [13, 29], expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzzed")


@pytest.mark.slow
def test_a_decoder_fails_before_it_gives_what_it_holds(folder):
    """A false end of an MP4 that has no place to start at."""
    outcome = fuzz(60266, folder)
    assert (outcome.kind, outcome.damage) == ("mpeg4", "cut_head")
    assert outcome.errors > 0
    assert not outcome.findings
