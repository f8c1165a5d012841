"""Packets of MPEG-1, MPEG-2 and MPEG-4 Part 2."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.bitstream.mpeg import Mpeg4, Mpeg12

SEQUENCE, GROUP, PICTURE = b"\0\0\1\xb3seq", b"\0\0\1\xb8gop", b"\0\0\1\0"
LAYER, PLANE = b"\0\0\1\x20layer", b"\0\0\1\xb6"


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("before", [b"", SEQUENCE + GROUP])
def test_mpeg2_says_the_kind_of_a_picture(before: bytes, kind: int) -> None:
    packet = memoryview(before + PICTURE + bytes([0, kind << 3]))
    assert Mpeg12(b"").is_keyframe(packet) is (kind == 1)


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_mpeg4_says_the_kind_of_a_plane(kind: int) -> None:
    packet = memoryview(LAYER + PLANE + bytes([kind << 6]))
    assert Mpeg4(b"").is_keyframe(packet) is (kind == 0)


@pytest.mark.parametrize("packet", [b"", SEQUENCE, PICTURE, PICTURE + b"\0"])
def test_a_packet_without_a_whole_header_is_no_keyframe(packet: bytes) -> None:
    assert not Mpeg12(b"").is_keyframe(memoryview(packet))


@pytest.mark.parametrize(
    ("codec", "packet", "sets"),
    [
        (Mpeg12, SEQUENCE + GROUP + PICTURE, [SEQUENCE]),
        (Mpeg12, b"x" + SEQUENCE + PICTURE, [SEQUENCE]),
        # Where it ends nobody knows.
        (Mpeg12, SEQUENCE, []),
        (Mpeg12, GROUP + PICTURE, []),
        (Mpeg4, LAYER + PLANE, [LAYER]),
        (Mpeg4, PLANE, []),
    ],
)
def test_the_header_of_the_sequence_is_found(
    codec: type[Mpeg12 | Mpeg4], packet: bytes, sets: list[bytes]
) -> None:
    stream = codec(b"before" + SEQUENCE + b"behind")
    assert stream.parameter_sets(memoryview(packet)) == sets
    assert stream.is_configured(SEQUENCE)
    assert not stream.is_configured(b"other")


@pytest.mark.parametrize(
    ("packet", "pictures"),
    [
        (PLANE + bytes(30), 1),
        # Packed: a B-frame travels with the picture after it.
        (PLANE + bytes(30) + PLANE + bytes(30), UNKNOWN),
        (PLANE + bytes(10), UNKNOWN),
        (bytes(40), UNKNOWN),
    ],
)
def test_planes_of_mpeg4_are_counted(packet: bytes, pictures: int) -> None:
    assert Mpeg4(b"").pictures(memoryview(packet)) == pictures
