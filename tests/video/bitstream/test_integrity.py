"""Damage that decoders conceal is noticed in the packets; whole streams have none."""

from __future__ import annotations

import random

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.bitstream.bits import Bits
from beam_scanner.video.bitstream.h264_headers import (
    PictureSet,
    SequenceSet,
    SliceReader,
)
from beam_scanner.video.bitstream.nal import nal_units
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.bitstream.sei import unescaped
from tests.support.corpus import KINDS
from tests.support.video_fuzzing import FUZZED, whole_video

H264 = [k.name for k in FUZZED if k.name.startswith("h264")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


def _packets(path) -> tuple[str, bytes, list[bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        context = stream.codec_context
        extradata = context.extradata or b""
        packets = [bytes(p) for p in container.demux(stream) if p.size]
        return context.codec.canonical_name, extradata, packets


def _first_damage(codec, extradata, packets) -> int | None:
    check = bitstream(codec, extradata)
    for number, packet in enumerate(packets):
        if check.damage(memoryview(packet)):
            return number
    return None


@pytest.mark.parametrize("name", [*H264, "ffv1"])
def test_whole_streams(name, folder):
    stream = _packets(whole_video(name, folder).path)
    assert _first_damage(*stream) is None


def test_all_other_codecs_are_never_found_damaged(folder):
    kinds = [k for k in KINDS if k.name in ("hevc", "vp9", "mpeg2_ts", "av1")]
    for kind in kinds:
        codec, extradata, _ = _packets(whole_video(kind.name, folder).path)
        assert _first_damage(codec, extradata, [b"", b"\0" * 9, b"\xff" * 90]) is None


@pytest.mark.parametrize("name", ["h264_b3", "h264_open", "h264_slices", "h264_rgb"])
def test_each_lost_reference_is_noticed_at_the_next_packet(name, folder):
    codec, extradata, packets = _packets(whole_video(name, folder).path)
    stream = bitstream(codec, extradata)
    unreferenced = stream.is_unreferenced
    lost = [
        n for n, packet in enumerate(packets) if not unreferenced(memoryview(packet))
    ]
    assert len(lost) > 20
    for n in lost:
        rest = packets[:n] + packets[n + 1 :]
        follows = next((p for p in rest[n:]), b"")
        units = nal_units(memoryview(follows), stream.length_size)  # type: ignore[attr-defined]
        kinds = [nal[0] & 0x1F for nal in units]
        # The first picture, the last one, and one before a new start leave no gap.
        expected = None if n == 0 or not follows or 5 in kinds else n
        assert _first_damage(codec, extradata, rest) == expected, n


def test_lost_pictures_to_which_none_refers_are_not_missed(folder):
    codec, extradata, packets = _packets(whole_video("h264_b3", folder).path)
    unreferenced = bitstream(codec, extradata).is_unreferenced
    rest = [p for p in packets if not unreferenced(memoryview(p))]
    assert len(rest) < len(packets) - 10
    assert _first_damage(codec, extradata, rest) is None


def _slices(packet: bytes) -> list[tuple[int, int]]:
    """Where each slice of FFV1 is, without the 8 bytes at its end."""
    places, end = [], len(packet)
    while end:
        start = end - 8 - int.from_bytes(packet[end - 8 : end - 5], "big")
        places.append((start, end - 8))
        end = start
    return places


def test_any_changed_byte_of_ffv1(folder):
    codec, extradata, packets = _packets(whole_video("ffv1", folder).path)
    rng = random.Random(5)
    for _ in range(200):
        packet = bytearray(rng.choice(packets))
        start, end = rng.choice(_slices(packet))  # type: ignore[arg-type]
        packet[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
        found = bitstream(codec, extradata).damage(memoryview(packet))
        assert found is not None
        assert "checksum" in found.reason


@given(st.binary(max_size=80), st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(extradata, packets):
    for codec in ("h264", "ffv1"):
        for head in (b"", b"\1", b"\0\0\1\x67", b"\0\0\1\x68"):
            check = bitstream(codec, head + extradata)
            for packet in packets:
                check.damage(memoryview(packet))
                check.damage(memoryview(b"\0\0\1\x41" + packet))


class _Writer:
    """Writes bits as H.264 does."""

    def __init__(self) -> None:
        self.text = ""

    def bits(self, value: int, count: int) -> _Writer:
        self.text += f"{value:0{count}b}"
        return self

    def numbers(self, *values: int) -> _Writer:
        for value in values:
            coded = f"{value + 1:b}"
            self.text += "0" * (len(coded) - 1) + coded
        return self

    def nal(self, head: int) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return bytes([head]) + int(text, 2).to_bytes(len(text) // 8, "big")


def _sets(order_type: int, weighted: int) -> tuple[bytes, bytes]:
    sps = _Writer().bits(66, 8).bits(0, 8).bits(30, 8).numbers(0, 0, order_type)
    if order_type == 0:
        sps.numbers(2)
    sps.numbers(2).bits(0, 1).numbers(3, 3).bits(1, 1).bits(0, 3)
    pps = _Writer().numbers(0, 0).bits(0, 2).numbers(0, 1, 0).bits(weighted, 1)
    pps.bits(0, 2).numbers(0, 0, 0).bits(0, 3)
    return sps.nal(0x67), pps.nal(0x68)


def _picture(number: int, order_type: int, weighted: int, operations) -> bytes:
    """A P slice with two references, weights for one of them and a reordering."""
    out = _Writer().numbers(0, 5, 0).bits(number, 4)
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
    codec, extradata, packets = _packets(whole_video(kind, folder).path)
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


@given(st.lists(st.integers(0, 500), max_size=12))
def test_numbers_are_read_as_written(values):
    bits = Bits(unescaped(_Writer().numbers(*values).nal(0)[1:]))
    assert [bits.golomb() for _ in values] == values
    with pytest.raises(ValueError, match="too early"):
        bits.take(99)


def test_parameter_sets_of_x264(folder):
    _, extradata, _ = _packets(whole_video("h264_interlaced", folder).path)
    sps, pps = bitstream("h264", extradata).configured  # type: ignore[attr-defined]
    assert not SequenceSet.read(sps).frames_only
    assert PictureSet.read(pps).sequence == 0
