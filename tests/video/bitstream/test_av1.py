"""Packets of AV1, made of OBUs."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.av1 import Av1
from beam_scanner.video.bitstream.codec import UNKNOWN

SEQUENCE, DELIMITER, HEADER, FRAME, TILES = 1, 2, 3, 6, 8
SHOWN_KEY, SHOWN_INTER, HIDDEN_KEY, SHOWS_OTHER = 0x10, 0x30, 0x00, 0x80


def obu(kind: int, *content: int, spatial: int = 0) -> bytes:
    extension = bytes([spatial << 3]) if spatial else b""
    head = kind << 3 | 2 | (4 if spatial else 0)
    return bytes([head]) + extension + bytes([len(content), *content])


STILL = obu(SEQUENCE, 0x08, 0)


@pytest.mark.parametrize(
    ("packet", "is_keyframe", "pictures"),
    [
        (obu(FRAME, SHOWN_KEY), True, 1),
        (obu(DELIMITER) + obu(SEQUENCE, 0, 0) + obu(FRAME, SHOWN_KEY), True, 1),
        (obu(FRAME, SHOWN_INTER), False, 1),
        (obu(FRAME, HIDDEN_KEY), False, 0),
        (obu(HEADER, SHOWS_OTHER), False, 1),
        (obu(FRAME, HIDDEN_KEY) + obu(FRAME, SHOWN_INTER), False, 1),
        (obu(FRAME, SHOWN_KEY) + obu(FRAME, SHOWN_INTER), True, UNKNOWN),
        # Other layers, and large scale tiles, are for decoders to tell.
        (obu(FRAME, SHOWN_KEY, spatial=1), True, UNKNOWN),
        (obu(TILES, 0), False, UNKNOWN),
        (obu(DELIMITER), False, 0),
        # Headers of still pictures have none of the fields: each is shown.
        (STILL + obu(FRAME, HIDDEN_KEY), True, 1),
    ],
)
def test_frame_headers_say_what_is_shown(
    packet: bytes, is_keyframe: bool, pictures: int
) -> None:
    assert Av1(b"").is_keyframe(memoryview(packet)) is is_keyframe
    assert Av1(b"").pictures(memoryview(packet)) == pictures


def test_a_configuration_may_say_that_pictures_are_still() -> None:
    packet = memoryview(obu(FRAME, HIDDEN_KEY))
    assert Av1(bytes(4) + STILL).pictures(packet) == 1
    assert Av1(bytes(4)).pictures(packet) == 0


def test_sizes_of_several_bytes() -> None:
    long = bytes([FRAME << 3 | 2, 0x80 | 72, 1]) + bytes([SHOWN_INTER]) + bytes(199)
    packet = memoryview(long + obu(HEADER, SHOWS_OTHER))
    assert Av1(b"").pictures(packet) == UNKNOWN
    assert Av1(b"").pictures(packet[: len(long)]) == 1


def test_without_a_size_a_unit_takes_the_rest() -> None:
    assert Av1(b"").pictures(memoryview(bytes([FRAME << 3, SHOWN_KEY, 0x32]))) == 1
