"""Builds a frame index from a file's packets, and from frames where it must."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from beam_scanner._limits import check_frames, max_frames
from beam_scanner.errors import StorageError, VideoError
from beam_scanner.video.bitstream import is_clean_entry, is_hidden, is_recovery_point
from beam_scanner.video.chroma import lies_high_or_low
from beam_scanner.video.claims import check_tables
from beam_scanner.video.damage import (
    Packets,
    Pictures,
    Rows,
    counted_rows,
    rows_of_packets,
    rows_of_pictures,
)
from beam_scanner.video.index import NO_PTS, FrameIndex, Int64Array
from beam_scanner.video.integrity import PacketCheck
from beam_scanner.video.orientation import orientation
from beam_scanner.video.source import (
    OpenVideo,
    VideoSource,
    check_readable,
    cut_short,
    fingerprint,
    open_source,
    reading,
    source_name,
    why_unreadable,
)

SIZE_TAG = "beam_scanner_size"
"""Container metadata with 'WIDTHxHEIGHT' of pictures padded to an even size."""

# In these, each shown packet is one frame with its own presentation time.
_TRUSTED_FORMATS = ("mov", "matroska")
_TRUSTED_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1", "prores", "dnxhd"}
)
# Decoders of these keep nothing of what came before a picture that refers to none, and
# say which of those behind it they lack references for.
_STARTS_ANEW = frozenset({"h264", "hevc"})
_CHECKED_FRAMES = 8
# No larger packet is an MPEG-4 "not coded" picture, which shows nothing.
_MPEG4_EMPTY_BYTES = 20
_NAL_PEEK = 64 * 1024

READ_ERRORS = (av.error.FFmpegError, ValueError, IndexError)
"""What PyAV raises on damaged files. A ``StorageError`` is none of them."""


def scan_video(source: VideoSource, verify: bool, damage: str) -> FrameIndex:
    """See :func:`beam_scanner.video.index.index_video`."""
    name, salvage = source_name(source), damage == "salvage"
    digest = fingerprint(source)
    with open_source(source) as file, reading(source):
        short = cut_short(file)
        check_tables(file, f"video {name!r}")
    if short and not salvage:
        raise VideoError(f"video {name!r} is cut short: {short}")
    with OpenVideo(source) as video:
        pictures, checked = Pictures(), 0 if verify or salvage else _CHECKED_FRAMES
        packets = _read_packets(video, source, salvage, pictures, checked)
        packets.cut = short or packets.cut
        if checked and _packets_suffice(video, packets):
            rows = rows_of_packets(packets)
            assert rows.pts is not None
            if (
                not pictures.signs
                and pictures.pts[:checked] == rows.pts[:checked].tolist()
            ):
                return _assemble(video, packets, pictures, rows, False, digest)
    # Later pictures of a recording that begins in an open GOP may list what was cut
    # off; elsewhere all references are there and must be.
    with OpenVideo(source, strict=not packets.begins_open) as video:
        codec = video.stream.codec_context.codec.canonical_name
        untimed = codec in _STARTS_ANEW and bool((packets.pts == NO_PTS).all())
        pictures = _decode(video, sums=untimed and salvage)
        if pictures.read != len(packets.pts):
            raise _reads_otherwise(name, len(packets.pts), pictures.read)
        rows = rows_of_pictures(packets, pictures, codec)
        counted = counted_rows(packets, pictures) if untimed else None
        if counted is not None and (
            not salvage or _starts_alike(source, pictures, counted)
        ):
            rows = counted
        index = _assemble(video, packets, pictures, rows, True, digest)
    if len(index.lost_rows) == len(index):
        raise VideoError(_nothing_left(source, index, pictures))
    if len(index.lost) and not salvage:
        raise VideoError(
            f"video {name!r} is damaged: {index.describe_lost()}; damage='salvage' "
            "takes the other rows, and nulls for these"
        )
    return index


def _reads_otherwise(name: str, first: int, again: int) -> StorageError:
    return StorageError(
        f"video {name!r} cannot be read: it has {first} packets at first and {again} "
        "when it is read again"
    )


def _nothing_left(source: VideoSource, index: FrameIndex, pictures: Pictures) -> str:
    reasons = index.damage or tuple(pictures.signs.values())
    reason = why_unreadable(source) or next(iter(reasons), "")
    return f"video {source_name(source)!r} has no frame that can be decoded" + (
        f": {reason}" if reason else ""
    )


def _read_packets(
    video: OpenVideo,
    source: VideoSource,
    salvage: bool,
    pictures: Pictures,
    decoded: int,
) -> Packets:
    """Reads all packets, and decodes the first ``decoded`` frames to ``pictures``."""
    name = source_name(source)
    context = video.stream.codec_context
    codec, extradata = context.codec.canonical_name, context.extradata or b""
    pts, dts, pos, size = (array("q") for _ in range(4))
    shown, clean = array("b"), array("b")
    signs: dict[int, str] = {}
    check = PacketCheck(codec, extradata)
    duration, encrypted, cut, most = 0, 0, "", max_frames()
    open_gop = begins_open = False
    context.copy_opaque = True
    try:
        for packet in video.container.demux(video.stream):
            if len(pictures.pts) < decoded:
                _feed(context, packet, pictures)
            if not packet.size:
                continue
            # Few packets have any, and asking for one is slow.
            if any(packet.iter_sidedata()) and packet.has_sidedata("encryption_info"):
                encrypted += 1
                signs[len(pts)] = "it is encrypted"
            elif packet.is_corrupt:
                signs[len(pts)] = "the container marks data as damaged or incomplete"
            if len(pts) > most:
                break
            data = memoryview(packet)
            pts.append(NO_PTS if packet.pts is None else packet.pts)
            dts.append(NO_PTS if packet.dts is None else packet.dts)
            pos.append(-1 if packet.pos is None else packet.pos)
            size.append(packet.size)
            hidden = packet.is_discard
            if codec == "vp8":
                hidden = hidden or is_hidden(codec, data[:1].tobytes())
            shown.append(not hidden)
            entry = packet.is_keyframe and is_entry(packet, codec, extradata)
            if found := check.damage(data):
                # What is missing before an entry is missing from what came before.
                place = len(pts) - 1 - (entry and found.before)
                signs.setdefault(place, found.reason)
            if entry and not open_gop:
                head = data[:_NAL_PEEK].tobytes()
                open_gop = is_recovery_point(codec, extradata, head)
                begins_open = open_gop and not any(clean)
            clean.append(entry)
            duration = packet.duration or duration
    except READ_ERRORS as error:
        check_readable(source, error)
        if not salvage:
            raise VideoError(
                f"video {name!r} is damaged after packet {len(pts)}: {why(error)}"
            ) from error
        cut = f"it cannot be read after packet {len(pts)}: {why(error)}"
    check_frames(f"video {name!r}", len(pts))
    if not pts:
        raise VideoError(f"video {name!r} has no frames" + (cut and f": {cut}"))
    if encrypted == len(pts) or (encrypted and not salvage):
        raise VideoError(
            f"video {name!r} is encrypted ({encrypted} of {len(pts)} packets): it "
            "cannot be decoded without its key"
        )
    times, decoding, places, sizes = (
        np.array(values, dtype=np.int64) for values in (pts, dts, pos, size)
    )
    return Packets(
        pts=times,
        dts=decoding,
        pos=places,
        size=sizes,
        shown=np.array(shown, dtype=bool),
        clean=np.array(clean, dtype=bool),
        signs=signs,
        encrypted=encrypted,
        last_duration=duration,
        open_gop=open_gop,
        begins_open=begins_open,
        cut=cut,
    )


def is_entry(packet: Any, codec: str, extradata: bytes) -> bool:
    """Whether decoding may start at an ``av.Packet``."""
    if not packet.is_keyframe:
        return False
    head = memoryview(packet)[:_NAL_PEEK].tobytes()
    return is_clean_entry(codec, extradata, head)


def why(error: BaseException) -> str:
    """What an error of FFmpeg says, without the name of the function.

    Example:
        >>> why(ValueError('no'))
        'no'
    """
    return str(getattr(error, "strerror", None) or error)


def _packets_suffice(video: OpenVideo, packets: Packets) -> bool:
    """Whether each shown packet can be taken for one frame at its own time."""
    codec = video.stream.codec_context.codec.canonical_name
    times = packets.pts[packets.shown]
    return (
        video.container.format.name.startswith(_TRUSTED_FORMATS)
        and codec in _TRUSTED_CODECS
        and not packets.signs
        and len(times) > 0
        and NO_PTS not in packets.pts
        and len(np.unique(times)) == len(times)
        and bool(packets.clean[0])
        # Pictures shown before the first keyframe may lack what they refer to.
        and bool((times >= packets.pts[0]).all())
        and not (codec == "mpeg4" and (packets.size <= _MPEG4_EMPTY_BYTES).any())
    )


def _decode(video: OpenVideo, sums: bool) -> Pictures:
    """Decodes all, past every error."""
    context = video.stream.codec_context
    context.copy_opaque = True
    pictures = Pictures(sums=[] if sums else None)
    for packet in _demux(video):
        _feed(context, packet, pictures)
    return pictures


def _feed(context: Any, packet: Any, pictures: Pictures) -> None:
    """Decodes the next packet. ``context`` is to have ``copy_opaque``."""
    if packet.size:
        # Frames keep the number of their packet, also where they have no time.
        packet.opaque = pictures.read
        pictures.read += 1
    number = pictures.read - 1
    try:
        frames = context.decode(packet)
    except READ_ERRORS as error:
        pictures.signs.setdefault(number, f"its data is damaged ({why(error)})")
        return
    for frame in frames:
        _note(pictures, frame, number)


def _starts_alike(source: VideoSource, pictures: Pictures, rows: Rows) -> bool:
    """Whether decoders that begin at later starts give what one from the first did.

    Without times, nothing else says which picture a frame is. And parameter sets that
    came before a start may be missing there.
    """
    assert rows.start_rows is not None
    assert pictures.sums is not None
    gave = np.array(pictures.packets, dtype=np.int64)
    ends = [*rows.starts[1:].tolist(), pictures.read]
    edges = [*rows.lost.tolist(), rows.count, rows.count]
    for number in range(1, len(rows.starts)):
        start, end = int(rows.starts[number]), ends[number]
        first = int(rows.start_rows[number])
        edge = int(np.searchsorted(rows.lost, first, side="right"))
        good = 0 if edge % 2 else edges[edge] - first
        expected = np.flatnonzero((gave >= start) & (gave < end))[:good].tolist()
        with OpenVideo(source) as video:
            piece = _decode_piece(video, start, end)
        if not piece.signs and piece.read < end:
            raise _reads_otherwise(source_name(source), pictures.read, piece.read)
        if (piece.packets[:good], (piece.sums or [])[:good]) != (
            [pictures.packets[i] for i in expected],
            [pictures.sums[i] for i in expected],
        ):
            return False
    return True


def _decode_piece(video: OpenVideo, start: int, end: int) -> Pictures:
    """Decodes packets ``[start, end)``, up to the first sign of damage."""
    context = video.stream.codec_context
    context.copy_opaque = True
    pictures = Pictures(read=start, sums=[])
    for number, packet in enumerate(_demux(video)):
        if pictures.signs:
            break
        if number < end and packet.size:
            if number >= start:
                _feed(context, packet, pictures)
            continue
        with suppress(*READ_ERRORS):
            for frame in context.decode(None):
                _note(pictures, frame, end)
        break
    return pictures


def _demux(video: OpenVideo) -> Iterator[Any]:
    try:
        yield from video.container.demux(video.stream)
    except READ_ERRORS:
        return  # The pass over the packets has told.


def _note(pictures: Pictures, frame: Any, number: int) -> None:
    if not pictures.pts:
        pictures.width, pictures.height = frame.width, frame.height
        pictures.rotation, pictures.mirrored = orientation(frame)
        pictures.pix_fmt = frame.format.name
    packet = number if frame.opaque is None else frame.opaque
    if frame.is_corrupt:
        pictures.signs.setdefault(packet, "the decoder could not decode all of it")
    pictures.pts.append(frame.pts)
    pictures.packets.append(packet)
    pictures.given.append(number)
    if pictures.sums is not None:
        pictures.sums.append(_sum(frame))
    if len(pictures.pts) == 1:
        # The last that is done with it: it is drawn over.
        pictures.interpolated = lies_high_or_low(frame)


def _sum(frame: Any) -> int:
    try:
        return zlib.crc32(frame.to_ndarray(format="rgb24"))
    except READ_ERRORS:
        return 0  # Nobody will read it: it cannot be converted.


def _rate(video: OpenVideo) -> Fraction | None:
    rate = video.stream.average_rate or video.stream.guessed_rate
    return Fraction(rate) if rate else None


def _entries(
    packets: Packets, rows: Rows, pts: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """(entry rows, the packet each starts at), ascending; the first row is 0."""
    zero, starts = np.zeros(1, dtype=np.int64), rows.starts
    if rows.start_rows is not None:
        return rows.start_rows, starts
    if len(starts) == 0:
        return zero, zero
    entry_rows = np.searchsorted(pts, packets.pts[starts])
    inside = entry_rows < len(pts)
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
    packets: Packets,
    pictures: Pictures,
    rows: Rows,
    verified: bool,
    digest: str,
) -> FrameIndex:
    stream, context = video.stream, video.stream.codec_context
    tick = Fraction(stream.time_base or Fraction(1, 90000))
    pts = rows.pts
    if pts is None:
        interval = 1 / (_rate(video) or Fraction(25)) / tick
        pts = np.array([round(i * interval) for i in range(rows.count)], dtype=np.int64)
    entries, starts = _entries(packets, rows, pts)
    upto = np.concatenate(([0], np.cumsum(packets.size)))
    crop = _crop(video, pictures)
    width, height = crop or (pictures.width, pictures.height)
    if pictures.rotation % 180:
        width, height = height, width
    last = packets.last_duration
    if not last and len(pts) > 1:
        last = int(np.median(np.diff(pts)))
    took = int(pts[-1]) - int(pts[0]) + last if len(pts) else 0
    cut = (f"it is cut short: {packets.cut}",) if packets.cut else ()
    return FrameIndex(
        pts=pts,
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
        duration_seconds=float(took * tick),
        fingerprint=digest,
        seekable=rows.timed and (len(entries) > 1 or bool(packets.clean[starts[0]])),
        timed=rows.timed,
        open_gop=packets.open_gop,
        crop=crop,
        mirrored=pictures.mirrored,
        interpolated=pictures.interpolated,
        lost=rows.lost,
        verified=verified,
        damage=(*rows.damage, *cut),
    )


def _crop(video: OpenVideo, pictures: Pictures) -> tuple[int, int] | None:
    text = video.container.metadata.get(SIZE_TAG, "")
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        return None
    size = int(width), int(height)
    fits = 0 <= pictures.width - size[0] <= 1 and 0 <= pictures.height - size[1] <= 1
    return size if fits and size != (pictures.width, pictures.height) else None
