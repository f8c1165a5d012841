"""Packets of FFV1, whose checksums decoders ignore."""

from __future__ import annotations

import random

import pytest

from beam_scanner.video.bitstream.registry import bitstream
from tests.support.bitstreams import packets_of
from tests.support.video_fuzzing import whole_video


def _slices(packet: bytes) -> list[tuple[int, int]]:
    """Where each slice of FFV1 is, without the 8 bytes at its end."""
    places, end = [], len(packet)
    while end:
        start = end - 8 - int.from_bytes(packet[end - 8 : end - 5], "big")
        places.append((start, end - 8))
        end = start
    return places


def test_any_changed_byte_of_ffv1(folder):
    codec, extradata, packets = packets_of(whole_video("ffv1", folder).path)
    rng = random.Random(5)
    for _ in range(200):
        packet = bytearray(rng.choice(packets))
        start, end = rng.choice(_slices(packet))  # type: ignore[arg-type]
        packet[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
        found = bitstream(codec, extradata).damage(memoryview(packet))
        assert found is not None
        assert "checksum" in found.reason


@pytest.mark.parametrize(
    ("head", "is_keyframe"),
    [(b"\x7f\x80", True), (b"\x7f\x7f", False), (b"\xff", False), (b"", False)],
)
def test_the_first_decision_says_what_a_packet_is(head, is_keyframe):
    assert bitstream("ffv1").is_keyframe(memoryview(head)) is is_keyframe


def test_without_checksums_nothing_is_found_damaged():
    # By the footers, a slice would begin before the packet, or bytes would be left.
    for packet in (b"\xff" * 20, bytes(3), b"abc" + bytes(8)):
        assert bitstream("ffv1").damage(memoryview(packet)) is None
