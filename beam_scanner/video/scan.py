"""Builds a frame index from a file's packets, and from frames where it must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from beam_scanner.errors import VideoError
from beam_scanner.video.bitstream.codec import UNKNOWN
from beam_scanner.video.claimed_counts import check_tables
from beam_scanner.video.container import OpenVideo, why_unreadable
from beam_scanner.video.decoder_traits import REORDERS
from beam_scanner.video.index import NO_PTS, FrameIndex, Int64Array
from beam_scanner.video.index_assembly import assemble_index
from beam_scanner.video.linear import (
    decode_all,
    starts_alike,
)
from beam_scanner.video.lost_rows import (
    Packets,
    Pictures,
    counted_rows,
    rows_of_packets,
    rows_of_pictures,
)
from beam_scanner.video.packet_scan import PacketScan
from beam_scanner.video.source import (
    VideoSource,
    fingerprint,
    open_source,
    reading,
    source_name,
)
from beam_scanner.video.truncation import cut_short

# In these, each shown packet is one frame with its own presentation time.
_TRUSTED_FORMATS = ("mov", "matroska")
_TRUSTED_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1", "prores", "dnxhd"}
)
_CHECKED_FRAMES = 8


def scan_video(
    source: VideoSource, verify: bool, damage: str
) -> tuple[FrameIndex, dict[int, int]]:
    """See :func:`beam_scanner.video.indexing.index_video`.

    Returns:
        The index, and checksums of some rows at which decoding is to start.
    """
    name, salvage = source_name(source), damage == "salvage"
    digest = fingerprint(source)
    with open_source(source) as file, reading(source):
        short = cut_short(file)
        check_tables(file, f"video {name!r}")
    if short and not salvage:
        raise VideoError(f"video {name!r} is cut short: {short}")
    with OpenVideo(source) as video:
        pictures, checked = Pictures(), 0 if verify or salvage else _CHECKED_FRAMES
        packets = PacketScan(video, source, salvage, pictures, checked).read()
        packets.cut = short or packets.cut
        if checked and _packets_suffice(video, packets):
            rows = rows_of_packets(packets)
            shown = rows.pts[:checked].tolist()
            if not pictures.signs and pictures.pts[:checked] == shown:
                index = assemble_index(video, packets, pictures, rows, digest)
                probed = packets.pts[list(pictures.probes)]
                found = np.searchsorted(rows.pts, probed).tolist()
                return index, dict(zip(found, pictures.probes.values(), strict=True))
    untimed = packets.codec in REORDERS and bool((packets.pts == NO_PTS).all())
    pictures, messages, strict = decode_all(source, packets, sums=untimed and salvage)
    rows = rows_of_pictures(packets, pictures)
    counted = counted_rows(packets, pictures) if untimed else None
    if counted is not None and (not salvage or starts_alike(source, pictures, counted)):
        rows = counted
    with OpenVideo(source) as video:
        index = assemble_index(video, packets, pictures, rows, digest)
    strict = strict and not packets.open_gop
    index = replace(index, verified=True, messages=messages, strict=strict)
    if len(index.lost_rows) == len(index):
        raise VideoError(_nothing_left(source, index, pictures))
    if len(index.lost) and not salvage:
        raise VideoError(
            f"video {name!r} is damaged: {index.describe_lost()}; damage='salvage' "
            "takes the other rows, and nulls for these"
        )
    return index, _probed_rows(pictures, index)


def _probed_rows(pictures: Pictures, index: FrameIndex) -> dict[int, int]:
    """Checksums by row, where the rows are the frames of the decode."""
    if len(index) != len(pictures.packets):
        return {}
    first = {number: row for row, number in reversed([*enumerate(pictures.packets)])}
    found = {first[number]: total for number, total in pictures.probes.items()}
    return {row: found[row] for row in sorted(found) if not index.is_lost(row)}


def _nothing_left(source: VideoSource, index: FrameIndex, pictures: Pictures) -> str:
    reasons = index.damage or tuple(pictures.signs.values())
    reason = why_unreadable(source) or next(iter(reasons), "")
    return f"video {source_name(source)!r} has no frame that can be decoded" + (
        f": {reason}" if reason else ""
    )


def _packets_suffice(video: OpenVideo, packets: Packets) -> bool:
    """Whether each shown packet can be taken for one frame at its own time."""
    context, times = video.stream.codec_context, packets.pts[packets.shown]
    return (
        video.container.format.name.startswith(_TRUSTED_FORMATS)
        and packets.codec in _TRUSTED_CODECS
        and not packets.signs
        and not (packets.pictures == UNKNOWN).any()
        and len(times) > 0
        and NO_PTS not in packets.pts
        and len(np.unique(times)) == len(times)
        and bool(packets.clean[0])
        # Pictures shown before the first keyframe may lack what they refer to.
        and bool((times >= packets.pts[0]).all())
        # A decoder that holds back too few pictures leaves some out.
        and (packets.codec not in REORDERS or _delay(times) <= context.reorder_depth)
    )


def _delay(times: Int64Array) -> int:
    """How many pictures a decoder must hold back to show them in order."""
    ranks = np.empty(len(times), dtype=np.int64)
    ranks[np.argsort(times)] = np.arange(len(times))
    return int((np.arange(len(times)) - ranks).max(initial=0))
