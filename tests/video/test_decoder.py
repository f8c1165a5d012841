"""Every row, reached in any way, is the row of a linear decode, bit by bit."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, RowError
from beam_scanner.rows.gops import DecodePosition
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from tests.support.corpus import (
    KINDS,
    REAL,
    SHARED,
    Kind,
    indexed_kind,
    linear_decode,
    read_and_compare,
)
from tests.support.video_fixtures import frame_number


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


def _check(path: str, index: FrameIndex, expected: list[np.ndarray], rows) -> None:
    """Rows in separate calls, and in one, on one decoder; and the cost foretold."""
    ascending = sorted(set(rows))
    position, cost = DecodePosition(index.keyframes), 0
    with VideoDecoder(path, index) as decoder:
        for call in [[row] for row in rows] + [ascending]:
            read_and_compare(decoder, call, expected)
            cost += sum(position.advance(row) for row in call)
        assert decoder.frames_decoded == cost


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_generated(kind: Kind, folder):
    path, index, expected = indexed_kind(kind.name, folder)
    rows = len(expected)
    assert len(index) == rows == kind.options.get("frames", 50)
    assert len(index.keyframes) == kind.keyframes
    assert [frame_number(frame) for frame in expected] == list(range(rows))
    _check(path, index, expected, range(rows))
    _check(path, index, expected, range(rows - 1, -1, -1))
    for stride in (2, 5, 13):
        _check(path, index, expected, range(0, rows, stride))


SAMPLED = ["h264", "h264_open", "h264_short_gop", "h264_ts", "hevc_open", "vp9_mp4"]


@pytest.mark.parametrize("name", SAMPLED)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(calls=st.lists(st.sets(st.integers(0, 49), max_size=8), max_size=4))
def test_any_rows_in_any_calls(name, folder, calls):
    path, index, expected = indexed_kind(name, folder)
    position, cost = DecodePosition(index.keyframes), 0
    with VideoDecoder(path, index) as decoder:
        for call in calls:
            rows = sorted(call)
            read_and_compare(decoder, rows, expected)
            cost += sum(position.advance(row) for row in rows)
        assert decoder.frames_decoded == cost


@pytest.mark.parametrize("name", REAL)
@pytest.mark.slow
def test_real(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index, expected = index_video(path), linear_decode(str(path))
    rows = len(expected)
    assert len(index) == rows == REAL[name]
    assert expected[0].shape == (index.height, index.width, 3)
    rng = np.random.default_rng(7)
    chosen = rng.choice(rows, min(rows, 12), replace=False).tolist()
    _check(str(path), index, expected, [rows - 1, 0, *chosen])
    with VideoDecoder(path, index) as decoder:
        read_and_compare(decoder, range(rows), expected)


def test_rotation_is_the_one_that_players_apply():
    cv2 = pytest.importorskip("cv2")
    path = SHARED / "nasa_13013_rotated.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    capture = cv2.VideoCapture(str(path))
    shown = capture.read()[1][:, :, ::-1].astype(int)
    capture.release()
    with VideoDecoder(path, index_video(path)) as decoder:
        (frame,) = decoder.read([0])
    assert frame.shape == shown.shape == (480, 270, 3)
    assert np.abs(frame - shown).mean() < 3


def test_frames_belong_to_the_reader(folder):
    path, index, expected = indexed_kind("h264", folder)
    with VideoDecoder(path, index) as decoder:
        frames = list(decoder.read(range(10)))
        for frame in frames:
            frame += 1
        assert all(
            np.array_equal(frame, want + 1)
            for frame, want in zip(frames, expected[:10], strict=True)
        )


class _Opener:
    """Opens a file as an object store's client would: bytes by range."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = f"store://{path}"

    def __call__(self):
        return io.BytesIO(Path(self.path).read_bytes())


def test_opener_and_pickle(folder):
    path, _, expected = indexed_kind("h264", folder)
    opener = _Opener(path)
    index = index_video(opener)
    with VideoDecoder(opener, index) as decoder:
        read_and_compare(decoder, [30, 31], expected)
        copy = pickle.loads(pickle.dumps(decoder))
        read_and_compare(decoder, [32, 33], expected)
    with copy:
        assert copy.frames_decoded == 8
        read_and_compare(copy, [5], expected)


def test_rows_are_checked(folder):
    path, index, _ = indexed_kind("h264", folder)
    decoder = VideoDecoder(path, index)
    with pytest.raises(RowError, match=r"row 50 is not in video .* of 50 rows"):
        decoder.read([3, 50])
    with pytest.raises(RowError, match="row -1"):
        decoder.read([-1, 3])
    with pytest.raises(ArgumentError, match="ascend"):
        decoder.read([3, 3])
    assert list(decoder.read([])) == []
