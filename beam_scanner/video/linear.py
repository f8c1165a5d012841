"""Decodes a video from its first packet to its last, and records the frames."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import av
import numpy as np

from beam_scanner.errors import StorageError
from beam_scanner.types.media_limits import max_pixels
from beam_scanner.video.bitstream.codec import Bitstream
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.chroma import lies_high_or_low
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoder_setup import with_data
from beam_scanner.video.decoder_traits import CONCEALS, REPORTS_GAPS
from beam_scanner.video.index import NO_PTS
from beam_scanner.video.lost_rows import Packets, Pictures, Rows
from beam_scanner.video.orientation import orientation
from beam_scanner.video.source import VideoSource, source_name

READ_ERRORS = (av.error.FFmpegError, ValueError, IndexError)
"""What PyAV raises on damaged files. A ``StorageError`` is none of them."""

_MOST_PROBES, _MOST_CHANGES = 8, 4
_LAST_PROBED = 24
_GAP = 1.5


def why(error: BaseException) -> str:
    """What an error of FFmpeg says, without the name of the function.

    Examples:
        >>> why(ValueError('no'))
        'no'
    """
    return str(getattr(error, "strerror", None) or error)


def decode_all(
    source: VideoSource, packets: Packets, sums: bool
) -> tuple[Pictures, bool, bool]:
    """Decodes all, past every error.

    Args:
        source: The file.
        packets: Its packets.
        sums: Whether to sum up all frames.

    Returns:
        What came of it; whether decoders are to be given all messages; and whether
        they are to be strict.

    Raises:
        StorageError: The file does not have the same packets as before.
    """
    # Later pictures of a recording that begins in an open GOP may list what was cut
    # off; elsewhere all references are there and must be.
    strict, messages = not packets.begins_open, True
    pictures = _decode(source, packets, _options(strict), sums=sums)
    if pictures.signs and strict and bitstream(packets.codec).has_messages:
        again = _decode(source, packets, _options(strict), sums=sums, messages=False)
        if len(again.signs) < len(pictures.signs) and (
            again.signs or _is_plain(source, packets, again)
        ):
            pictures, messages = again, False
    elif pictures.signs and strict:
        again = _decode(source, packets, {}, sums=sums)
        every = len(pictures.signs) == int(packets.shown.sum())
        if not again.signs and (every or packets.codec not in CONCEALS):
            # Of a codec without concealment; or all pictures have the same oddity.
            pictures, strict = again, False
    if packets.marked.any():
        for number, reason in _concealed(source, packets, strict).items():
            pictures.signs.setdefault(number, reason)
    return pictures, messages, strict


def _options(strict: bool) -> dict[str, str]:
    return {"err_detect": "explode"} if strict else {}


def _decode(
    source: VideoSource,
    packets: Packets,
    options: dict[str, str],
    sums: bool,
    messages: bool = True,
) -> Pictures:
    pictures = Pictures(sums=[] if sums else None, probed=_to_probe(packets))
    with OpenVideo(source, strict=False) as video:
        context = video.stream.codec_context
        context.options = {"max_pixels": str(max_pixels()), **options}
        context.copy_opaque = True
        withholds = None if messages else bitstream(packets.codec, context.extradata)
        for packet in _packets(video):
            number = pictures.read
            if number < len(packets.pictures) and not packets.pictures[number]:
                feed(context, packet, pictures, withholds, harmless=True)
            else:
                feed(context, packet, pictures, withholds)
    if pictures.read != len(packets.pts):
        raise reads_otherwise(source, len(packets.pts), pictures.read)
    return pictures


def _to_probe(packets: Packets) -> set[int]:
    """Packets at which decoding may start, and some that are decoded from there.

    Each costs opening the file and a seek, so there are few where headers were read.
    """
    clean = np.flatnonzero(packets.clean)
    if len(clean) < 2:
        return set()
    most = 1 if bitstream(packets.codec).tells_keyframes else _MOST_PROBES
    places = np.linspace(0, len(clean), most + 2)[1:-1].astype(int).clip(min=1)
    changed = [number for number, *_ in packets.setups if number > 0][:_MOST_CHANGES]
    behind = np.searchsorted(clean, changed)
    chosen = np.unique(clean[[*places, *behind[behind < len(clean)]]])
    ends = np.append(clean[1:], len(packets.clean))
    following = ends[np.searchsorted(clean, chosen)]
    lasts = np.minimum(following - 1, chosen + _LAST_PROBED)
    return {int(n) for n in (*chosen, *lasts) if n > 0}


def _is_plain(source: VideoSource, packets: Packets, pictures: Pictures) -> bool:
    """Whether a lenient decoder that is given all messages gives the same frames."""
    plain = _decode(source, packets, {}, sums=False)
    return (plain.pts, plain.probes) == (pictures.pts, pictures.probes)


def _concealed(source: VideoSource, packets: Packets, strict: bool) -> dict[int, str]:
    """Signs in a transport stream of which packets are marked.

    A counter that starts again marks a whole picture. So it is decoded with and
    without concealment: where frames differ, something was missing.
    """
    signs: dict[int, str] = {}
    options = _options(strict)
    shown = _decode(source, packets, options, sums=True)
    bare = _decode(source, packets, options | {"ec": "0"}, sums=True)
    assert shown.sums is not None
    assert bare.sums is not None
    if shown.packets != bare.packets:
        marked = np.flatnonzero(packets.marked).tolist()
        return dict.fromkeys(marked, "the container marks data as damaged")
    for number, one, other in zip(shown.packets, shown.sums, bare.sums, strict=True):
        if one != other:
            signs.setdefault(number, "the decoder conceals what is missing")
    if packets.codec not in REPORTS_GAPS:
        for number in _behind_gaps(packets):
            signs.setdefault(number, "pictures are missing before it")
    return signs


def _behind_gaps(packets: Packets) -> list[int]:
    """Marked packets, and those behind them, that follow a gap in the times."""
    steps = np.diff(packets.dts)
    known = (packets.dts[1:] != NO_PTS) & (packets.dts[:-1] != NO_PTS)
    if not known.any():
        return []
    wide = known & (steps > _GAP * np.median(steps[known]))
    near = packets.marked[1:] | packets.marked[:-1]
    found: list[int] = (np.flatnonzero(wide & near & ~packets.clean[1:]) + 1).tolist()
    return found


def _packets(video: OpenVideo) -> Iterator[Any]:
    try:
        yield from video.packets()
    except READ_ERRORS:
        yield None  # The pass over the packets has reported it.


def feed(
    context: Any,
    packet: Any,
    pictures: Pictures,
    withholds: Bitstream | None = None,
    harmless: bool = False,
) -> None:
    """Decodes the next packet.

    Args:
        context: A codec context that has ``copy_opaque``.
        packet: None for the end.
        pictures: Collects what the decoder gives.
        withholds: Takes messages out of the packet.
        harmless: Whether an error says nothing, since the packet holds no picture.
    """
    if packet is not None:
        pictures.read += 1
        data = withholds.without_messages(memoryview(packet)) if withholds else None
        if data == b"":
            return
        packet = packet if data is None else with_data(packet, data)
        # Frames keep the number of their packet, also where they have no time.
        packet.opaque = pictures.read - 1
    number = pictures.read - 1
    try:
        frames = context.decode(packet)
    except READ_ERRORS as error:
        if not harmless:
            pictures.signs.setdefault(number, f"its data is damaged ({why(error)})")
        return
    for frame in frames:
        _note(pictures, frame, number)


def _note(pictures: Pictures, frame: Any, number: int) -> None:
    if not pictures.pts:
        pictures.width, pictures.height = frame.width, frame.height
        pictures.rotation, pictures.mirrored = orientation(frame)
        pictures.pix_fmt = frame.format.name
        pictures.primaries = int(frame.color_primaries)
        pictures.transfer = int(frame.color_trc)
    packet = number if frame.opaque is None else frame.opaque
    if frame.is_corrupt:
        pictures.signs.setdefault(packet, "the decoder could not decode all of it")
    pictures.pts.append(frame.pts)
    pictures.packets.append(packet)
    pictures.given.append(number)
    if packet in pictures.probed and packet not in pictures.probes:
        pictures.probes[packet] = checksum(frame)
    if pictures.sums is not None:
        pictures.sums.append(checksum(frame))
    if len(pictures.pts) == 1:
        # The last that is done with it: it is drawn over.
        pictures.interpolated = lies_high_or_low(frame)


def checksum(frame: Any) -> int:
    """Of a frame's pixels."""
    try:
        pixels = frame.to_ndarray(format="rgb24")
    except READ_ERRORS:
        return 0  # Nobody will read it: it cannot be converted.
    # Rows of most widths are padded, and a checksum takes no array with gaps.
    return zlib.crc32(np.ascontiguousarray(pixels).data)


