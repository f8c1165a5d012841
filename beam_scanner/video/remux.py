"""Joins video files into one MP4, without coding the pictures a second time.

Segments that different workers wrote become one file that plays without a gap: each
begins with a keyframe, so their packets follow each other with new times. Pictures
are coded again only to scale them, or where packets cannot be taken over (another
codec or size in between, an edit list that hides frames, a turned picture).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import ArrayLike, NDArray

from beam_scanner.errors import ArgumentError, VideoError
from beam_scanner.stores.part_names import part_of
from beam_scanner.video.bitstream.codec import Bitstream
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.decoder_setup import CONFIGURATION
from beam_scanner.video.encoder import VideoEncoder, mux
from beam_scanner.video.encoding import Encoding
from beam_scanner.video.index import NO_PTS, FrameIndex
from beam_scanner.video.index_assembly import SIZE_TAG
from beam_scanner.video.indexing import index_video
from beam_scanner.video.soundtrack import Sound, add_sound
from beam_scanner.video.source import VideoSource
from beam_scanner.video.timing import (
    TICKS,
    TIME_BASE,
    joined_seconds,
    presentation_ticks,
)

_COPIED_CODECS = frozenset({"h264", "hevc", "vp9", "av1", "mpeg4"})


def concatenate(
    segments: Sequence[VideoSource],
    times: ArrayLike | None,
    out_path: str | os.PathLike[str],
    fps: float | Fraction | None = None,
    scale: tuple[int, int] | None = None,
    sound: Sound | None = None,
) -> None:
    """Writes the rows of several videos, one after another, to one MP4.

    The file starts at time 0; its index comes first, so that it plays while it
    loads.

    Args:
        segments: At least one video, in order.
        times: float64[n], seconds of all rows; None for the segments' own times,
            each segment following the one before.
        out_path: Replaced if it exists; missing or complete, never half written.
        fps: Frames a second, in place of all times; every row is kept.
        scale: (width, height) of the result; this codes the pictures again.
        sound: What is heard with the pictures; ``None`` for nothing.

    Raises:
        ArgumentError: No segments, a wrong number of times, an impossible ``fps``
            or ``scale``.
        VideoError: A segment, or the sound, cannot be read.

    Examples:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> parts = [os.path.join(folder, name) for name in ('a.mp4', 'b.mp4')]
        >>> for part in parts:
        ...     with VideoEncoder(part, Encoding()) as encoder:
        ...         for i in range(10):
        ...             encoder.write(np.zeros((16, 16, 3), np.uint8), i / 25)
        >>> whole = os.path.join(folder, 'whole.mp4')
        >>> concatenate(parts, None, whole, fps=10)
        >>> index = index_video(whole)
        >>> len(index), index.duration_seconds
        (20, 2.0)
    """
    if not segments:
        raise ArgumentError("there are no segments to join")
    if fps is not None and not 0 < fps < TICKS:
        raise ArgumentError(f"fps {fps} is not a positive frame rate")
    if scale is not None and min(scale) < 1:
        raise ArgumentError(f"scale {scale} is not a (width, height) in pixels")
    indexes = [index_video(segment) for segment in segments]
    ticks = _ticks(indexes, times, fps)
    out = os.fspath(out_path)
    part = part_of(out)
    silent = part if sound is None else part_of(out)
    try:
        plan = None if scale else _copy_plan(segments, indexes)
        if plan is None:
            _encode_again(segments, indexes, ticks, silent, scale)
        else:
            _copy(plan, ticks, silent)
        if sound is not None:
            add_sound(silent, part, sound)
        os.replace(part, out)
    except VideoError as error:
        # Nobody knows of the file that becomes the one that was asked for.
        told = str(error).replace(silent, out).replace(part, out)
        raise VideoError(told) from error
    finally:
        for left in {silent, part}:
            if os.path.exists(left):
                os.remove(left)


def _ticks(
    indexes: list[FrameIndex], times: ArrayLike | None, fps: float | Fraction | None
) -> NDArray[np.int64]:
    rows = sum(len(index) for index in indexes)
    if fps is not None:
        step = TICKS / Fraction(fps)
        return np.array([round(i * step) for i in range(rows)], dtype=np.int64)
    if times is None:
        times = joined_seconds(indexes)
    given = np.asarray(times, dtype=np.float64)
    if given.shape != (rows,):
        raise ArgumentError(f"{given.size} times for segments of {rows} rows")
    ticks = presentation_ticks(given)
    ticks -= ticks[0]
    return ticks


@dataclass
class Segment:
    """A video whose packets can be taken over as they are.

    Attributes:
        source: The file.
        ranks: int64[n], the row of each packet, in decoding order.
        extradata: The decoder's configuration.
        size_tag: The file's tag of the size, which its pictures exceed.
        shape: What segments that are joined have in common.
    """

    source: VideoSource
    ranks: NDArray[np.int64]
    extradata: bytes
    size_tag: str | None
    shape: tuple[Any, ...]

    @property
    def bitstream(self) -> Bitstream:
        """Reads its packets."""
        return bitstream(self.shape[0], self.extradata)


def _copy_plan(
    segments: Sequence[VideoSource], indexes: list[FrameIndex]
) -> list[Segment] | None:
    """None where packets cannot be taken over as they are."""
    plan: list[Segment] = []
    for source, index in zip(segments, indexes, strict=True):
        segment = copyable(source, index)
        if segment is None or (plan and segment.shape != plan[0].shape):
            return None
        if plan and segment.extradata != plan[0].extradata:
            own = segment.bitstream.picture_parameters()
            if own is None or own != plan[0].bitstream.picture_parameters():
                return None
        plan.append(segment)
    return plan


def copyable(source: VideoSource, index: FrameIndex) -> Segment | None:
    """A video as a segment to be copied; None where its packets cannot be.

    Args:
        source: The file.
        index: Its index.
    """
    if index.codec not in _COPIED_CODECS or not (index.timed and index.monotonic):
        return None
    if any(kind == CONFIGURATION for _, kind, _ in index.setups):
        # An MP4 is written with one.
        return None
    with OpenVideo(source) as video:
        if not video.container.format.name.startswith(("mov", "matroska")):
            return None
        pts, hidden = [], False
        for packet in video.container.demux(video.stream):
            if packet.size:
                hidden = hidden or packet.is_discard
                pts.append(NO_PTS if packet.pts is None else packet.pts)
        order = np.array(pts, dtype=np.int64)
        if hidden or not np.array_equal(np.sort(order), index.pts):
            return None
        context = video.stream.codec_context
        shape: tuple[Any, ...] = (
            index.codec,
            context.width,
            context.height,
            str(context.pix_fmt),
        )
        shape += (index.rotation, index.mirrored, index.display)
        return Segment(
            source,
            np.searchsorted(index.pts, order).astype(np.int64),
            context.extradata or b"",
            video.container.metadata.get(SIZE_TAG),
            shape,
        )


def _copy(plan: list[Segment], ticks: NDArray[np.int64], path: str) -> None:
    starts = np.cumsum([0, *(len(segment.ranks) for segment in plan[:-1])])
    ranks = [s.ranks + start for s, start in zip(plan, starts, strict=True)]
    write_packets(path, plan[0], _packets(plan), ticks, np.concatenate(ranks))


def write_packets(
    path: str,
    like: Segment,
    packets: Iterator[tuple[bytes, bool]],
    ticks: NDArray[np.int64],
    ranks: NDArray[np.int64],
    end: int | None = None,
) -> None:
    """Writes packets to an MP4.

    Args:
        path: The file.
        like: Its decoder's configuration is the file's.
        packets: See :func:`~beam_scanner.video.encoder.mux`, as ``ticks`` and ``ranks``.
        ticks: The times by row.
        ranks: The row of each packet.
        end: When the last row ends; None for one as long as most others are.

    Raises:
        VideoError: The file cannot be written.
    """
    flags = "+faststart" + ("+use_metadata_tags" if like.size_tag else "")
    options = {
        "fflags": "+bitexact",
        "movflags": flags,
        "movie_timescale": str(TICKS),
    }
    output = av.open(f"file:{path}", "w", format="mp4", container_options=options)
    if like.size_tag:
        output.metadata[SIZE_TAG] = like.size_tag
    with OpenVideo(like.source) as video:
        stream: Any = output.add_stream_from_template(video.stream, opaque=True)
        stream.time_base = TIME_BASE
        if like.shape[0] == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        try:
            mux(output, stream, packets, ticks, ranks, end)
        except av.error.FFmpegError as error:
            raise VideoError(f"video {path!r} cannot be written: {error}") from error


def _packets(plan: list[Segment]) -> Iterator[tuple[bytes, bool]]:
    # The file has one decoder configuration, the first segment's. Where segments
    # differ, each brings its own along with its keyframes.
    mixed = any(segment.extradata != plan[0].extradata for segment in plan)
    for segment in plan:
        stream = segment.bitstream
        prefix = stream.join_sets(stream.configured_sets()) if mixed else b""
        with OpenVideo(segment.source) as video:
            for packet in video.container.demux(video.stream):
                if packet.size:
                    key = packet.is_keyframe
                    yield (prefix if key else b"") + bytes(packet), key


def _encode_again(
    segments: Sequence[VideoSource],
    indexes: list[FrameIndex],
    ticks: NDArray[np.int64],
    path: str,
    scale: tuple[int, int] | None,
) -> None:
    shapes = {(index.width, index.height) for index in indexes}
    if scale is None and len(shapes) > 1:
        sizes = ", ".join(f"{w}x{h}" for w, h in sorted(shapes))
        raise VideoError(f"segments have different sizes ({sizes}): give a scale")
    lossless = all(index.pix_fmt == "gbrp" for index in indexes)
    resize = _resizer(scale) if scale else None
    row = 0
    display = replace(indexes[0].display, scales=True)
    encoding = Encoding("lossless" if lossless else "h264")
    with VideoEncoder(path, encoding, display) as encoder:
        for source, index in zip(segments, indexes, strict=True):
            with VideoDecoder(source, index) as decoder:
                for frame in decoder.read(np.arange(len(index))):
                    frame = resize(frame) if resize else frame
                    encoder.write(frame, ticks[row] / TICKS)
                    row += 1


def _resizer(
    scale: tuple[int, int],
) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    reformatter = VideoReformatter()

    def resize(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        width, height = scale
        scaled: Any = reformatter.reformat(
            frame, width, height, interpolation=Interpolation.BICUBIC, threads=1
        )
        array: NDArray[np.uint8] = scaled.to_ndarray()
        return array

    return resize
