"""The shots that a stream holds, with the video that they are of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream


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
        rate: Frames a second.
    """

    video: NamedVideoStream
    ranges: Sequence[ShotRange]
    rate: Fraction


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
    with video.reader() as reader:
        seconds = np.asarray(reader.seconds(np.arange(rows)))
    step = float(np.median(np.diff(seconds))) if rows > 1 else 0.04
    if not step > 0:
        raise ElementTypeError(f"the rows of video {video.name()!r} have no times")
    times = np.append(seconds, seconds[-1] + step) - seconds[0]
    found = [ShotRange(a, b, float(times[a]), float(times[b])) for a, b in pairs]
    return Shots(video, found, _rate(rows / float(times[-1])))


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


_USUAL_RATES = (
    *map(Fraction, (12, 15, 24, 25, 30, 48, 50, 60, 100, 120)),
    *(Fraction(1000 * count, 1001) for count in (24, 30, 48, 60, 120)),
)


def _rate(measured: float) -> Fraction:
    """The usual rate that was measured; 24 and 24000/1001 differ by a thousandth."""
    nearest = min(_USUAL_RATES, key=lambda rate: abs(rate - measured))
    if abs(nearest - measured) < measured * 0.0004:
        return nearest
    return Fraction(measured).limit_denominator(1001)


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
