"""Makes sure that decoding may start where an index says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import checksum
from beam_scanner.video.source import VideoSource


def starts_cold(source: VideoSource, index: FrameIndex, sums: dict[int, int]) -> bool:
    """Whether decoders that have seen nothing before give the right frames.

    Args:
        source: The file.
        index: Its index.
        sums: Checksums of rows as a decoder from the start gives them.
    """
    rows = np.array(sorted(sums), dtype=np.int64)
    owners = np.searchsorted(index.keyframes, rows, side="right") - 1
    for keyframe in np.unique(owners[owners > 0]):
        with VideoDecoder(source, index) as decoder:
            try:
                for row in rows[owners == keyframe].tolist():
                    if checksum(decoder.decode_frame(row)) != sums[row]:
                        return False
            except VideoError:
                return False
    return True


def without_keyframes(index: FrameIndex) -> FrameIndex:
    """The index of a video that can only be decoded from its start."""
    one = {
        name: getattr(index, name)[:1]
        for name in (
            "keyframes",
            "seek_pts",
            "seek_dts",
            "seek_pos",
            "keyframe_packets",
        )
    }
    total = np.array([index.gop_bytes.sum()], dtype=np.int64)
    return replace(index, **one, gop_bytes=total, setups=(), seekable=False)
