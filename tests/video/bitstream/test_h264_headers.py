"""Fields of H.264's parameter sets and slice headers."""

from __future__ import annotations

import pytest

from beam_scanner.video.bitstream.h264_headers import (
    PictureSet,
    SequenceSet,
    SliceReader,
)
from beam_scanner.video.bitstream.nal import nal_units
from beam_scanner.video.bitstream.registry import bitstream
from tests.support.bitstreams import BitWriter, packets_of
from tests.support.video_fuzzing import whole_video


def _sets(order_type: int, weighted: int) -> tuple[bytes, bytes]:
    sps = BitWriter().bits(66, 8).bits(0, 8).bits(30, 8).numbers(0, 0, order_type)
    if order_type == 0:
        sps.numbers(2)
    sps.numbers(2).bits(0, 1).numbers(3, 3).bits(1, 1).bits(0, 3)
    pps = BitWriter().numbers(0, 0).bits(0, 2).numbers(0, 1, 0).bits(weighted, 1)
    pps.bits(0, 2).numbers(0, 0, 0).bits(0, 3)
    return sps.nal(0x67), pps.nal(0x68)


def _picture(number: int, order_type: int, weighted: int, operations) -> bytes:
    """A P slice with two references, weights for one of them and a reordering."""
    out = BitWriter().numbers(0, 5, 0).bits(number, 4)
    if order_type == 0:
        out.bits(number, 6)
    out.bits(0, 1).bits(1, 1).numbers(0, 0, 3)
    if weighted:
        out.numbers(5, 5).bits(1, 1).numbers(3, 4).bits(0, 1)
        out.bits(0, 1).bits(1, 1).numbers(1, 2, 3, 4)
    out.bits(1 if operations else 0, 1)
    if operations:
        out.numbers(*operations, 0)
    return out.bits(0b1011, 4).nal(0x41)


@pytest.mark.parametrize("order_type", [0, 2])
@pytest.mark.parametrize("weighted", [0, 1])
@pytest.mark.parametrize(
    ("operations", "resets"),
    [((), False), ((1, 0), False), ((5,), True), ((3, 0, 1, 5), True), ((2, 4), False)],
)
def test_numbers_that_start_again(order_type, weighted, operations, resets):
    sets = _sets(order_type, weighted)
    sequence, picture = SequenceSet.read(sets[0]), PictureSet.read(sets[1])
    assert (sequence.number_bits, sequence.order_type) == (4, order_type)
    assert picture.references == (2, 1)
    nal = _picture(7, order_type, weighted, operations)
    slices = SliceReader()
    for parameters in sets:
        slices.learn(parameters)
    head = slices.read(nal)
    assert (head.number, head.is_reference, head.is_idr) == (7, True, False)
    assert slices.resets_numbers(nal) is resets
    check = bitstream("h264", b"".join(b"\0\0\1" + nal for nal in sets))
    assert check.damage(memoryview(b"\0\0\1" + nal)) is None
    follows = memoryview(b"\0\0\1" + _picture(1, order_type, weighted, ()))
    assert (check.damage(follows) is None) is resets


@pytest.mark.parametrize("kind", ["h264_b3", "h264_interlaced", "h264_open"])
def test_headers_that_begin_alike(kind, folder):
    codec, extradata, packets = packets_of(whole_video(kind, folder).path)
    stream = bitstream(codec, extradata)
    sets = stream.configured  # type: ignore[attr-defined]

    def reader() -> SliceReader:
        slices = SliceReader()
        for parameters in sets:
            slices.learn(parameters)
        return slices

    slices, read, size = reader(), 0, stream.length_size  # type: ignore[attr-defined]
    for nal in (nal for p in packets for nal in nal_units(memoryview(p), size)):
        if nal[0] & 0x1F in (1, 5):
            for length in (4, 7, 9, 20, len(nal)):
                head = bytes(nal[:length])
                assert slices.read(head) == reader().read(head)
                read += 1
    assert read > 100
    assert bool(slices._alike) is (kind != "h264_interlaced")


def test_parameter_sets_of_x264(folder):
    _, extradata, _ = packets_of(whole_video("h264_interlaced", folder).path)
    sps, pps = bitstream("h264", extradata).configured  # type: ignore[attr-defined]
    assert not SequenceSet.read(sps).frames_only
    assert PictureSet.read(pps).sequence == 0
