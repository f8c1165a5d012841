"""Files that are cut short, by what their containers say of their length."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import beam_scanner.video
from beam_scanner.errors import VideoError
from beam_scanner.video.indexing import index_video
from beam_scanner.video.truncation import cut_short
from tests.support.corpus import KINDS, linear_decode
from tests.support.video_fixtures import make_video


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([b"", b"\0\0\0\x14ftyp", b"RIFF", b"\x1a\x45\xdf\xa3\x80"]),
    st.binary(max_size=80),
)
def test_any_file(head, tail):
    reason = cut_short(io.BytesIO(head + tail))
    assert reason is None or "should end at byte" in reason


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind.extension in ("mp4", "mkv", "mov", "webm", "avi")],
    ids=lambda kind: kind.name,
)
def test_whole_files_are_not_cut_short(kind, tmp_path):
    path = kind.make(tmp_path)
    with open(path, "rb") as file:
        assert cut_short(file) is None
    data = Path(path).read_bytes()
    assert cut_short(io.BytesIO(data[:-1])) is not None


def refused(path, **how) -> str:
    with pytest.raises(VideoError) as caught:
        index_video(path, **how)
    message = str(caught.value)
    assert repr(str(path))[1:-1] in message
    return message


@pytest.mark.parametrize("extension", ["mp4", "mkv", "avi", "ts"])
def test_cut_tails(tmp_path, extension):
    options = {"movflags": "faststart"} if extension == "mp4" else {}
    path = make_video(
        tmp_path / f"a.{extension}",
        60,
        bframes=0,
        codec="mpeg4",
        container_options=options,
        size=(160, 120),
    )
    expected = linear_decode(path)
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) * 6 // 10])
    if extension != "ts":  # whose length is nowhere
        assert "is cut short: " in refused(path)
    with beam_scanner.video.open(path, damage="salvage") as video:
        assert 25 < len(video) < 45
        good = np.flatnonzero(~video.index.is_lost(np.arange(len(video))))
        assert len(good) > 20
        for row in good.tolist():
            assert np.array_equal(video[row], expected[row])
        if extension != "ts":
            assert "it is cut short: " in video.index.damage[-1]
