"""Packets of VP8."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.first_bytes import Vp8


@pytest.mark.parametrize(
    ("first", "is_keyframe", "pictures"),
    [(0x10, True, 1), (0x11, False, 1), (0x01, False, 0), (0x00, True, 0)],
)
def test_one_byte_says_all(first: int, is_keyframe: bool, pictures: int) -> None:
    packet = memoryview(bytes([first, 0, 0]))
    assert Vp8(b"").is_keyframe(packet) is is_keyframe
    assert Vp8(b"").pictures(packet) == pictures


def test_an_empty_packet_is_no_keyframe() -> None:
    assert not Vp8(b"").is_keyframe(memoryview(b""))
