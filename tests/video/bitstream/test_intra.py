"""Packets of codecs whose every picture is a keyframe."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream
from beam_scanner.video.bitstream.first_bytes import DnxHd, Mjpeg, ProRes


@pytest.mark.parametrize(
    ("codec", "whole", "damaged"),
    [
        (Mjpeg, b"\xff\xd8\xff\xe0", b"\xff\xd8"),
        (ProRes, b"\0\0\1\0icpf\0", b"icpf\0\0\0\0"),
        (DnxHd, bytes(640), bytes(639)),
    ],
)
def test_a_packet_that_begins_as_it_must_is_one_picture(
    codec: type[Bitstream], whole: bytes, damaged: bytes
) -> None:
    stream = codec(b"")
    assert stream.pictures(memoryview(whole)) == 1
    for packet in (damaged, b""):
        assert stream.pictures(memoryview(packet)) == UNKNOWN
        assert stream.is_keyframe(memoryview(packet))
    assert not stream.tells_keyframes
