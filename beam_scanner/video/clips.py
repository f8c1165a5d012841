"""Cuts a video into clips, without coding the pictures again where that is exact.

A clip can be copied if it begins with a keyframe and if what is decoded from there on,
up to its last frame, are its own frames alone. Others are decoded and encoded. Sound is
copied in any case.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from math import isnan

import av
import numpy as np

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.remux import Segment, copyable, write_packets
from beam_scanner.video.soundtrack import Sound, add_sound, has_sound
from beam_scanner.video.source import VideoSource
from beam_scanner.video.timing import TICKS, presentation_ticks

_ENCODING = Encoding("h264", quality=18)


def cut_clips(
    source: VideoSource,
    index: FrameIndex,
    ranges: Sequence[tuple[int, int]],
    paths: Sequence[str],
) -> Iterator[bool]:
    """Writes stretches of a video, each to an MP4 of its own that starts at time 0.

    The file is read once, however many clips there are. Frames of a copied clip are
    those of the video, bit for bit; encoded ones are H.264 of high quality. Sound that
    an MP4 cannot hold, or that is not there, is left out with a warning.

    Args:
        source: The file.
        index: Its index.
        ranges: Rows [first, end) of each clip; ascending, none overlaps another.
        paths: The clips' files; what is there is replaced.

    Yields:
        For each clip, once it is written, whether it was copied.

    Raises:
        ArgumentError: A range is empty or wrong.
        VideoError: The video cannot be read, a row of a clip not be decoded, or a clip
            not be written.

    Examples:
        >>> import os, tempfile
        >>> from beam_scanner.video.indexing import index_video
        >>> folder = tempfile.mkdtemp()
        >>> film = os.path.join(folder, 'film.mp4')
        >>> with VideoEncoder(film, Encoding(keyframe_distance=10)) as encoder:
        ...     for i in range(30):
        ...         encoder.write(np.full((16, 16, 3), i, np.uint8), i / 25)
        >>> clips = [os.path.join(folder, name) for name in ('a.mp4', 'b.mp4')]
        >>> list(cut_clips(film, index_video(film), [(0, 10), (12, 30)], clips))
        [True, False]
        >>> [len(index_video(clip)) for clip in clips]
        [10, 18]
    """
    _check(ranges, index)
    # Where packets change how those after them are decoded, copies would miss it.
    segment = None if index.open_gop or index.setups else copyable(source, index)
    copied = [_packets_of(segment, index, each) for each in ranges]
    sounds = has_sound(source)
    with OpenVideo(source) as video, VideoDecoder(source, index) as decoder:
        packets = _numbered_packets(video)
        for (first, end), numbers, path in zip(ranges, copied, paths, strict=True):
            pictures = f"{path}.pictures.mp4" if sounds else path
            seconds = index.seconds(np.arange(first, end))
            # A clip of one frame tells by nothing else how long that is.
            length = _end(index, end) - seconds[0] if index.monotonic else float("nan")
            if segment is not None and numbers is not None:
                ticks = presentation_ticks(seconds)
                ranks = segment.ranks[numbers.start : numbers.stop] - first
                own = _taken(packets, numbers)
                after = None if isnan(length) else round(length * TICKS)
                write_packets(pictures, segment, own, ticks - ticks[0], ranks, after)
            else:
                frames = decoder.read(np.arange(first, end))
                with VideoEncoder(pictures, _ENCODING, index.display) as encoder:
                    for frame, time in zip(frames, seconds - seconds[0], strict=True):
                        encoder.write(frame, float(time))
                    encoder.end_seconds = length
            if sounds:
                _add_sound(pictures, path, _sound(source, index, first, end))
            yield numbers is not None


def _sound(source: VideoSource, index: FrameIndex, first: int, end: int) -> Sound:
    return Sound(source, float(index.seconds([first])[0]), _end(index, end))


def _end(index: FrameIndex, end: int) -> float:
    """When the row before ``end`` is over."""
    if end == len(index):
        return float(index.seconds([0])[0]) + index.duration_seconds
    return float(index.seconds([end])[0])


def _add_sound(pictures: str, path: str, sound: Sound) -> None:
    try:
        add_sound(pictures, path, sound)
    except VideoError as error:
        warnings.warn(f"a clip is silent: {error}", stacklevel=2)
        os.replace(pictures, path)
    finally:
        if os.path.exists(pictures):
            os.remove(pictures)


def _check(ranges: Sequence[tuple[int, int]], index: FrameIndex) -> None:
    last, rows = 0, len(index)
    for first, end in ranges:
        if not last <= first < end <= rows:
            raise ArgumentError(
                f"a clip must have one row or more, from row {last} on, of the "
                f"{rows} rows of the video, got rows [{first}, {end})"
            )
        lost = np.flatnonzero(index.is_lost(np.arange(first, end)))
        if len(lost):
            raise VideoError(
                f"row {first + lost[0]} of the clip of rows {first} to {end} cannot be "
                "decoded, and a copy of the video would show it"
            )
        last = end


def _packets_of(
    segment: Segment | None, index: FrameIndex, rows: tuple[int, int]
) -> range | None:
    """The packets of a clip that can be copied; None for one that cannot."""
    first, end = rows
    if segment is None or first not in index.keyframes:
        return None
    own = np.flatnonzero((segment.ranks >= first) & (segment.ranks < end))
    start = int(own[0])
    if own[-1] - start + 1 != len(own) or segment.ranks[start] != first:
        return None
    return range(start, start + len(own))


def _numbered_packets(video: OpenVideo) -> Iterator[tuple[int, bytes, bool]]:
    packets = (p for p in video.container.demux(video.stream) if p.size)
    try:
        for number, packet in enumerate(packets):
            yield number, bytes(packet), packet.is_keyframe
    except av.error.FFmpegError as error:
        raise VideoError(f"the video cannot be read: {error}") from error


def _taken(
    packets: Iterator[tuple[int, bytes, bool]], numbers: range
) -> Iterator[tuple[bytes, bool]]:
    for number, data, is_keyframe in packets:
        if number in numbers:
            yield data, is_keyframe
        if number >= numbers.stop - 1:
            return
