"""The index agrees with FFmpeg's linear decode, and says so when it cannot."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner.errors import RowError, VideoError
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.indexing import index_video
from tests.support.corpus import KINDS, REAL, SHARED
from tests.support.video_fixtures import make_video


def _linear_times(path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [f.pts for f in container.decode(container.streams.best("video"))]


def _same(a: FrameIndex, b: FrameIndex) -> bool:
    return all(
        np.array_equal(getattr(a, field.name), getattr(b, field.name))
        for field in fields(FrameIndex)
        if field.name != "verified"
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_times_and_verified_index(kind, tmp_path):
    path = kind.make(tmp_path)
    index, verified = index_video(path), index_video(path, verify=True)
    assert _same(index, verified)
    times = _linear_times(path)
    if index.timed:
        assert index.pts.tolist() == times
    else:
        assert None in times or times != sorted(times)
        assert index.pts.tolist() == sorted(index.pts.tolist())
        assert not index.seekable
    assert index.keyframes[0] == 0
    assert (np.diff(index.keyframes) > 0).all()
    assert len(index.keyframes) == len(index.gop_bytes) == len(index.seek_pts)
    with av.open(path) as container:
        sizes = [p.size for p in container.demux(container.streams.best("video"))]
    assert index.gop_bytes.sum() == sum(sizes)


@pytest.mark.parametrize("name", REAL)
def test_real_videos(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index = index_video(path)
    assert index.pts.tolist() == _linear_times(path)
    assert _same(index, index_video(path, verify=True))


def test_what_it_knows():
    path = SHARED / "nasa_13013_rotated.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index = index_video(str(path))
    assert (index.width, index.height, index.rotation) == (270, 480, 90)
    assert (index.codec, index.pix_fmt) == ("h264", "yuv420p")
    assert index.sample_aspect_ratio == 1
    assert index.average_rate == Fraction(30000, 1001)
    assert index.frame_bytes == 270 * 480 * 3
    assert index.duration_seconds == pytest.approx(17 * 1001 / 30000)


def test_best_stream_is_not_the_first():
    path = SHARED / "nasa_13013.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    index = index_video(path)
    assert (index.stream_index, index.width, len(index)) == (3, 480, 390)


def test_variable_rate_and_a_start_that_is_not_zero(tmp_path):
    pts = [1000, 1001, 1050, 1400, 2000]
    path = make_video(
        tmp_path / "a.mp4", frames=5, pts=pts, time_base=Fraction(1, 1000)
    )
    index = index_video(path)
    seconds = index.seconds(np.arange(5))
    assert seconds.dtype == np.float64
    assert seconds == pytest.approx([1, 1.001, 1.05, 1.4, 2])
    assert index.seconds([4, 0, 0]).tolist() == [2.0, 1.0, 1.0]
    for bad in (-1, 5):
        with pytest.raises(RowError, match=f"row {bad} is not in a video of 5 rows"):
            index.seconds([0, bad])


def test_edit_list_hides_frames(tmp_path):
    """Frames before an edit list's start are decoded and not shown."""
    path = make_video(tmp_path / "a.mp4", frames=40, gop=10, bframes=0)
    data = bytearray(Path(path).read_bytes())
    at = data.index(b"elst") + 4
    assert int.from_bytes(data[at + 4 : at + 8], "big") == 1
    start = at + 12
    first = int.from_bytes(data[start : start + 4], "big")
    data[start : start + 4] = (first + 13 * 512).to_bytes(4, "big")
    Path(path).write_bytes(data)
    index = index_video(path)
    assert len(index) == 27
    assert index.pts.tolist() == _linear_times(path)
    assert index.keyframes.tolist() == [0, 7, 17]


def test_open_start_is_decoded_to_count(tmp_path):
    """A cut that begins with pictures whose references are gone."""
    whole = make_video(
        tmp_path / "a.mkv",
        codec="hevc",
        frames=40,
        options={
            "x265-params": "open-gop=1:bframes=4:b-adapt=0:keyint=10:min-keyint=10:"
            "scenecut=0:log-level=none:pools=1:frame-threads=1"
        },
    )
    cut = str(tmp_path / "cut.mkv")
    with av.open(whole) as source, av.open(cut, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        keys = 0
        for packet in source.demux(video=0):
            keys += packet.is_keyframe and bool(packet.size)
            if keys >= 2 and packet.size:
                packet.stream = stream
                target.mux(packet)
    index, times = index_video(cut), _linear_times(cut)
    with av.open(cut) as container:
        packets = sum(bool(p.size) for p in container.demux(video=0))
    assert packets > len(times)
    assert index.pts.tolist() == times


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"just some text, no video at all\n" * 50, "is not a file that FFmpeg"),
        (bytes(100_000), "is not a file that FFmpeg"),
    ],
    ids=["missing", "empty", "text", "zeros"],
)
@pytest.mark.parametrize("extension", ["mp4", "mkv", "txt"])
def test_no_video(tmp_path, content, message, extension):
    path = tmp_path / f"a.{extension}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        index_video(path)
    assert str(path) in str(caught.value)
    if extension != "txt":
        assert message in str(caught.value)


