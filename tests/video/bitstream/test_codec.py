"""Bytes of packets are read right, and any bytes are read without a crash."""

from __future__ import annotations

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.decoder_setup import SetupTracker
from tests.support.corpus import KINDS

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


PICTURE_CODECS = (
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "av1",
    "mpeg4",
    "mjpeg",
    "prores",
    "dnxhd",
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(PICTURE_CODECS), EXTRADATA, st.binary(min_size=1, max_size=80))
def test_any_bytes_hold_any_number_of_pictures(codec, extradata, packet):
    stream = bitstream(codec, extradata)
    assert stream.pictures(memoryview(packet)) >= UNKNOWN
    assert stream.without_messages(memoryview(packet)) is None or len(packet)
    SetupTracker(stream).data(0, memoryview(packet))


@pytest.mark.parametrize(
    "kind",
    [k for k in KINDS if k.extension in ("mp4", "mov", "mkv", "webm")],
    ids=lambda kind: kind.name,
)
def test_counts_are_those_of_the_decoder(kind, tmp_path):
    path = kind.make(tmp_path)
    with av.open(path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        count = bitstream(context.codec.canonical_name, context.extradata).pictures
        packets = [p for p in container.demux(stream) if p.size]
        told = [count(memoryview(p)) for p in packets]
    with av.open(path) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert UNKNOWN not in told
    assert sum(told) == frames
