"""A video as hwang has it: frames by row, and an index in terms of the file.

Scanner decodes with hwang, and hands its decoder to programs that want frames without
a graph: ``NamedVideoStream.as_hwang()``. Samples are the packets of the video stream in
the order of the file, which is that of decoding; rows are in the order of showing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from beam_scanner.errors import VideoError
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import READ_ERRORS, why
from beam_scanner.video.source import VideoSource, check_readable, source_name
from beam_scanner.video.video_reader import VideoReader


class Decoder:
    """Decodes rows of a video file.

    Args:
        source: The file.
        index: Its frame index.

    Attributes:
        video_index: Where its samples lie.
    """

    def __init__(self, source: VideoSource, index: FrameIndex) -> None:
        self._reader = VideoReader(source, index)
        self.video_index = read_samples(source, index)

    def retrieve(self, rows: Iterable[int]) -> list[Any]:
        """Frames, uint8[height, width, 3] RGB, in the order of ``rows``.

        Raises:
            RowError: The video has no such row.
            VideoError: A row cannot be decoded.
        """
        return self._reader.frames_at(rows)

    def close(self) -> None:
        """Closes the file; a later :meth:`retrieve` opens it again."""
        self._reader.close()


@dataclass(frozen=True)
class VideoIndex:
    """Where the samples of a video lie in its file.

    Args:
        index: The frame index.
        offsets: Of each sample its first byte.
        sizes: Of each sample its number of bytes.
        keyframes: Numbers of the samples at which decoding can start.
        setup: What a decoder is given before the first sample.
    """

    index: FrameIndex
    offsets: list[int]
    sizes: list[int]
    keyframes: list[int]
    setup: bytes

    def frames(self) -> int:
        """How many rows there are."""
        return len(self.index)

    def frame_width(self) -> int:
        """In pixels, as shown."""
        return self.index.width

    def frame_height(self) -> int:
        """In pixels, as shown."""
        return self.index.height

    def format(self) -> str:
        """FFmpeg's name of the codec."""
        return self.index.codec

    def timescale(self) -> int:
        """Units of time a second."""
        return round(1 / self.index.time_base)

    def duration(self) -> int:
        """In units of time."""
        return round((self.index.duration_seconds or 0) / self.index.time_base)

    def fps(self) -> float:
        """Frames a second, on average; 0.0 where unknown."""
        return float(self.index.average_rate or 0)

    def sample_offsets(self) -> list[int]:
        """Of each sample its first byte in the file."""
        return list(self.offsets)

    def sample_sizes(self) -> list[int]:
        """Of each sample its number of bytes."""
        return list(self.sizes)

    def keyframe_indices(self) -> list[int]:
        """Numbers of the samples at which decoding can start."""
        return list(self.keyframes)

    def metadata_bytes(self) -> bytes:
        """What a decoder is given before the first sample, as the file has it."""
        return self.setup


def read_samples(source: VideoSource, index: FrameIndex) -> VideoIndex:
    """Reads where the samples of a file lie.

    Raises:
        VideoError: It cannot be read, or is no MP4 or MOV: other containers cut
            samples up, or do not tell where they lie.
    """
    name = source_name(source)
    offsets: list[int] = []
    sizes: list[int] = []
    keyframes: list[int] = []
    with OpenVideo(source) as video:
        if "mp4" not in video.container.format.name.split(","):
            raise VideoError(
                f"video {name!r} is {video.container.format.name}: only MP4 and MOV "
                "files have an index of samples; NamedVideoStream.load reads any video"
            )
        setup = bytes(video.stream.codec_context.extradata or b"")
        try:
            for packet in video.packets():
                if packet is None:
                    continue
                if packet.is_keyframe:
                    keyframes.append(len(offsets))
                offsets.append(int(packet.pos))
                sizes.append(int(packet.size))
        except READ_ERRORS as error:
            check_readable(source, error)
            raise VideoError(f"video {name!r} is damaged: {why(error)}") from error
    return VideoIndex(index, offsets, sizes, keyframes, setup)
