"""Reading a video by row without a graph."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import beam_scanner.video
from beam_scanner.errors import ArgumentError, RowError, VideoError
from beam_scanner.video import VideoReader
from tests.support.corpus import SHARED, linear_decode
from tests.support.video_fixtures import frame_number, make_video

FRAMES = 40


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return make_video(tmp_path_factory.mktemp("reader") / "a.mp4", FRAMES, gop=10)


@pytest.fixture(scope="module")
def video(path):
    with beam_scanner.video.open(path) as video:
        yield video


def numbers(frames) -> list[int]:
    return [frame_number(frame) for frame in frames]


def test_it_is_a_sequence(video, path):
    assert len(video) == FRAMES
    assert numbers(video) == list(range(FRAMES))
    assert frame_number(video[-1]) == FRAMES - 1
    assert frame_number(video[np.int64(7)]) == 7
    expected = linear_decode(path)
    assert all(np.array_equal(a, b) for a, b in zip(video, expected, strict=True))


@settings(max_examples=25)
@given(rows=st.lists(st.integers(0, FRAMES - 1), max_size=12))
def test_rows_in_any_order(video, rows):
    assert numbers(video.read(rows)) == rows
    assert numbers(video.frames_at(np.array(rows, dtype=np.int32))) == rows


@settings(max_examples=25)
@given(bounds=st.slices(FRAMES))
def test_slices(video, bounds):
    assert numbers(video[bounds]) == list(range(FRAMES))[bounds]


def test_frames_are_the_callers_own(video):
    first, again = video.read([3, 3])
    first[:] = 0
    assert frame_number(again) == 3
    assert frame_number(video[3]) == 3


@pytest.mark.parametrize("row", [FRAMES, -FRAMES - 1])
def test_rows_that_are_not_there(video, row):
    with pytest.raises(RowError, match=rf"row {row} is not in .* of 40 rows"):
        video[row]
    with pytest.raises(RowError, match=f"row {row} is not"):
        video.read([0, row])


@pytest.mark.parametrize("rows", [3, "abc", [1.5], [[1]], ["a"], [True], None])
def test_what_are_no_rows(video, rows):
    with pytest.raises(ArgumentError, match="expected row numbers"):
        video.read(rows)


def test_a_row_that_is_no_number(video):
    with pytest.raises(TypeError):
        video["a"]


def test_what_it_tells(video):
    assert (video.width, video.height, video.codec) == (64, 48, "h264")
    assert (video.rate, video.rotation) == (25, 0)
    assert video.duration == pytest.approx(1.6)
    assert video.sample_aspect_ratio == 1
    assert video.keyframes.tolist() == [0, 10, 20, 30]
    assert video.times == pytest.approx(np.arange(FRAMES) / 25)
    assert video.pts_seconds is video.times
    assert video.lost.tolist() == []
    text = repr(video)
    assert "a.mp4': 40 frames, 64x48, 25 fps, 1.600 s, h264)" in text


def test_the_frame_that_is_shown_at_a_time(tmp_path):
    pts = [1000, 1001, 1050, 1400, 2000]
    path = make_video(
        tmp_path / "a.mp4", frames=5, pts=pts, time_base=Fraction(1, 1000)
    )
    with beam_scanner.video.open(path) as video:
        for row, time in enumerate(video.times.tolist()):
            assert frame_number(video.at(time)) == row
        assert frame_number(video.at(1.0499)) == 1
        assert frame_number(video.at(Fraction(139, 100))) == 2
        end = video.times[0] + video.duration
        assert end > 2
        assert frame_number(video.at(np.nextafter(end, 0))) == 4
        for outside in (0.5, end, 99, float("nan")):
            with pytest.raises(RowError, match="shows nothing at"):
                video.at(outside)


@pytest.mark.parametrize("kind", ["path", "file", "opener"])
def test_what_can_be_opened(path, kind):
    with open(path, "rb") as file:
        opener = partial(open, path, "rb")
        source = {"path": Path(path), "file": file, "opener": opener}
        with beam_scanner.video.open(source[kind]) as video:  # type: ignore[arg-type]
            assert numbers(video.read([25, 3, 26])) == [25, 3, 26]
        assert not file.closed


def test_a_closed_reader_opens_its_file_again(path):
    video = beam_scanner.video.open(path)
    assert frame_number(video[5]) == 5
    video.close()
    video.close()
    assert frame_number(video[6]) == 6
    video.close()


def test_pickles(path):
    with beam_scanner.video.open(path) as video:
        assert frame_number(video[5]) == 5
        copy: VideoReader = pickle.loads(pickle.dumps(video))
        assert numbers(copy.read([30, 6])) == [30, 6]
        copy.close()
    with (
        open(path, "rb") as file,
        beam_scanner.video.open(file) as video,
        pytest.raises(VideoError, match="open it by its path"),
    ):
        pickle.dumps(video)


def test_threads_may_share_it(video):
    found: dict[int, list[int]] = {}

    def read(step: int) -> None:
        found[step] = numbers(video.read(range(0, FRAMES, step)))

    threads = [threading.Thread(target=read, args=(step,)) for step in (1, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {step: list(range(0, FRAMES, step)) for step in (1, 3, 7)}


def test_rows_that_ascend_are_read_as_they_are_taken(path):
    with beam_scanner.video.open(path) as video:
        frames = video.read(range(FRAMES))
        next(frames)
        assert video._decoder is not None
        assert video._decoder.frames_decoded == 1
        assert (
            numbers(video.read(range(FRAMES - 1, -1, -1))) == list(range(FRAMES))[::-1]
        )
        # Some 256 MB of frames are decoded in order and given out in another.
        assert video._decoder.frames_decoded < 4 * FRAMES


def test_a_file_that_cannot_seek_is_refused(path):
    with (
        subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as process,
        pytest.raises(ArgumentError, match="a file that can seek"),
    ):
        beam_scanner.video.open(process.stdout)  # type: ignore[arg-type]


def test_bad_files_and_arguments(tmp_path, path):
    with pytest.raises(VideoError, match="does not exist"):
        beam_scanner.video.open(tmp_path / "none.mp4")
    with pytest.raises(ArgumentError, match="'strict' or 'salvage', got 'lenient'"):
        beam_scanner.video.open(path, damage="lenient")


def test_opening_loads_nothing_heavy_before_it_must():
    code = (
        "import sys, beam_scanner.video as video;"
        "assert not {'av', 'cv2'} & set(sys.modules);"
        "assert callable(video.open)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_turned_video_says_so():
    path = SHARED / "nasa_13013_rotated.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with beam_scanner.video.open(path) as video:
        assert "270x480" in repr(video)
        assert repr(video).endswith("h264, turned by 90 degrees)")
        assert video[0].shape == (480, 270, 3)