def test_folder_and_audio_only(tmp_path):
    with pytest.raises(VideoError, match="is a folder"):
        index_video(tmp_path)
    path = str(tmp_path / "a.wav")
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(VideoError, match="has no video stream"):
        index_video(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("extension", ["mp4", "mkv", "avi", "fragments.mp4"])
def test_cut_short(tmp_path, extension, share):
    options = {"movflags": "frag_keyframe+empty_moov"} if "fragm" in extension else {}
    path = tmp_path / f"a.{extension}"
    make_video(path, frames=60, container_options=options, size=(160, 120))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match=r"cut short|FFmpeg can read"):
        index_video(path)


def test_a_name_that_looks_like_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video("plain.mp4")
    Path("plain.mp4").rename("concat:a|b.mp4")
    assert len(index_video("concat:a|b.mp4")) == 30


@settings(max_examples=100, deadline=None)
@given(
    pts=hnp.arrays(np.int64, st.integers(0, 30)),
    keyframes=hnp.arrays(np.int64, st.integers(0, 5)),
    crop=st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99)),
    rate=st.none() | st.fractions(min_value=Fraction(1, 10)),
)
def test_bytes_round_trip(pts, keyframes, crop, rate):
    index = FrameIndex(
        pts=pts,
        time_base=Fraction(1, 90000),
        keyframes=keyframes,
        seek_pts=keyframes - 1,
        seek_dts=np.full_like(keyframes, NO_PTS),
        seek_pos=keyframes * 3,
        gop_bytes=keyframes,
        width=3,
        height=2,
        rotation=90,
        sample_aspect_ratio=Fraction(4, 3),
        codec="h264",
        pix_fmt="yuv420p",
        average_rate=rate,
        stream_index=1,
        duration_seconds=0.1,
        fingerprint="ab",
        crop=crop,
    )
    copy = FrameIndex.from_bytes(index.to_bytes())
    assert _same(index, copy)
    assert copy.to_bytes() == index.to_bytes()
    assert copy.crop == crop


def _long_index(rows: int) -> FrameIndex:
    keyframes = np.arange(0, rows, 250)
    return FrameIndex(
        pts=np.arange(rows) * 1001,
        time_base=Fraction(1, 30000),
        keyframes=keyframes,
        seek_pts=keyframes * 1001,
        seek_dts=keyframes * 1001 - 2002,
        seek_pos=keyframes * 5000,
        gop_bytes=np.full_like(keyframes, 1_250_000),
        width=1920,
        height=1080,
        rotation=0,
        sample_aspect_ratio=Fraction(1),
        codec="h264",
        pix_fmt="yuv420p",
        average_rate=Fraction(30000, 1001),
        stream_index=0,
        duration_seconds=rows * 1001 / 30000,
        fingerprint="0" * 40,
    )


def test_ten_hours_are_small():
    data = _long_index(1_000_000).to_bytes()
    assert len(data) < 20_000
    tracemalloc.start()
    index = FrameIndex.from_bytes(data)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(index) == 1_000_000
    assert held < 9_000_000  # 8 bytes a row and little else


def test_bad_bytes():
    data = _long_index(10).to_bytes()
    with pytest.raises(VideoError, match="not a frame index"):
        FrameIndex.from_bytes(b"")
    newer = data[:8] + (99).to_bytes(2, "little") + data[10:]
    with pytest.raises(VideoError, match="format version 99, expected 3"):
        FrameIndex.from_bytes(newer)
    with pytest.raises(VideoError, match="damaged"):
        FrameIndex.from_bytes(data[:-10])


def test_planners_need_no_ffmpeg():
    code = (
        "import sys, beam_scanner.video.index, beam_scanner.video.encoding;"
        "assert not {'av', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
