"""Rows that cannot be decoded: what is tried for them, and what is said."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

import beam_scanner.video
from beam_scanner.errors import VideoError
from beam_scanner.types import NullElement
from beam_scanner.video.indexing import index_video
from tests.support.corpus import linear_decode
from tests.support.video_fixtures import frame_number, make_video


def refused(path, **how) -> str:
    with pytest.raises(VideoError) as caught:
        index_video(path, **how)
    message = str(caught.value)
    assert repr(str(path))[1:-1] in message
    return message


def overwrite(path: str, packets: list[int]) -> None:
    with av.open(path) as container:
        found = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(Path(path).read_bytes())
    for number in packets:
        pos, size = found[number]
        data[pos + 4 : pos + size] = b"\xff" * (size - 4)
    Path(path).write_bytes(data)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "mpeg4", "ffv1"])
def test_rows_and_times_are_named(tmp_path, codec):
    path = make_video(
        tmp_path / "a.mkv",
        50,
        codec,
        gop=10,
        bframes=0,
        size=(160, 120),
    )
    expected = linear_decode(path)
    overwrite(path, [23, 40])
    message = refused(path, verify=True)
    assert "rows 23 to 29 (0.920 to 1.160 s)" in message
    assert "cannot be decoded, " in message
    assert "damage='salvage' takes the other rows, and nulls for these" in message
    with beam_scanner.video.open(path, damage="salvage") as video:
        assert len(video) == 50
        lost = set(video.lost.tolist())
        assert lost >= {*range(23, 30), 40}
        assert lost <= {*range(23, 30), *range(39, 50)}
        for row, frame in enumerate(video):
            if row in lost:
                assert isinstance(frame, NullElement)
            else:
                assert np.array_equal(frame, expected[row])
        assert f"{len(lost)} lost)" in repr(video)
        rows = [45, 22, 24, 3, 24]
        nulls = [isinstance(frame, NullElement) for frame in video.read(rows)]
        assert nulls == [row in lost for row in rows]


def test_strict_names_a_row_when_it_is_read(tmp_path):
    path = make_video(
        *(tmp_path / "a.mp4", 30), gop=10, bframes=0, codec="mpeg4", size=(160, 120)
    )
    overwrite(path, [15])
    with beam_scanner.video.open(path) as video:
        assert len(video) == 30
        assert frame_number(video[14]) == 14
        with pytest.raises(VideoError, match=r"row 15 \(at 0\.600 s\) cannot be"):
            video[15]
        with pytest.raises(VideoError, match=r"row 19 \(at 0\.760 s\) cannot be"):
            video[19]
        assert frame_number(video[20]) == 20
