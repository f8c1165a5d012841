"""What a video file says of its own clock."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from beam_scanner.errors import StorageError, VideoError
from beam_scanner.storage.segments.video_rows import video_file
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.video.container import OpenVideo


@dataclass(frozen=True)
class SourceClock:
    """The clock of a file.

    Attributes:
        timecode: Of its first frame; None where the file has none.
        start_seconds: When its first stream begins, which players show as 0; None where
            that is unknown.
    """

    timecode: str | None = None
    start_seconds: float | None = None


def source_clock(video: NamedVideoStream) -> SourceClock:
    """Reads the clock of the file that a video is read from.

    A video that a graph made has no clock of its own. Warns if the file cannot be
    opened; its clock is unknown then.

    Args:
        video: The video.
    """
    found = video.descriptor()
    if not found.ingested:
        return SourceClock()
    try:
        with OpenVideo(video_file(video.storage().store(), found)) as opened:
            file, stream = opened.container, opened.stream
            told = stream.metadata.get("timecode") or file.metadata.get("timecode")
            start = file.start_time
    except (StorageError, VideoError) as error:
        warnings.warn(
            f"whether the file of {video.name()!r} has a timecode is unknown: {error}",
            stacklevel=2,
        )
        return SourceClock()
    return SourceClock(told, None if start is None else start / 1e6)
