"""Every row, reached in any way, is the row of a linear decode, bit by bit."""

from __future__ import annotations

import contextlib
import io
import pickle
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ArgumentError, RowError, VideoError
from beam_scanner.rows.gops import DecodePosition
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import fingerprint
from tests.support.corpus import KINDS, REAL, SHARED, Kind, linear_decode
from tests.support.video_fixtures import frame_number, make_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@cache
def _made(kind_name: str, folder: Path) -> tuple[str, FrameIndex, list[np.ndarray]]:
    kind = next(kind for kind in KINDS if kind.name == kind_name)
    path = kind.make(folder)
    return path, index_video(path), linear_decode(path)


def _read(decoder: VideoDecoder, rows, expected) -> None:
    frames = list(decoder.read(rows))
    assert len(frames) == len(rows)
    for row, frame in zip(rows, frames, strict=True):
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        assert np.array_equal(frame, expected[row]), f"row {row} of {rows}"


def _check(path: str, index: FrameIndex, expected: list[np.ndarray], rows) -> None:
    """Rows in separate calls, and in one, on one decoder; and the cost foretold."""
    ascending = sorted(set(rows))
    position, cost = DecodePosition(index.keyframes), 0
    with VideoDecoder(path, index) as decoder:
        for call in [[row] for row in rows] + [ascending]:
            _read(decoder, call, expected)
            cost += sum(position.advance(row) for row in call)
        assert decoder.frames_decoded == cost


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_generated(kind: Kind, folder):
    path, index, expected = _made(kind.name, folder)
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
    path, index, expected = _made(name, folder)
    position, cost = DecodePosition(index.keyframes), 0
    with VideoDecoder(path, index) as decoder:
        for call in calls:
            rows = sorted(call)
            _read(decoder, rows, expected)
            cost += sum(position.advance(row) for row in rows)
        assert decoder.frames_decoded == cost


@pytest.mark.parametrize("name", REAL)
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
        _read(decoder, range(rows), expected)


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


@pytest.mark.parametrize("threads", [0, 2])
def test_threads_change_nothing(folder, threads):
    for name in ("h264", "hevc", "vp9"):
        path, index, expected = _made(name, folder)
        with VideoDecoder(path, index, threads=threads) as decoder:
            for rows in (range(50), [3, 30], [1]):
                _read(decoder, rows, expected)


def test_pictures_that_nothing_needs_are_left_out(folder):
    path, index, expected = _made("h264_b16", folder)
    with VideoDecoder(path, index) as decoder:
        _read(decoder, [39], expected)
        assert decoder.frames_decoded == 40
        assert decoder.frames_skipped > 5


def test_frames_belong_to_the_reader(folder):
    path, index, expected = _made("h264", folder)
    with VideoDecoder(path, index) as decoder:
        frames = list(decoder.read(range(10)))
        for frame in frames:
            frame += 1
        assert all(
            np.array_equal(frame, want + 1)
            for frame, want in zip(frames, expected[:10], strict=True)
        )


def test_an_unfinished_read_leaves_a_usable_decoder(folder):
    path, index, expected = _made("h264", folder)
    with VideoDecoder(path, index) as decoder:
        rows = decoder.read(range(50))
        next(rows)
        next(rows)
        _read(decoder, [2, 40], expected)


class _Opener:
    """Opens a file as an object store's client would: bytes by range."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = f"store://{path}"

    def __call__(self):
        return io.BytesIO(Path(self.path).read_bytes())


def test_opener_and_pickle(folder):
    path, _, expected = _made("h264", folder)
    opener = _Opener(path)
    index = index_video(opener)
    with VideoDecoder(opener, index) as decoder:
        _read(decoder, [30, 31], expected)
        copy = pickle.loads(pickle.dumps(decoder))
        _read(decoder, [32, 33], expected)
    with copy:
        assert copy.frames_decoded == 8
        _read(copy, [5], expected)


def test_rows_are_checked(folder):
    path, index, _ = _made("h264", folder)
    decoder = VideoDecoder(path, index)
    with pytest.raises(RowError, match=r"row 50 is not in video .* of 50 rows"):
        decoder.read([3, 50])
    with pytest.raises(RowError, match="row -1"):
        decoder.read([-1, 3])
    with pytest.raises(ArgumentError, match="ascend"):
        decoder.read([3, 3])
    assert list(decoder.read([])) == []


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


def test_damage_is_an_error_and_other_rows_are_right(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=60, gop=10, bframes=0, size=(160, 120))
    index, expected = index_video(path), linear_decode(path)
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        hurt = [
            (p.pos, p.size) for p in packets if 22 <= index.pts.searchsorted(p.pts) < 26
        ]
    data = bytearray(Path(path).read_bytes())
    for pos, size in hurt:
        data[pos + 4 : pos + size] = b"\xff" * (size - 4)
    Path(path).write_bytes(data)
    index = replace(index, fingerprint=fingerprint(path))
    with VideoDecoder(path, index) as decoder:
        for row in range(60):
            # Rows 22 to 25 are damaged; 26 to 29 refer to them.
            if 22 <= row < 30:
                with pytest.raises(VideoError, match=rf"row {row} \(at"):
                    next(decoder.read([row]))
            else:
                _read(decoder, [row], expected)
