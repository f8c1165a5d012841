"""How many pictures packets hold."""

from __future__ import annotations

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.decoder_setup import SetupTracker
from tests.support.corpus import KINDS

CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "prores", "dnxhd")
EXTRADATA = st.binary(max_size=60) | st.binary(max_size=60).map(lambda b: b"\1" + b)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(CODECS), EXTRADATA, st.binary(min_size=1, max_size=80))
def test_any_bytes(codec, extradata, packet):
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


def test_hevc_pictures_that_say_if_they_are_shown():
    # A picture parameter set: two numbers of 0, no dependent slices, and the flag.
    flagged, plain = b"\x44\x01\xd0\x80", b"\x44\x01\xc0\x80"
    slice_ = b"\0\0\1\x02\x01\x80\x00"
    for unit, expected in ((flagged, UNKNOWN), (plain, 1)):
        count = bitstream("hevc", b"\0\0\1" + unit).pictures
        assert count(memoryview(slice_)) == expected
        count = bitstream("hevc").pictures
        assert count(memoryview(b"\0\0\1" + unit + slice_)) == expected


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_damaged_packets_are_not_taken_for_messages(codec):
    count = bitstream(codec).pictures
    for data in (bytes(40), b"\xff" * 40, b"\0\0\1" + bytes(9)):
        assert count(memoryview(data)) != 0
