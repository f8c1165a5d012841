"""Packets of VP9, which may hold several frames."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.bitstream.vp9 import Vp9

KEY, INTER, HIDDEN, SHOWS_OTHER = b"\x82", b"\x86", b"\x84", b"\x88"
KEY_3, INTER_3 = b"\xb1", b"\xb3"


def superframe(*frames: bytes) -> bytes:
    mark = bytes([0xC0 | len(frames) - 1])
    return b"".join(frames) + mark + bytes(map(len, frames)) + mark


@pytest.mark.parametrize(
    ("packet", "is_keyframe", "pictures"),
    [
        (KEY, True, 1),
        (INTER, False, 1),
        (HIDDEN, False, 0),
        (SHOWS_OTHER, False, 1),
        (KEY_3, True, 1),
        (INTER_3, False, 1),
        # A frame that is not shown travels with the next one.
        (superframe(HIDDEN + b"123", INTER + b"45"), False, 1),
        (superframe(KEY + b"1", INTER + b"2"), True, UNKNOWN),
        (b"\x02", False, UNKNOWN),
        (superframe(INTER, b"\x02"), False, UNKNOWN),
    ],
)
def test_frames_say_what_they_are(
    packet: bytes, is_keyframe: bool, pictures: int
) -> None:
    assert Vp9(b"").is_keyframe(memoryview(packet)) is is_keyframe
    assert Vp9(b"").pictures(memoryview(packet)) == pictures


def test_what_only_ends_like_a_superframe_is_a_frame() -> None:
    packet = INTER + b"12345\xc1"
    assert Vp9(b"").pictures(memoryview(packet)) == 1
