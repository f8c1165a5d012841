"""Damage that decoders conceal is noticed in the packets; whole streams have none."""

from __future__ import annotations

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.video.bitstream.nal import nal_units
from beam_scanner.video.bitstream.registry import bitstream
from tests.support.bitstreams import first_damage, packets_of
from tests.support.corpus import KINDS
from tests.support.video_fixtures import make_video
from tests.support.video_fuzzing import FUZZED, whole_video

H264 = [k.name for k in FUZZED if k.name.startswith("h264")]


@pytest.mark.parametrize("name", [*H264, "ffv1"])
def test_whole_streams(name, folder):
    stream = packets_of(whole_video(name, folder).path)
    assert first_damage(*stream) is None


def test_all_other_codecs_are_never_found_damaged(folder):
    kinds = [k for k in KINDS if k.name in ("hevc", "vp9", "mpeg2_ts", "av1")]
    for kind in kinds:
        codec, extradata, _ = packets_of(whole_video(kind.name, folder).path)
        assert first_damage(codec, extradata, [b"", b"\0" * 9, b"\xff" * 90]) is None


@pytest.mark.parametrize("name", ["h264_b3", "h264_open", "h264_slices", "h264_rgb"])
def test_each_lost_reference_is_noticed_at_the_next_packet(name, folder):
    codec, extradata, packets = packets_of(whole_video(name, folder).path)
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
        assert first_damage(codec, extradata, rest) == expected, n


def test_lost_pictures_to_which_none_refers_are_not_missed(folder):
    codec, extradata, packets = packets_of(whole_video("h264_b3", folder).path)
    unreferenced = bitstream(codec, extradata).is_unreferenced
    rest = [p for p in packets if not unreferenced(memoryview(p))]
    assert len(rest) < len(packets) - 10
    assert first_damage(codec, extradata, rest) is None


@given(st.binary(max_size=80), st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(extradata, packets):
    for codec in ("h264", "ffv1"):
        for head in (b"", b"\1", b"\0\0\1\x67", b"\0\0\1\x68"):
            check = bitstream(codec, head + extradata)
            for packet in packets:
                check.damage(memoryview(packet))
                check.damage(memoryview(b"\0\0\1\x41" + packet))


def test_unreferenced_pictures_are_the_b_frames_of_x264(tmp_path):
    path = make_video(tmp_path / "a.mp4", bframes=1)
    with av.open(path) as container:
        stream = container.streams.video[0]
        test = bitstream("h264", stream.codec_context.extradata).is_unreferenced
        packets = [p for p in container.demux(stream) if p.size]
    marked = {p.pts for p in packets if test(memoryview(p))}
    with av.open(path) as container:
        shown = {f.pts for f in container.decode(video=0) if f.pict_type == 3}
    assert marked == shown
    assert 5 < len(marked) < 20
