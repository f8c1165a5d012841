"""Packets of H.263 and of Flash video."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.first_bytes import H263, Flv1
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
