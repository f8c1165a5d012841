"""Builds a frame index from a file's packets, and from frames where it must."""

from __future__ import annotations

from array import array
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from beam_scanner.errors import VideoError
from beam_scanner.types.media_limits import check_frames, max_frames
from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.claimed_counts import check_tables
from beam_scanner.video.container import OpenVideo, why_unreadable
from beam_scanner.video.damage import (
    Packets,
    Pictures,
    Rows,
    counted_rows,
    rows_of_packets,
    rows_of_pictures,
)
from beam_scanner.video.decoder_setup import SetupTracker, by_keyframe
from beam_scanner.video.decoder_traits import REORDERS
from beam_scanner.video.index import NO_PTS, FrameIndex, Int64Array
from beam_scanner.video.linear import (
    READ_ERRORS,
    decode_all,
    feed,
    starts_alike,
    why,
)
from beam_scanner.video.source import (
    VideoSource,
    check_readable,
    fingerprint,
    open_source,
    reading,
    source_name,
)
from beam_scanner.video.truncation import cut_short

SIZE_TAG = "beam_scanner_size"
"""Container metadata with 'WIDTHxHEIGHT' of pictures padded to an even size."""

# In these, each shown packet is one frame with its own presentation time.
_TRUSTED_FORMATS = ("mov", "matroska")
_TRUSTED_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1", "prores", "dnxhd"}
)
_CHECKED_FRAMES = 8
_NAL_PEEK = 64 * 1024
# How many packets behind that at a later keyframe its frame may come.
_LONGEST_DELAY = 32
# Flags of formats that FFmpeg seeks in by counting what it has read.
_NO_TIMESTAMPS, _GENERIC_INDEX = 0x80, 0x100
# Containers that mark what follows a gap, as a guess.
_MARKS_GAPS = ("mpegts",)


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
        packets = _PacketScan(video, source, salvage, pictures, checked).read()
        packets.cut = short or packets.cut
        if checked and _packets_suffice(video, packets):
            rows = rows_of_packets(packets)
            shown = rows.pts[:checked].tolist()
            if not pictures.signs and pictures.pts[:checked] == shown:
                index = _assemble(video, packets, pictures, rows, digest)
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
        index = _assemble(video, packets, pictures, rows, digest)
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


