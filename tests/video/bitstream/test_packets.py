"""Bytes of packets are read right, and any bytes are read without a crash."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import VideoError
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.source import fingerprint
from beam_scanner.video.truncation import cut_short
from tests.support.corpus import KINDS
from tests.support.video_fixtures import make_video

CODECS = st.sampled_from(["h264", "hevc", "vp8", "vp9", "av1", "nonsense"])
EXTRADATA = st.binary(max_size=60) | st.binary(max_size=60).map(lambda b: b"\1" + b)


@settings(max_examples=500, deadline=None)
@given(codec=CODECS, extradata=EXTRADATA, packet=st.binary(max_size=80))
def test_any_bytes(codec, extradata, packet):
    stream, data = bitstream(codec, extradata), memoryview(packet)
    assert isinstance(stream.is_keyframe(data), bool)
    assert isinstance(stream.is_recovery_point(data), bool)
    assert isinstance(stream.is_unreferenced(data), bool)
    assert isinstance(stream.join_sets(stream.configured_sets()), bytes)
    stream.picture_parameters()


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


def test_unreferenced_pictures_are_the_b_frames_of_x264(tmp_path):
    path = make_video(tmp_path / "a.mp4", bframes=1)
    with av.open(path) as container:
        stream = container.streams.video[0]
        test = bitstream("h264", stream.codec_context.extradata).is_unreferenced
        packets = [p for p in container.demux(stream) if p.size]
    marked = {p.pts for p in packets if test(memoryview(p))}
    with av.open(path) as container:
        shown = {f.pts for f in container.decode(video=0) if f.pict_type == 3}
    assert marked == shown
    assert 5 < len(marked) < 20


def test_fingerprint(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"")
    with pytest.raises(VideoError, match="is empty"):
        fingerprint(path)
    seen = set()
    for size in (1, 100, 200_000, 200_001, 5_000_000):
        for place in (None, 0, size - 1):
            data = bytearray(size)
            if place is not None:
                data[place] = 1
            path.write_bytes(data)
            seen.add(fingerprint(path))
    assert len(seen) == 2 + 4 * 3
    assert fingerprint(path) == fingerprint(lambda: io.BytesIO(path.read_bytes()))
