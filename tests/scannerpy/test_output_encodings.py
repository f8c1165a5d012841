"""How the frames of an output are stored, from a graph to the file that is played."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from beam_scanner import ColumnType, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.video.indexing import index_video
from tests.support.client_helpers import PROCESSES, numbers, open_client
from tests.support.video_fixtures import frame_number, make_video

CODECS = {"video": "h264", "h264": "h264", "hevc": "hevc", "vp9": "vp9", "av1": "av1"}
PERF = PerfParams.manual(8, 16)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """40 frames of 66 x 50 at uneven times from 0.4 s on, a keyframe every 16."""
    path = tmp_path_factory.mktemp("videos") / "uneven.mp4"
    steps = itertools.cycle([40, 33, 100, 7])
    pts = list(itertools.accumulate((next(steps) for _ in range(39)), initial=400))
    tick = Fraction(1, 1000)
    return make_video(path, frames=40, gop=16, size=(66, 50), pts=pts, time_base=tick)


def _run(sc, path, name, encode, size=(65, 49)):
    """The video in an odd size, as stored by three tasks."""
    frames = sc.io.Input([NamedVideoStream(sc, f"{name}-in", path=path)])
    small = sc.ops.Resize(frame=frames, width=[size[0]], height=[size[1]])
    output = NamedVideoStream(sc, name)
    made = sc.io.Output(encode(small), [output])
    sc.run(made, PERF, show_progress=False)
    assert len(output.files()) > 4
    return output


def _packets(path):
    with av.open(str(path)) as video:
        return [bytes(packet) for packet in video.demux(video=0) if packet.size]


def _check_played(path, size, rows=40):
    """OpenCV (or FFmpeg, for what that lacks) shows all frames, in order, of one size."""
    with av.open(str(path)) as video:
        shown = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        codec = video.streams.video[0].codec_context.codec.canonical_name
    assert [frame_number(frame) for frame in shown] == list(range(rows))
    assert {frame.shape[:2] for frame in shown} == {(size[1], size[0])}
    if codec == "av1":
        return
    cv2 = pytest.importorskip("cv2")
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == rows
    seen = []
    while (read := capture.read())[0]:
        assert read[1].shape[:2] == (size[1], size[0])
        seen.append(frame_number(read[1]))
    capture.release()
    assert seen == list(range(rows))


def _segments(output):
    return [path for path in output.files() if path.endswith(".mp4")]


@pytest.mark.parametrize("codec", [*CODECS, "default", "lossless", "raw"])
def test_from_a_graph_to_a_file_that_is_played(codec, uneven, sc, tmp_path):
    output = _run(sc, uneven, codec, lambda column: column.compress(codec))
    segments = _segments(output)
    assert len(segments) >= 3
    assert {index_video(path).codec for path in segments} == {CODECS.get(codec, "h264")}
    assert numbers(output) == list(range(40))
    assert {frame.shape for frame in output.load(rows=[0, 39])} == {(49, 65, 3)}
    with NamedVideoStream(sc, f"{codec}-in").reader() as reader:
        times = reader.seconds(np.arange(40))
    with output.reader() as reader:
        assert reader.seconds(np.arange(40)) == pytest.approx(times)

    whole = output.save_mp4(tmp_path / "whole")
    stored = [packet for path in segments for packet in _packets(path)]
    found = _packets(whole)
    # Taken over as they are; what a keyframe needs may have been put before it.
    assert all(map(bytes.endswith, found, stored))
    assert len(found) == len(stored)
    shown = index_video(whole, verify=True)
    assert (shown.width, shown.height) == (65, 49)
    assert shown.seconds(np.arange(40)) == pytest.approx(times - times[0], abs=1e-4)
    # Players see an even size, for all codecs with loss.
    _check_played(whole, (65, 49) if codec in ("lossless", "raw") else (66, 50))


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1"])
def test_bitrate_and_keyframes(codec, uneven, sc, tmp_path):
    """A rate is given to each task's encoder, whose streams still join."""
    output = _run(
        sc,
        uneven,
        f"{codec} rate",
        lambda column: column.compress(codec, bitrate=400_000, keyframe_distance=5),
        (97, 65),
    )
    for path in _segments(output):
        assert np.diff(index_video(path).keyframes).max(initial=0) <= 5
    whole = output.save_mp4(tmp_path / "whole")
    stored = [packet for path in _segments(output) for packet in _packets(path)]
    assert all(map(bytes.endswith, _packets(whole), stored))
    _check_played(whole, (98, 66))