def starts_alike(source: VideoSource, pictures: Pictures, rows: Rows) -> bool:
    """Whether decoders that begin at later starts give what one from the first did.

    Without times, nothing else says which picture a frame is. And parameter sets that
    came before a start may be missing there.
    """
    assert rows.start_rows is not None
    assert pictures.sums is not None
    gave = np.array(pictures.packets, dtype=np.int64)
    ends = [*rows.starts[1:].tolist(), pictures.read]
    edges = [*rows.lost.tolist(), len(rows.pts), len(rows.pts)]
    for number in range(1, len(rows.starts)):
        start, end = int(rows.starts[number]), ends[number]
        first = int(rows.start_rows[number])
        edge = int(np.searchsorted(rows.lost, first, side="right"))
        good = 0 if edge % 2 else edges[edge] - first
        expected = np.flatnonzero((gave >= start) & (gave < end))[:good].tolist()
        with OpenVideo(source) as video:
            piece = _decode_piece(video, start, end)
        if not piece.signs and piece.read < end:
            raise reads_otherwise(source, pictures.read, piece.read)
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
    for number, packet in enumerate(_packets(video)):
        if pictures.signs:
            break
        if number < end and packet is not None:
            if number >= start:
                feed(context, packet, pictures)
            continue
        with suppress(*READ_ERRORS):
            for frame in context.decode(None):
                _note(pictures, frame, end)
        break
    return pictures


def reads_otherwise(source: VideoSource, first: int, again: int) -> StorageError:
    """The error of a file that has other packets when it is read again."""
    return StorageError(
        f"video {source_name(source)!r} cannot be read: it has {first} packets at "
        f"first and {again} when it is read again"
    )