class _PacketScan:
    """Reads all packets, and decodes the first ``decoded`` frames to ``pictures``."""

    def __init__(
        self,
        video: OpenVideo,
        source: VideoSource,
        salvage: bool,
        pictures: Pictures,
        decoded: int,
    ) -> None:
        context = video.stream.codec_context
        self.video, self.source, self.salvage = video, source, salvage
        self.pictures, self.decoded = pictures, decoded
        self.codec = context.codec.canonical_name
        self.bitstream = bitstream(self.codec, context.extradata)
        self.pts, self.dts, self.pos, self.size = (array("q") for _ in range(4))
        self.shown, self.clean, self.marked = (array("b") for _ in range(3))
        self.counts = array("b")
        self.signs: dict[int, str] = {}
        self.encrypted = self.duration = 0
        self.open_gop = self.begins_open = False
        self.setups = SetupTracker(self.bitstream)
        self.guesses = video.container.format.name.startswith(_MARKS_GAPS)

    def read(self) -> Packets:
        """Reads to the end.

        Raises:
            VideoError: There are no packets, or they are encrypted or, in a strict
                scan, cannot be read to the end.
        """
        name, cut, most = source_name(self.source), "", max_frames()
        self.video.stream.codec_context.copy_opaque = True
        try:
            for packet in self.video.packets():
                if packet is not None:
                    if len(self.pts) > most:
                        break
                    self._note(packet)
        except READ_ERRORS as error:
            check_readable(self.source, error)
            cut = f"after packet {len(self.pts)}: {why(error)}"
            if not self.salvage:
                raise VideoError(f"video {name!r} is damaged {cut}") from error
            cut = f"it cannot be read {cut}"
        count = len(self.pts)
        check_frames(f"video {name!r}", count)
        if not count:
            raise VideoError(f"video {name!r} has no frames" + (cut and f": {cut}"))
        if self.encrypted == count or (self.encrypted and not self.salvage):
            raise VideoError(
                f"video {name!r} is encrypted ({self.encrypted} of {count} packets): "
                "it cannot be decoded without its key"
            )
        if self.decoded:
            feed(self.video.stream.codec_context, None, self.pictures)
        return self._packets(cut)

    def _packets(self, cut: str) -> Packets:
        times, decoding, places, sizes, counts = (
            np.array(values, dtype=np.int64)
            for values in (self.pts, self.dts, self.pos, self.size, self.counts)
        )
        shown, clean, marked = (
            np.array(values, dtype=bool)
            for values in (self.shown, self.clean, self.marked)
        )
        return Packets(
            codec=self.codec,
            pts=times,
            dts=decoding,
            pos=places,
            size=sizes,
            shown=shown,
            clean=clean,
            pictures=counts,
            marked=marked,
            signs=self.signs,
            encrypted=self.encrypted,
            last_duration=self.duration,
            open_gop=self.open_gop,
            begins_open=self.begins_open,
            setups=self.setups.found,
            swaps_times=self.video.container.format.name == "avi",
            cut=cut,
        )

    def _note(self, packet: Any) -> None:
        number, data, stream = len(self.pts), memoryview(packet), self.bitstream
        # Few packets have any, and asking for one is slow.
        if any(packet.iter_sidedata()):
            self.setups.side_data(number, packet)
            if packet.has_sidedata("encryption_info"):
                self.encrypted += 1
                self.signs[number] = "it is encrypted"
        marked = packet.is_corrupt
        if marked and not self.guesses:
            self.signs.setdefault(number, "the container marks data as incomplete")
        self.marked.append(marked)
        self.pts.append(NO_PTS if packet.pts is None else packet.pts)
        self.dts.append(NO_PTS if packet.dts is None else packet.dts)
        self.pos.append(-1 if packet.pos is None else packet.pos)
        self.size.append(packet.size)
        key = is_keyframe(packet, stream)
        if found := stream.damage(data):
            # What is missing before a keyframe is missing from what came before.
            self.signs.setdefault(number - (key and found.before), found.reason)
        pictures = stream.pictures(data)
        if stream.is_field and pictures > 0:
            pictures = 1 if pictures == 2 else UNKNOWN
        elif pictures > 1:
            pictures = UNKNOWN
        self.counts.append(pictures)
        self.shown.append(pictures != 0 and not packet.is_discard)
        self.setups.data(number, data)
        if key and not self.open_gop:
            self.open_gop = stream.is_recovery_point(data[:_NAL_PEEK])
            self.begins_open = self.open_gop and not any(self.clean)
        if self.decoded:
            self._decode(packet, number, key and not self.open_gop and number > 0)
        self.clean.append(key)
        self.duration = packet.duration or self.duration

    def _decode(self, packet: Any, number: int, later: bool) -> None:
        """Decodes the first frames, and one at a later keyframe."""
        pictures, context = self.pictures, self.video.stream.codec_context
        waiting = bool(pictures.probed) and not pictures.probes
        waiting = waiting and number <= max(pictures.probed) + _LONGEST_DELAY
        if len(pictures.pts) < self.decoded or waiting:
            if later and not pictures.probed:
                pictures.probed.add(number)
            feed(context, packet, pictures)
        elif pictures.probed:
            self.decoded = 0
        elif later:
            probe = Pictures(read=number, probed={number})
            feed(context, packet, probe)
            feed(context, None, probe)
            if not probe.signs:
                pictures.probes.update(probe.probes)
            self.decoded = 0


def is_keyframe(packet: Any, stream: Bitstream) -> bool:
    """Whether decoding may start at an ``av.Packet``."""
    return packet.is_keyframe and stream.is_keyframe(memoryview(packet)[:_NAL_PEEK])


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


def _rate(video: OpenVideo) -> Fraction | None:
    rate = video.stream.average_rate or video.stream.guessed_rate
    return Fraction(rate) if rate else None


