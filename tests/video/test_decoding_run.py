"""One start of a decoder, and what it is spared."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.source import fingerprint
from tests.support.corpus import KINDS, linear_decode
from tests.support.video_fixtures import make_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@cache
def _made(kind_name: str, folder: Path) -> tuple[str, FrameIndex, list[np.ndarray]]:
    kind = next(kind for kind in KINDS if kind.name == kind_name)
    path = kind.make(folder)
    return path, index_video(path), linear_decode(path)


def _read(decoder: VideoDecoder, rows, expected) -> None:
    frames = list(decoder.read(rows))
    assert len(frames) == len(rows)
    for row, frame in zip(rows, frames, strict=True):
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        assert np.array_equal(frame, expected[row]), f"row {row} of {rows}"


def test_pictures_that_nothing_needs_are_left_out(folder):
    path, index, expected = _made("h264_b16", folder)
    with VideoDecoder(path, index) as decoder:
        _read(decoder, [39], expected)
        assert decoder.frames_decoded == 40
        assert decoder.frames_skipped > 5


def test_an_unfinished_read_leaves_a_usable_decoder(folder):
    path, index, expected = _made("h264", folder)
    with VideoDecoder(path, index) as decoder:
        rows = decoder.read(range(50))
        next(rows)
        next(rows)
        _read(decoder, [2, 40], expected)


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
                _read(decoder, [row], expected)
