"""The shots that a stream holds, with the video that they are of."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.exports.frame_rates import frame_rate
from beam_scanner.exports.source_clock import SourceClock, source_clock
from beam_scanner.storage.segments.video_rows import VideoRows
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.video.timing import TICKS, presentation_ticks


@dataclass(frozen=True)
class ShotRange:
    """Rows [first, end) of a video, and their times in seconds from its first row."""

    first: int
    end: int
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Shots:
    """The shots of one video.

    Attributes:
        video: The video.
        ranges: In order.
        rate: Frames a second, as editors count them.
        clock: Of the video's file.
        offset: Seconds from where players of the file start to the first row, such as
            where the sound begins earlier.
    """

    video: NamedVideoStream
    ranges: Sequence[ShotRange]
    rate: Fraction
    clock: SourceClock = field(default_factory=SourceClock)
    offset: float = 0.0

    @property
    def file_name(self) -> str:
        """Of the video, without folders."""
        return os.path.basename(self.video.descriptor().path or self.video.name())

    @property
    def url(self) -> str:
        """The video's file, or the quoted name of a video that has none of its own."""
        path = self.video.descriptor().path
        if path is None:
            return quote(self.video.name())
        return Path(path).as_uri() if path.startswith("/") else path

    def frames(self, shot: ShotRange) -> tuple[int, int]:
        """The frames [first, end) of a shot as editors count them, by the clock.

        They differ from its rows where frames are missing in the video.

        Args:
            shot: One of the shots.
        """
        first = round(shot.start_seconds * self.rate)
        return first, max(round(shot.end_seconds * self.rate), first + 1)


def read_shots(stream: NamedStream, video: NamedVideoStream) -> Shots:
    """The shots that a stream holds.

    Args:
        stream: Each row is a pair of rows of the video, [first, end), as ``shots`` has
            them; or row 0 is the list of boundaries, as ``ShotBoundaries`` gives it.
        video: The video that they are of.

    Raises:
        ElementTypeError: The rows are neither.
        StreamNotFoundError: One of the two is not in the database.
    """
    rows = video.len()
    pairs = _pairs(stream, rows)
    last = 0
    for first, end in pairs:
        if not last <= first < end <= rows:
            raise ElementTypeError(
                f"rows {first} to {end} of stream {stream.name()!r} are no shot after "
                f"row {last} of a video of {rows} rows"
            )
        last = end
    if not pairs:
        return Shots(video, [], Fraction(25))
    with video.reader() as reader:
        seconds = np.asarray(reader.seconds(np.arange(rows)))
        told = reader.index.average_rate if isinstance(reader, VideoRows) else None
    if not np.isfinite(seconds).all():
        raise ElementTypeError(f"the rows of video {video.name()!r} have no times")
    clock = source_clock(video)
    start = seconds[0] if clock.start_seconds is None else clock.start_seconds
    offset = max(float(seconds[0] - start), 0.0)
    # Where the clock goes back, rows follow each other as in clips and in save_mp4.
    times = presentation_ticks(seconds - seconds[0]) / TICKS
    rate = frame_rate(times, told)
    shown = float(np.median(np.diff(times))) if rows > 1 else 1 / float(rate)
    times = np.append(times, times[-1] + shown)
    found = [ShotRange(a, b, float(times[a]), float(times[b])) for a, b in pairs]
    return Shots(video, found, rate, clock, offset)


def _pairs(stream: NamedStream, rows: int) -> list[tuple[int, int]]:
    values = list(stream.load())
    boundaries = _numbers(values[0]) if values else None
    # ShotBoundaries gives a row for each of the video's, all null but the first.
    if (
        boundaries is None
        or len(values) != rows
        or any(v is not None for v in values[1:])
    ):
        return [_pair(value, stream) for value in values]
    bounds = [0, *(row for row in boundaries if 0 < row < rows), rows]
    return list(itertools.pairwise(bounds))


def _numbers(value: Any) -> list[int] | None:
    if not isinstance(value, (list, tuple, np.ndarray)):
        return None
    numbers = np.asarray(value)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        return None
    return [int(number) for number in numbers]


def _pair(value: Any, stream: NamedStream) -> tuple[int, int]:
    found = _numbers(value)
    if found is None or len(found) != 2:
        raise ElementTypeError(
            f"stream {stream.name()!r} holds no shots: expected pairs of rows, as the "
            f"graph 'shots' has them, or boundaries, got {type(value).__name__}"
        )
    return found[0], found[1]


def source_of(stream: NamedStream, name: str | None) -> NamedVideoStream:
    """The video that a stream of shots is of.

    Args:
        stream: The shots.
        name: The video's name; None for what follows the first slash of the stream's.

    Raises:
        ArgumentError: There is none of that name.
    """
    _, slash, rest = stream.name().partition("/")
    given = name or (rest if slash else "")
    video = NamedVideoStream(stream.storage(), given) if given else None
    if video is None or not video.committed() or video.descriptor().kind != "video":
        raise ArgumentError(
            f"which video are the shots in {stream.name()!r} of? There is no video "
            f"{given!r} in the database: give its name with --video"
        )
    return video