def _keyframes(
    packets: Packets, rows: Rows, pts: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """(rows of keyframes, the packet each starts at), ascending; the first row is 0."""
    zero, starts = np.zeros(1, dtype=np.int64), rows.starts
    if rows.start_rows is not None:
        return rows.start_rows, starts
    if len(starts) == 0:
        return zero, zero
    key_rows = np.searchsorted(pts, packets.pts[starts])
    inside = key_rows < len(pts)
    starts, key_rows = starts[inside], key_rows[inside]
    # Of several packets that lead to one row (the others are not shown at all), the
    # last is the nearest.
    last = np.append(np.diff(key_rows) > 0, True)[: len(key_rows)]
    starts, key_rows = starts[last], key_rows[last]
    if len(starts) == 0 or key_rows[0] != 0:
        starts, key_rows = np.append(zero, starts), np.append(zero, key_rows)
    return key_rows, starts


def _without_gaps(pts: Int64Array, interval: float) -> Int64Array:
    """Times with those that the file does not give: so long after the one before."""
    known = pts != NO_PTS
    if known.all():
        return pts
    rows = np.arange(len(pts))
    last = np.maximum.accumulate(np.where(known, rows, -1))
    if not known.any():
        first, begin = 0, 0
    else:
        first = int(known.argmax())
        begin = int(pts[first])
    last_known = np.maximum(last, first)
    base = np.where(last >= 0, pts[last_known], begin)
    steps = np.rint((rows - last_known) * interval).astype(np.int64)
    filled: Int64Array = np.where(known, pts, base + steps)
    return filled


def _assemble(
    video: OpenVideo,
    packets: Packets,
    pictures: Pictures,
    rows: Rows,
    digest: str,
) -> FrameIndex:
    stream, context = video.stream, video.stream.codec_context
    tick = Fraction(stream.time_base or Fraction(1, 90000))
    interval = 1 / (_rate(video) or Fraction(25)) / tick
    pts = _without_gaps(rows.pts, float(interval))
    keyframes, starts = _keyframes(packets, rows, pts)
    upto = np.concatenate(([0], np.cumsum(packets.size)))
    places, counts = np.unique(packets.pos, return_counts=True)
    alone = counts[np.searchsorted(places, packets.pos[starts])] == 1
    counted = _counts_times(video, bool((alone & (packets.pos[starts] >= 0)).all()))
    # Without times, a file that is read from its start is known by its places.
    alone &= not (counted and rows.timed)
    by_place = rows.timed and (rows.start_rows is not None or counted)
    crop = _crop(video, pictures)
    width, height = crop or (pictures.width, pictures.height)
    if pictures.rotation % 180:
        width, height = height, width
    aspect = Fraction(stream.sample_aspect_ratio or context.sample_aspect_ratio or 1)
    last = packets.last_duration
    if not last and len(pts) > 1:
        last = int(np.median(np.diff(pts)))
    steps = np.diff(pts)
    took = int(steps[steps > 0].sum()) + last * (1 + int((steps < 0).sum()))
    cut = (f"it is cut short: {packets.cut}",) if packets.cut else ()
    return FrameIndex(
        pts=pts,
        time_base=tick,
        keyframes=keyframes,
        seek_pts=packets.pts[starts],
        seek_dts=packets.dts[starts],
        seek_pos=np.where(alone, packets.pos[starts], -1),
        gop_bytes=np.diff(upto[np.append(starts, len(packets.size))]),
        width=width,
        height=height,
        rotation=pictures.rotation,
        sample_aspect_ratio=1 / aspect if pictures.rotation % 180 else aspect,
        codec=context.codec.canonical_name,
        pix_fmt=pictures.pix_fmt,
        average_rate=_rate(video),
        stream_index=stream.index,
        duration_seconds=float(took * tick),
        fingerprint=digest,
        seekable=rows.timed
        and (by_place or len(keyframes) > 1 or bool(packets.clean[starts[0]])),
        timed=rows.timed,
        open_gop=packets.open_gop,
        strict=not packets.open_gop,
        crop=crop,
        mirrored=pictures.mirrored,
        interpolated=pictures.interpolated,
        primaries=pictures.primaries,
        transfer=pictures.transfer,
        lost=rows.lost,
        keyframe_packets=starts if by_place else starts[:0],
        setups=by_keyframe(packets.setups, starts.tolist()),
        damage=(*rows.damage, *cut),
    )


def _counts_times(video: OpenVideo, placed: bool) -> bool:
    """Whether FFmpeg makes up times by counting, so that they change with a seek.

    Args:
        video: The video.
        placed: Whether all packets at which decoding starts have a place of their own.
    """
    container = video.container.format
    if container.flags & _NO_TIMESTAMPS or container.name.endswith("_pipe"):
        return True  # Places are those of what was read at once.
    counts = container.flags & _GENERIC_INDEX and container.name != "ogg"
    return bool(counts) and not placed


def _crop(video: OpenVideo, pictures: Pictures) -> tuple[int, int] | None:
    text = video.container.metadata.get(SIZE_TAG, "")
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        return None
    size = int(width), int(height)
    fits = 0 <= pictures.width - size[0] <= 1 and 0 <= pictures.height - size[1] <= 1
    return size if fits and size != (pictures.width, pictures.height) else None
