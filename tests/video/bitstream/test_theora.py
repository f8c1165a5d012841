"""Packets of Theora."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.first_bytes import Theora


@pytest.mark.parametrize(
    ("packet", "is_keyframe"),
    [
        (b"\0", True),
        (b"\x3f", True),
        (b"\x40", False),
        (b"\x80theora", False),
        (b"", False),
    ],
)
def test_headers_and_changes_are_no_keyframes(packet: bytes, is_keyframe: bool) -> None:
    assert Theora(b"").is_keyframe(memoryview(packet)) is is_keyframe
