"""Whether packets suffice for an index, or frames must be decoded."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from tests.support.video_fixtures import make_video


def _linear_times(path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [f.pts for f in container.decode(container.streams.best("video"))]


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


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> FrameIndex:
    return index_video(make_video(tmp_path_factory.mktemp("index") / "a.mp4", 40))
