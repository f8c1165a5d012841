"""Checks by decoding that what an index says can be had, and takes back what cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import checksum
from beam_scanner.video.source import VideoSource, source_name

_PER_KEYFRAME = ("keyframes", "seek_pts", "seek_dts", "seek_pos", "keyframe_packets")


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
    one = {name: getattr(index, name)[:1] for name in _PER_KEYFRAME}
    total = np.array([index.gop_bytes.sum()], dtype=np.int64)
    return replace(index, **one, gop_bytes=total, setups=(), seekable=False)


def confirm_rows(source: VideoSource, index: FrameIndex) -> FrameIndex:
    """Reads, between each two keyframes, the good rows before those that are lost.

    A decoder that holds pictures back may fail on damage before it has given all
    that came before. Such rows are lost too, so that every row that the index
    calls good can be read.

    Args:
        source: The file.
        index: Its index, with rows that are lost.

    Returns:
        The index with all rows that are lost.

    Raises:
        VideoError: No row can be decoded.
    """
    keyframes = np.append(index.keyframes, len(index))
    hurt = np.unique(
        np.searchsorted(index.keyframes, index.lost_rows, side="right") - 1
    )
    lost = np.zeros(len(index), dtype=bool)
    lost[index.lost_rows] = True
    with VideoDecoder(source, index) as decoder:
        for begin, end in zip(keyframes[hurt], keyframes[hurt + 1], strict=True):
            rows = np.arange(begin, end)[~lost[begin:end]]
            read = decoder.read(rows)
            for row in rows:
                try:
                    next(read)
                except VideoError:
                    lost[row:end] = True
                    break
    if lost.all():
        raise VideoError(
            f"video {source_name(source)!r} has no frame that can be decoded "
            f"({'; '.join(index.damage)})"
        )
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False))
    return replace(index, lost=edges)