def test_another_rate_codes_nothing_and_another_size_does(uneven, sc, tmp_path):
    output = _run(sc, uneven, "rates", lambda column: column.compress_video(quality=20))
    stored = [packet for path in _segments(output) for packet in _packets(path)]
    fast = output.save_mp4(tmp_path / "fast", fps=50)
    assert all(map(bytes.endswith, _packets(fast), stored))
    assert index_video(fast).seconds([39]) == pytest.approx(39 / 50)
    _check_played(fast, (66, 50))
    large = output.save_mp4(tmp_path / "large", scale=(131, 99))
    assert index_video(large).width == 131
    _check_played(large, (132, 100))


def test_lossless_is_exact(uneven, sc, tmp_path):
    first = _run(sc, uneven, "exact", lambda column: column.lossless(), (37, 29))
    kept = list(first.load())
    again = NamedVideoStream(sc, "again", path=first.save_mp4(tmp_path / "exact"))
    assert all(map(np.array_equal, again.load(), kept))
    assert {frame.shape for frame in kept} == {(29, 37, 3)}


@pytest.mark.processes
def test_segments_of_several_workers_play_without_a_gap(uneven, tmp_path):
    with open_client(tmp_path / "db", PROCESSES) as sc:
        output = _run(sc, uneven, "workers", lambda column: column.compress_default())
        whole = output.save_mp4(tmp_path / "whole")
    with av.open(whole) as video:
        times = sorted(p.pts * p.time_base for p in video.demux(video=0) if p.size)
    steps = [round(1000 * (b - a)) for a, b in itertools.pairwise(times)]
    assert steps == [40, 33, 100, 7] * 9 + [40, 33, 100]
    _check_played(whole, (66, 50))


def test_encodings_that_are_none(uneven, sc):
    frames = sc.io.Input([NamedVideoStream(sc, "in", path=uneven)])
    for codec, options, message in [
        ("divx", {}, "codec 'divx' does not exist; use one of 'video', 'default'"),
        ("raw", {"quality": 1}, "codec 'raw' takes no options"),
        ("default", {"bitrate": 1}, "codec 'default' takes no options"),
        ("hevc", {"speed": 1}, "codec 'hevc' takes quality, bitrate, keyframe_dist"),
        ("hevc", {"quality": 52}, "quality of codec 'hevc' must be 0 to 51"),
        ("vp9", {"quality": 3, "bitrate": 3}, "a quality or a bitrate, not both"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            frames.compress(codec, **options)


@pytest.mark.parametrize("op", ["Histogram", "InfoFromFrame"])
def test_values_may_go_into_a_video_stream(tmp_path, clip, op):
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "in", path=clip)])
        made = getattr(sc.ops, op)(frame=sc.streams.Stride(frames, [4]))
        stream, plain = NamedVideoStream(sc, "out"), NamedStream(sc, "plain")
        outputs = [sc.io.Output(made, [each]) for each in (stream, plain)]
        sc.run(outputs, PERF, show_progress=False)
        assert stream.len() == plain.len() == 8
        assert stream.type() == plain.type()
        assert stream.column_type() == ColumnType.Blob
        for found in (stream.load(), NamedVideoStream(sc, "out").load()):
            for mine, other in zip(found, plain.load(), strict=True):
                np.testing.assert_array_equal(mine, other)
        assert sc.table("out").column_names() == ["column"]
        again = NamedVideoStream(sc, "again")
        kept = sc.streams.Range(sc.io.Input([stream]), [(2, 4)])
        sc.run(sc.io.Output(kept, [again]), PERF, show_progress=False)
        np.testing.assert_array_equal(
            np.array(list(again.load())), np.array(list(plain.load(rows=[2, 3])))
        )
        with pytest.raises(VideoError, match="'out'"):
            stream.save_mp4(tmp_path / "never")
        with pytest.raises(VideoError, match="'out' was made by a graph"):
            stream.as_hwang()
        stream.delete(sc)
        assert not stream.exists()
