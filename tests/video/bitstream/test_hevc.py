"""Packets of HEVC."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.bitstream.registry import bitstream


def test_hevc_pictures_that_say_if_they_are_shown():
    # A picture parameter set: two numbers of 0, no dependent slices, and the flag.
    flagged, plain = b"\x44\x01\xd0\x80", b"\x44\x01\xc0\x80"
    slice_ = b"\0\0\1\x02\x01\x80\x00"
    for unit, expected in ((flagged, UNKNOWN), (plain, 1)):
        count = bitstream("hevc", b"\0\0\1" + unit).pictures
        assert count(memoryview(slice_)) == expected
        count = bitstream("hevc").pictures
        assert count(memoryview(b"\0\0\1" + unit + slice_)) == expected


def unit(kind: int, *content: int, layer: int = 0) -> bytes:
    return b"\0\0\1" + bytes([kind << 1, layer << 3 | 1, *content])


@pytest.mark.parametrize(
    ("kinds", "is_keyframe"),
    [
        # Trailing picture; clean random access; broken link; IDR; reserved.
        ([1], False),
        ([21], True),
        ([16], True),
        ([19], True),
        ([22], False),
        # Parameter sets and messages come first, and say nothing.
        ([32, 33, 34, 39, 20], True),
        ([33, 1, 20], False),
        ([34, 40], False),
    ],
)
def test_the_first_slice_says_what_a_packet_is(kinds, is_keyframe):
    packet = b"".join(unit(kind, 0x80, 0) for kind in kinds)
    assert bitstream("hevc").is_keyframe(memoryview(packet)) is is_keyframe


@pytest.mark.parametrize(
    ("packet", "pictures"),
    [
        (unit(1, 0x80, 0), 1),
        (unit(1, 0x80, 0) + unit(1, 0, 0), 1),
        (unit(1, 0x80, 0) + unit(1, 0x80, 0), 2),
        # Another layer is another picture's, or nobody's.
        (unit(1, 0x80, 0) + unit(1, 0x80, 0, layer=1), 1),
        (unit(1, 0, 0), UNKNOWN),
        # What waits to be shown may be dropped at an end.
        (unit(1, 0x80, 0) + unit(36, 0), UNKNOWN),
        (unit(32, 0) + unit(39, 0), 0),
    ],
)
def test_pictures_are_counted_by_their_first_slices(packet, pictures):
    assert bitstream("hevc").pictures(memoryview(packet)) == pictures


def test_configurations_without_lengths():
    assert bitstream("hevc", unit(33, 7)).configured_sets() == [unit(33, 7)[3:]]
    assert bitstream("hevc", b"\1" * 23).configured_sets() == []
