"""Packets say themselves whether they hold a keyframe; containers may say too much."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import beam_scanner.video
from beam_scanner.video.bitstream.registry import bitstream
from tests.support.corpus import linear_decode
from tests.support.video_fixtures import make_video
from tests.support.video_fuzzing import textured_frame

# Codec of the encoder, container, options.
KINDS = [
    ("mpeg4", "mp4", {"bframes": 0}),
    ("mpeg4", "avi", {"bframes": 2}),
    ("mpeg1video", "mpg", {}),
    ("mpeg2video", "ts", {}),
    ("mpeg2video", "mkv", {"bframes": 0}),
    ("vp8", "webm", {}),
    ("vp9", "webm", {}),
    ("vp9", "mp4", {"options": {"profile": "1"}, "pix_fmt": "yuv444p"}),
    ("av1", "mp4", {}),
    ("av1", "mkv", {}),
    ("av1", "ivf", {}),
    ("flv", "flv", {}),
    ("h263", "avi", {"size": (176, 144)}),
    ("h263p", "avi", {"size": (96, 80)}),
    ("ffv1", "mkv", {}),
    ("ffv1", "avi", {"pix_fmt": "yuv420p"}),
]


@pytest.mark.parametrize(
    ("codec", "extension", "options"), KINDS, ids=lambda value: str(value)
)
def test_headers_agree_with_decoders(tmp_path, codec, extension, options):
    path = tmp_path / f"a.{extension}"
    try:
        make_video(path, 30, codec, **{"size": (96, 80), **options})
    except av.error.FFmpegError as error:
        pytest.skip(f"{codec} in {extension}: {error}")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV cannot encode {codec}")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        name = stream.codec_context.codec.canonical_name
        stream.codec_context.copy_opaque = True
        packets, keys = [], set()
        for packet in container.demux(stream):
            if packet.size:
                packet.opaque = len(packets)
                packets.append(packet)
            for frame in stream.codec_context.decode(packet):
                if frame.key_frame:
                    keys.add(frame.opaque)
    assert 0 < len(keys) < 30 == len(packets)
    test = bitstream(name).is_keyframe
    found = [test(memoryview(packet)) for packet in packets]
    assert set(np.flatnonzero(found)) == keys


ALL_MARKED = [
    ("mpeg4", {"bframes": 0}),
    ("mpeg4", {"bframes": 2}),
    ("mpeg2video", {}),
    ("h264", {}),
    ("hevc", {}),
    ("vp9", {}),
    ("av1", {}),
]


@pytest.mark.parametrize(("codec", "options"), ALL_MARKED)
def test_a_table_of_keyframes_that_is_gone(tmp_path, codec, options):
    """Without it, every packet of an MP4 counts as a keyframe."""
    path = Path(
        make_video(
            tmp_path / "a.mp4",
            *(40, codec),
            **{"size": (96, 80), "picture": textured_frame, **options},
        )
    )
    path.write_bytes(path.read_bytes().replace(b"stss", b"skip"))
    expected = linear_decode(str(path))
    with beam_scanner.video.open(path) as video:
        assert len(video) == len(expected) == 40
        assert video.keyframes.tolist() == [0, 12, 24, 36]
        for row in reversed(range(40)):
            assert np.array_equal(video[row], expected[row])


NAMES = ["mpeg4", "mpeg2video", "vp8", "vp9", "av1", "theora", "flv1", "h263", "ffv1"]


@given(codec=st.sampled_from(NAMES), packet=st.binary(max_size=40))
def test_any_bytes_are_read_without_a_crash(codec, packet):
    assert isinstance(bitstream(codec).is_keyframe(memoryview(packet)), bool)
