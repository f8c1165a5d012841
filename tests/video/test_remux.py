"""Segments join into one video of the same pictures, which other programs play."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.indexing import index_video
from beam_scanner.video.remux import concatenate
from tests.support.corpus import REAL, SHARED, linear_decode
from tests.support.video_fixtures import frame_number, make_video, numbered_frame


def _segments(folder, lengths, encodings, size=(64, 48), rate=25):
    """Paths of segments that continue each other, and all their decoded frames."""
    paths, frames, row = [], [], 0
    for i, length in enumerate(lengths):
        path = str(folder / f"{i}.mp4")
        with VideoEncoder(path, encodings[i % len(encodings)]) as encoder:
            for _ in range(length):
                encoder.write(numbered_frame(row, size), row / rate)
                row += 1
        with VideoDecoder(path, encoder.index) as decoder:
            frames += decoder.read(np.arange(length))
        paths.append(path)
    return paths, frames


def _check_opencv(path, rows, fps=None):
    cv2 = pytest.importorskip("cv2")
    capture = cv2.VideoCapture(path)
    if fps is not None:
        assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(fps)
    numbers = []
    while (read := capture.read())[0]:
        numbers.append(frame_number(read[1]))
    capture.release()
    assert numbers == list(range(rows))


def _check_same(path, frames):
    index = index_video(path, verify=True)
    with VideoDecoder(path, index) as decoder:
        for row, frame in enumerate(decoder.read(np.arange(len(index)))):
            assert np.array_equal(frame, frames[row])
        for row in range(len(index) - 1, -1, -3):
            assert np.array_equal(next(decoder.read([row])), frames[row])
    assert len(index) == len(frames)
    return index


@pytest.mark.parametrize("codec", ["default", "h264", "hevc", "vp9", "av1", "raw"])
@pytest.mark.parametrize("size", [(64, 48), (65, 49)], ids=["even", "odd"])
def test_no_picture_is_coded_again(codec, size, tmp_path):
    lengths = [30, 1, 2, 17]
    paths, frames = _segments(tmp_path, lengths, [Encoding(codec)], size)
    out = str(tmp_path / "out.mp4")
    concatenate(paths, None, out)
    index = _check_same(out, frames)
    assert (index.width, index.height) == size
    assert index.seconds(np.arange(50)) == pytest.approx(np.arange(50) / 25, abs=1e-4)
    assert index.duration_seconds == pytest.approx(2)
    assert {30, 31, 33} <= set(index.keyframes.tolist())
    if codec != "av1":
        _check_opencv(out, 50, 25)


def test_times_and_rates(tmp_path):
    paths, frames = _segments(tmp_path, [20, 20], [Encoding()])
    out = str(tmp_path / "out.mp4")
    times = 100 + np.cumsum(np.linspace(0.02, 0.4, 40))
    concatenate(paths, times, out)
    index = _check_same(out, frames)
    assert index.seconds(np.arange(40)) == pytest.approx(times - times[0], abs=1e-4)
    concatenate(paths, np.repeat(np.arange(20) / 10, 2), out)
    index = _check_same(out, frames)
    assert np.diff(index.seconds(np.arange(40))) == pytest.approx(0.1)
    for fps in (10, 30000 / 1001, 0.5):
        concatenate(paths, times, out, fps=fps)
        index = _check_same(out, frames)
        assert np.diff(index.seconds(np.arange(40))) == pytest.approx(1 / fps, abs=2e-5)
    _check_opencv(out, 40, 0.5)


def test_scale_codes_again(tmp_path):
    paths, _ = _segments(tmp_path, [10, 10], [Encoding()])
    out = str(tmp_path / "out.mp4")
    concatenate(paths, None, out, scale=(97, 71))
    index = index_video(out)
    assert (index.width, index.height) == (97, 71)
    with VideoDecoder(out, index) as decoder:
        numbers = [frame_number(f) for f in decoder.read(np.arange(20))]
    assert numbers == list(range(20))
    _check_opencv(out, 20, 25)


def test_segments_that_an_encoder_described_differently(tmp_path):
    # The rate that rate control was told is in the decoder configuration.
    encoding = Encoding("h264", bitrate=500_000, keyframe_distance=5)
    first, frames = _segments(tmp_path, [12], [encoding], rate=25)
    other = tmp_path / "other"
    other.mkdir()
    second, more = _segments(other, [12], [encoding], rate=10)
    out = str(tmp_path / "out.mp4")
    concatenate([*first, *second, *first], None, out)
    _check_same(out, frames + more + frames)


@pytest.mark.parametrize(
    "encodings",
    [
        [Encoding("h264"), Encoding("hevc")],
        [Encoding("h264", keyframe_distance=7), Encoding("h264", quality=0)],
        [Encoding("h264", quality=10), Encoding("h264", quality=40)],
        [Encoding("raw"), Encoding("h264")],
    ],
    ids=["codecs", "lossless", "qualities", "raw"],
)
def test_mixed_segments_still_join(encodings, tmp_path):
    paths, _ = _segments(tmp_path, [15, 15, 15], encodings)
    out = str(tmp_path / "out.mp4")
    concatenate(paths, None, out, fps=25)
    frames = linear_decode(out)
    assert [frame_number(frame) for frame in frames] == list(range(45))
    _check_opencv(out, 45, 25)


def test_sizes_must_agree(tmp_path):
    a, b = (make_video(tmp_path / f"{w}.mp4", size=(w, 48)) for w in (64, 80))
    out = tmp_path / "out.mp4"
    with pytest.raises(VideoError, match=r"different sizes \(64x48, 80x48\)"):
        concatenate([a, b], None, out)
    concatenate([a, b], None, out, scale=(64, 48))
    assert len(index_video(out)) == 60


def test_bad_arguments_leave_nothing(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    out = tmp_path / "out.mp4"
    with pytest.raises(ArgumentError, match="no segments"):
        concatenate([], None, out)
    with pytest.raises(ArgumentError, match="3 times for segments of 30 rows"):
        concatenate([path], [0, 1, 2], out)
    with pytest.raises(ArgumentError, match="fps 0"):
        concatenate([path], None, out, fps=0)
    with pytest.raises(ArgumentError, match="scale"):
        concatenate([path], None, out, scale=(0, 5))
    with pytest.raises(VideoError, match="does not exist"):
        concatenate([path, tmp_path / "no.mp4"], None, out)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", REAL)
def test_real_videos(name, tmp_path):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    out = str(tmp_path / "out.mp4")
    concatenate([path], None, out)
    index, copy = index_video(path), index_video(out, verify=True)
    assert len(copy) == len(index)
    assert (copy.width, copy.height) == (index.width, index.height)
    rows = np.arange(len(index))
    shifted = index.seconds(rows) - index.seconds(rows[:1])
    assert copy.seconds(rows) == pytest.approx(shifted, abs=1e-4)
    if not index.rotation:
        with VideoDecoder(path, index) as a, VideoDecoder(out, copy) as b:
            for left, right in zip(a.read(rows[::9]), b.read(rows[::9]), strict=True):
                assert np.array_equal(left, right)


def test_files_of_like_names_stay(tmp_path):
    paths, _ = _segments(tmp_path, [5], [Encoding()])
    out = tmp_path / "out.mp4"
    mine = [tmp_path / "out.mp4.part", tmp_path / "out.mp4.silent.part"]
    for each in mine:
        each.write_text("mine")
    concatenate(paths, None, out)
    assert [each.read_text() for each in mine] == ["mine", "mine"]
    assert set(tmp_path.iterdir()) == {out, *mine, tmp_path / "0.mp4"}
