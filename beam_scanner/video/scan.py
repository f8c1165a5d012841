"""Builds a frame index from a file's packets, and from frames where it must."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import VideoError
from beam_scanner.video.bitstream import is_clean_entry, is_hidden, is_recovery_point
from beam_scanner.video.index import NO_PTS, FrameIndex, Int64Array
from beam_scanner.video.source import (
    OpenVideo,
    VideoSource,
    cut_short,
    fingerprint,
    open_source,
    source_name,
)

SIZE_TAG = "beam_scanner_size"
"""Container metadata with 'WIDTHxHEIGHT' of pictures padded to an even size."""

# In these, each shown packet is one frame with its own presentation time.
_TRUSTED_FORMATS = ("mov", "matroska")
_TRUSTED_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1", "prores", "dnxhd"}
)
_CHECKED_FRAMES = 8
# No larger packet is an MPEG-4 "not coded" picture, which shows nothing.
_MPEG4_EMPTY_BYTES = 20
_NAL_PEEK = 64 * 1024

READ_ERRORS = (av.error.FFmpegError, OSError, ValueError, IndexError)
"""What PyAV raises on damaged files."""


@dataclass
class _Packets:
    """All packets of a stream, in decoding order."""

    pts: Int64Array
    dts: Int64Array
    pos: Int64Array
    size: Int64Array
    shown: NDArray[np.bool_]
    clean: NDArray[np.bool_]
    last_duration: int
    corrupt: bool
    open_gop: bool


@dataclass
class _Pictures:
    """What decoding told; ``pts`` has the frames that were decoded."""

    pts: list[int | None]
    width: int
    height: int
    rotation: int
    pix_fmt: str


def scan_video(source: VideoSource, verify: bool) -> FrameIndex:
    """See :func:`beam_scanner.video.index.index_video`."""
    name = source_name(source)
    digest = fingerprint(source)
    with open_source(source) as file:
        reason = cut_short(file)
    if reason:
        raise VideoError(f"video {name!r} is cut short: {reason}")
    with OpenVideo(source) as video:
        packets = _read_packets(video, name)
        trusted = not verify and _packets_suffice(video, packets)
    rows = np.sort(packets.pts[packets.shown])
    if trusted:
        with OpenVideo(source) as video:
            pictures = _decode(video, name, _CHECKED_FRAMES)
            if pictures.pts == rows[:_CHECKED_FRAMES].tolist():
                return _assemble(video, packets, pictures, rows, True, digest)
    with OpenVideo(source) as video:
        pictures = _decode(video, name, None)
        rows, timed = _decoded_rows(video, pictures)
        return _assemble(video, packets, pictures, rows, timed, digest)


def _read_packets(video: OpenVideo, name: str) -> _Packets:
    context = video.stream.codec_context
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    pts, dts, pos, size = (array("q") for _ in range(4))
    shown, clean = array("b"), array("b")
    duration, corrupt, open_gop = 0, False, False
    try:
        for packet in video.container.demux(video.stream):
            if not packet.size:
                continue
            data = memoryview(packet)
            pts.append(NO_PTS if packet.pts is None else packet.pts)
            dts.append(NO_PTS if packet.dts is None else packet.dts)
            pos.append(-1 if packet.pos is None else packet.pos)
            size.append(packet.size)
            hidden = packet.is_discard or is_hidden(codec, data[:1].tobytes())
            shown.append(not hidden)
            head = data[:_NAL_PEEK].tobytes() if packet.is_keyframe else b""
            entry = packet.is_keyframe and is_clean_entry(codec, extradata, head)
            clean.append(entry)
            if entry and not open_gop:
                open_gop = is_recovery_point(codec, extradata, head)
            corrupt = corrupt or packet.is_corrupt
            duration = packet.duration or duration
    except READ_ERRORS as error:
        raise VideoError(
            f"video {name!r} is damaged after packet {len(pts)}: {error}"
        ) from error
    if not pts:
        raise VideoError(f"video {name!r} has no frames")
    times, decoding, places, sizes = (
        np.array(values, dtype=np.int64) for values in (pts, dts, pos, size)
    )
    return _Packets(
        pts=times,
        dts=decoding,
        pos=places,
        size=sizes,
        shown=np.array(shown, dtype=bool),
        clean=np.array(clean, dtype=bool),
        last_duration=duration,
        corrupt=corrupt,
        open_gop=open_gop,
    )


def _packets_suffice(video: OpenVideo, packets: _Packets) -> bool:
    """Whether each shown packet can be taken for one frame at its own time."""
    codec = video.stream.codec_context.codec.canonical_name
    times = packets.pts[packets.shown]
    return (
        video.container.format.name.startswith(_TRUSTED_FORMATS)
        and codec in _TRUSTED_CODECS
        and not packets.corrupt
        and len(times) > 0
        and NO_PTS not in packets.pts
        and len(np.unique(times)) == len(times)
        and bool(packets.clean[0])
        # Pictures shown before the first keyframe may lack what they refer to.
        and bool((times >= packets.pts[0]).all())
        and not (codec == "mpeg4" and (packets.size <= _MPEG4_EMPTY_BYTES).any())
    )


def _decode(video: OpenVideo, name: str, limit: int | None) -> _Pictures:
    """Decodes from the start: ``limit`` frames, or all."""
    pictures: _Pictures | None = None
    for frame in _frames(video, name):
        if pictures is None:
            rotation = round(frame.rotation / 90) * 90 % 360
            pictures = _Pictures(
                [], frame.width, frame.height, rotation, frame.format.name
            )
        if frame.is_corrupt:
            raise VideoError(
                f"video {name!r} is damaged: frame {len(pictures.pts)} cannot be "
                "decoded completely (or it is encrypted)"
            )
        pictures.pts.append(frame.pts)
        if len(pictures.pts) == limit:
            break
    if pictures is None:
        raise VideoError(f"video {name!r} has no frame that can be decoded")
    return pictures


def _frames(video: OpenVideo, name: str) -> Iterator[Any]:
    count = 0
    try:
        for frame in video.container.decode(video.stream):
            yield frame
            count += 1
    except READ_ERRORS as error:
        raise VideoError(
            f"video {name!r} is damaged: frame {count} cannot be decoded ({error})"
        ) from error


def _decoded_rows(video: OpenVideo, pictures: _Pictures) -> tuple[Int64Array, bool]:
    """Times of all decoded frames, and whether they come from the file."""
    times = [NO_PTS if pts is None else pts for pts in pictures.pts]
    rows = np.array(times, dtype=np.int64)
    if NO_PTS not in times:
        return rows, True
    tick = video.stream.time_base or Fraction(1, 90000)
    interval = 1 / (_rate(video) or Fraction(25)) / tick
    return np.array([round(i * interval) for i in range(len(rows))]), False


def _rate(video: OpenVideo) -> Fraction | None:
    rate = video.stream.average_rate or video.stream.guessed_rate
    return Fraction(rate) if rate else None


def _entries(
    packets: _Packets, rows: Int64Array, timed: bool
) -> tuple[Int64Array, Int64Array]:
    """(entry rows, the packet each starts at), ascending; the first row is 0."""
    zero = np.zeros(1, dtype=np.int64)
    if not timed or NO_PTS in packets.pts or (np.diff(rows) <= 0).any():
        return zero, zero
    seen = np.where(packets.shown, packets.pts, NO_PTS)
    before = np.maximum.accumulate(np.concatenate(([NO_PTS], seen[:-1])))
    times, counts = np.unique(packets.pts, return_counts=True)
    unique = counts[np.searchsorted(times, packets.pts)] == 1
    # A shown keyframe that no frame has the time of was lost in decoding.
    exists = np.isin(packets.pts, rows) | ~packets.shown
    usable = packets.clean & unique & exists & (before < packets.pts)
    starts = np.flatnonzero(usable)
    entry_rows = np.searchsorted(rows, packets.pts[starts])
    inside = entry_rows < len(rows)
    starts, entry_rows = starts[inside], entry_rows[inside]
    # Of several packets that lead to one row (the others are not shown at all), the
    # last is the nearest.
    last = np.append(np.diff(entry_rows) > 0, True)[: len(entry_rows)]
    starts, entry_rows = starts[last], entry_rows[last]
    if len(starts) == 0 or entry_rows[0] != 0:
        starts, entry_rows = np.append(zero, starts), np.append(zero, entry_rows)
    return entry_rows, starts


def _assemble(
    video: OpenVideo,
    packets: _Packets,
    pictures: _Pictures,
    rows: Int64Array,
    timed: bool,
    digest: str,
) -> FrameIndex:
    stream, context = video.stream, video.stream.codec_context
    entries, starts = _entries(packets, rows, timed)
    upto = np.concatenate(([0], np.cumsum(packets.size)))
    crop = _crop(video, pictures)
    width, height = crop or (pictures.width, pictures.height)
    if pictures.rotation % 180:
        width, height = height, width
    tick = Fraction(stream.time_base or Fraction(1, 90000))
    last = packets.last_duration
    if not last and len(rows) > 1:
        last = int(np.median(np.diff(rows)))
    return FrameIndex(
        pts=rows,
        time_base=tick,
        entries=entries,
        seek_pts=packets.pts[starts],
        seek_dts=packets.dts[starts],
        seek_pos=packets.pos[starts],
        entry_bytes=np.diff(upto[np.append(starts, len(packets.size))]),
        width=width,
        height=height,
        rotation=pictures.rotation,
        sample_aspect_ratio=Fraction(context.sample_aspect_ratio or 1),
        codec=context.codec.canonical_name,
        pix_fmt=pictures.pix_fmt,
        average_rate=_rate(video),
        stream_index=stream.index,
        duration_seconds=float((int(rows[-1]) - int(rows[0]) + last) * tick),
        fingerprint=digest,
        seekable=len(entries) > 1 or bool(timed and packets.clean[starts[0]]),
        timed=timed,
        open_gop=packets.open_gop,
        crop=crop,
    )


def _crop(video: OpenVideo, pictures: _Pictures) -> tuple[int, int] | None:
    text = video.container.metadata.get(SIZE_TAG, "")
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        return None
    size = int(width), int(height)
    fits = 0 <= pictures.width - size[0] <= 1 and 0 <= pictures.height - size[1] <= 1
    return size if fits and size != (pictures.width, pictures.height) else None
