"""Indexing a video, with and without decoding all of it."""

from __future__ import annotations

from dataclasses import fields

import av
import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.index import FrameIndex
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


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> FrameIndex:
    return index_video(make_video(tmp_path_factory.mktemp("index") / "a.mp4", 40))
