"""Codecs whose packets tell all in their first bytes."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream
from beam_scanner.video.bitstream.first_bytes import (
    H263,
    DnxHd,
    Flv1,
    Mjpeg,
    ProRes,
    Theora,
    Vp8,
)
from tests.support.bitstreams import BitWriter


def packet(writer: BitWriter) -> memoryview:
    return memoryview(writer.nal(0)[1:])


@pytest.mark.parametrize("inter", [0, 1])
@pytest.mark.parametrize("source", [1, 2, 6])
def test_h263(source: int, inter: int) -> None:
    head = BitWriter().bits(0, 35).bits(source, 3).bits(inter, 1)
    assert H263(b"").is_keyframe(packet(head)) is not bool(inter)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("updates", [0, 1])
def test_h263_plus(updates: int, kind: int) -> None:
    head = BitWriter().bits(0, 35).bits(7, 3).bits(updates, 3)
    if updates:
        head.bits(0x3FFFF, 18)
    assert H263(b"").is_keyframe(packet(head.bits(kind, 3))) is (kind == 0)


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize(("size", "bits"), [(0, 16), (1, 32), (2, 0), (6, 0)])
def test_flash(size: int, bits: int, kind: int) -> None:
    head = BitWriter().bits(0, 30).bits(size, 3).bits((1 << bits) - 1, max(bits, 1))
    if not bits:
        head = BitWriter().bits(0, 30).bits(size, 3)
    assert Flv1(b"").is_keyframe(packet(head.bits(kind, 2))) is (kind == 0)


@pytest.mark.parametrize("codec", [H263, Flv1])
def test_what_is_too_short_is_no_keyframe(codec: type[H263 | Flv1]) -> None:
    assert not codec(b"").is_keyframe(memoryview(bytes(3)))


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
