"""A decode from the first packet to the last, past every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner.errors import StorageError
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.linear import (
    checksum,
    decode_all,
    feed,
    reads_otherwise,
    why,
)
from beam_scanner.video.lost_rows import Packets, Pictures
from beam_scanner.video.packet_scan import PacketScan
from tests.support.video_fixtures import make_video


def packets_of(path: str) -> Packets:
    with OpenVideo(path) as video:
        return PacketScan(video, path, True, Pictures(), 0).read()


@pytest.mark.parametrize("sums", [True, False])
def test_all_frames_of_a_whole_video(tmp_path: Path, sums: bool) -> None:
    path = make_video(tmp_path / "a.mp4", 30, gop=10, bframes=2)
    packets = packets_of(path)
    pictures, messages, strict = decode_all(path, packets, sums)
    assert (pictures.signs, messages, strict) == ({}, True, True)
    assert pictures.pts == np.sort(packets.pts).tolist()
    assert packets.pts[pictures.packets].tolist() == pictures.pts
    assert (pictures.sums is not None) == sums
    starts = np.flatnonzero(packets.clean)
    assert packets.pts[starts].tolist() == np.sort(packets.pts)[[0, 10, 20]].tolist()
    # A keyframe in the middle, and the last packet that is decoded from there.
    assert set(pictures.probes) == {int(starts[1]), int(starts[2]) - 1}
    if pictures.sums is not None:
        for packet, total in pictures.probes.items():
            assert pictures.sums[pictures.packets.index(packet)] == total
        assert len(set(pictures.sums)) == 30


def test_frames_keep_the_number_of_their_packet_past_damage(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 12, codec="mjpeg")
    pictures = Pictures()
    with OpenVideo(path) as video:
        context = video.stream.codec_context
        context.copy_opaque = True
        for number, packet in enumerate(video.packets()):
            if number in (3, 7):
                packet = av.Packet(b"no picture")
            feed(context, packet, pictures, harmless=number == 7)
    assert pictures.packets == [n for n in range(12) if n not in (3, 7)]
    # One of them may hold none, so its error says nothing.
    assert list(pictures.signs) == [3]
    assert pictures.signs[3].startswith("its data is damaged (")


def test_a_file_that_becomes_another_is_not_damaged(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 12)
    packets = packets_of(path)
    make_video(path, 9)
    with pytest.raises(StorageError, match=r"a\.mp4"):
        decode_all(path, packets, False)
    assert "12" in str(reads_otherwise(path, 12, 9))


@pytest.mark.parametrize("width", [6, 64, 66, 854])
@pytest.mark.parametrize("form", ["rgb24", "yuv420p"])
def test_checksums_are_of_pixels(width: int, form: str) -> None:
    """Of every width: rows of most are padded in memory."""

    def frame(value: int) -> Any:
        pixels = np.full((4, width, 3), value, np.uint8)
        return av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=form)

    assert checksum(frame(70)) == checksum(frame(70))
    assert checksum(frame(70)) != checksum(frame(90))
    assert checksum(frame(70)) != 0


def test_what_an_error_of_ffmpeg_says() -> None:
    error = av.error.InvalidDataError(1, "Invalid data found", "avcodec_send_packet()")
    assert why(error) == "Invalid data found"
    assert why(IndexError("no item")) == "no item"
