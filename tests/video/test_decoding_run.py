"""One start of a decoder, and what it is spared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import fingerprint
from tests.support.corpus import indexed_kind, linear_decode, read_and_compare
from tests.support.video_fixtures import make_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


def test_pictures_that_nothing_needs_are_left_out(folder):
    path, index, expected = indexed_kind("h264_b16", folder)
    with VideoDecoder(path, index) as decoder:
        read_and_compare(decoder, [39], expected)
        assert decoder.frames_decoded == 40
        assert decoder.frames_skipped > 5


def test_an_unfinished_read_leaves_a_usable_decoder(folder):
    path, index, expected = indexed_kind("h264", folder)
    with VideoDecoder(path, index) as decoder:
        rows = decoder.read(range(50))
        next(rows)
        next(rows)
        read_and_compare(decoder, [2, 40], expected)


def test_damage_is_an_error_and_other_rows_are_right(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=60, gop=10, bframes=0, size=(160, 120))
    index, expected = index_video(path), linear_decode(path)
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        hurt = [
            (p.pos, p.size) for p in packets if 22 <= index.pts.searchsorted(p.pts) < 26
        ]
    data = bytearray(Path(path).read_bytes())
    for pos, size in hurt:
        data[pos + 4 : pos + size] = b"\xff" * (size - 4)
    Path(path).write_bytes(data)
    index = replace(index, fingerprint=fingerprint(path))
    with VideoDecoder(path, index) as decoder:
        for row in range(60):
            # Rows 22 to 25 are damaged; 26 to 29 refer to them.
            if 22 <= row < 30:
                with pytest.raises(VideoError, match=rf"row {row} \(at"):
                    next(decoder.read([row]))
            else:
                read_and_compare(decoder, [row], expected)
