"""Puts a frame index together from what packets and pictures were found to be."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoder_setup import by_keyframe
from beam_scanner.video.index import NO_PTS, FrameIndex, Int64Array
from beam_scanner.video.lost_rows import Packets, Pictures, Rows

SIZE_TAG = "beam_scanner_size"
"""Container metadata with 'WIDTHxHEIGHT' of pictures padded to an even size."""

# Flags of formats that FFmpeg seeks in by counting what it has read.
_NO_TIMESTAMPS, _GENERIC_INDEX = 0x80, 0x100
_OF_THE_FIRST_PICTURE = (
    *("rotation", "mirrored", "pix_fmt", "interpolated", "primaries", "transfer"),
)


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


def assemble_index(
    video: OpenVideo,
    packets: Packets,
    pictures: Pictures,
    rows: Rows,
    digest: str,
) -> FrameIndex:
    """The frame index of a video.

    Args:
        video: The file.
        packets: Its packets.
        pictures: What decoding gave, of its first frames at least.
        rows: Its rows.
        digest: The file's fingerprint.
    """
    stream, context = video.stream, video.stream.codec_context
    tick = Fraction(stream.time_base or Fraction(1, 90000))
    rate = stream.average_rate or stream.guessed_rate
    interval = 1 / Fraction(rate or 25) / tick
    pts = _without_gaps(rows.pts, float(interval))
    keyframes, starts = _keyframes(packets, rows, pts)
    cut = (f"it is cut short: {packets.cut}",) if packets.cut else ()
    return FrameIndex(
        pts=pts,
        time_base=tick,
        keyframes=keyframes,
        codec=context.codec.canonical_name,
        average_rate=Fraction(rate) if rate else None,
        stream_index=stream.index,
        duration_seconds=float(_duration(packets, pts) * tick),
        fingerprint=digest,
        timed=rows.timed,
        open_gop=packets.open_gop,
        strict=not packets.open_gop,
        lost=rows.lost,
        setups=by_keyframe(packets.setups, starts.tolist()),
        damage=(*rows.damage, *cut),
        **_seeking(video, packets, rows, starts),
        **_appearance(video, pictures),
    )


def _duration(packets: Packets, pts: Int64Array) -> int:
    """Ticks from the first row to the end of the last; see ``FrameIndex``."""
    steps, last = np.diff(pts), packets.last_duration
    if not last and len(steps):
        last = int(np.median(steps))
    return int(steps[steps > 0].sum()) + last * (1 + int((steps < 0).sum()))


def _seeking(
    video: OpenVideo, packets: Packets, rows: Rows, starts: Int64Array
) -> dict[str, Any]:
    """Where each keyframe's first packet is."""
    upto = np.concatenate(([0], np.cumsum(packets.size)))
    places, counts = np.unique(packets.pos, return_counts=True)
    alone = counts[np.searchsorted(places, packets.pos[starts])] == 1
    counted = _counts_times(video, bool((alone & (packets.pos[starts] >= 0)).all()))
    # Without times, a file that is read from its start is known by its places.
    alone &= not (counted and rows.timed)
    by_place = rows.timed and (rows.start_rows is not None or counted)
    several = len(starts) > 1 or bool(packets.clean[starts[0]])
    return {
        "seek_pts": packets.pts[starts],
        "seek_dts": packets.dts[starts],
        "seek_pos": np.where(alone, packets.pos[starts], -1),
        "gop_bytes": np.diff(upto[np.append(starts, len(packets.size))]),
        "seekable": rows.timed and (by_place or several),
        "keyframe_packets": starts if by_place else starts[:0],
    }


def _appearance(video: OpenVideo, pictures: Pictures) -> dict[str, Any]:
    """How pictures are to be shown."""
    stream, context = video.stream, video.stream.codec_context
    crop = _crop(video, pictures)
    width, height = crop or (pictures.width, pictures.height)
    aspect = Fraction(stream.sample_aspect_ratio or context.sample_aspect_ratio or 1)
    if pictures.rotation % 180:
        width, height, aspect = height, width, 1 / aspect
    return {
        "width": width,
        "height": height,
        "sample_aspect_ratio": aspect,
        "crop": crop,
        **{name: getattr(pictures, name) for name in _OF_THE_FIRST_PICTURE},
    }


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
